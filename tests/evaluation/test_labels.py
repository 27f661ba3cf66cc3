"""Matching a model's labels to the classes of the data."""

import pytest

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import DataSet, match_labels


def data(*classes: str, ids: tuple[int, ...] | None = None, has_names: bool = True) -> DataSet:
    return DataSet("x", "text-classification", (), (), classes, ids, has_names)


UNNAMED = ("LABEL_0", "LABEL_1", "LABEL_2")
MNLI = data("entailment", "neutral", "contradiction", ids=(0, 1, 2))
SST = data("negative", "positive", ids=(0, 1), has_names=False)  # the file has 0 and 1


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (("b", "a"), data("a", "b"), {"a": 0, "b": 1}),
        (("A", "a"), data("a", "A"), {"a": 0, "A": 1}),
        (
            ("NEUTRAL", "Entailment", "contradiction"),
            MNLI,
            {"Entailment": 0, "NEUTRAL": 1, "contradiction": 2},
        ),
        (UNNAMED, MNLI, {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}),
        (("positive", "negative"), SST, {"negative": 0, "positive": 1}),
        (("NEG", "POS"), SST, {"NEG": 0, "POS": 1}),
        (UNNAMED, data("LABEL_2", "LABEL_0"), {"LABEL_2": 0, "LABEL_0": 1}),
        (UNNAMED, data("0", "2", ids=(0, 2), has_names=False), {"LABEL_0": 0, "LABEL_2": 1}),
        (("bad", "good"), data("0", "1", ids=(0, 1), has_names=False), {"bad": 0, "good": 1}),
        (("1", "0"), data("0", "1", ids=(0, 1), has_names=False), {"0": 0, "1": 1}),
        (("1", "0"), data("0.0", "1.0", ids=(0, 1), has_names=False), {"0": 0, "1": 1}),
        (("bad", "good"), data("0.0", "1.0", ids=(0, 1), has_names=False), {"bad": 0, "good": 1}),
        (("a", "b", "c"), data("1.0", ids=(1,), has_names=False), {"b": 0}),
        (("1", "-1", "0"), data("-1", "0", "1"), {"-1": 0, "0": 1, "1": 2}),
        (("03", "01"), data("1", "3", ids=(1, 3), has_names=False), {"01": 0, "03": 1}),
        ((" low", "high "), data("high", "low"), {"high ": 0, " low": 1}),
        (("1e5", "1"), data("1", "100000.0"), {"1": 0, "1e5": 1}),
        (
            ("not-entailment", "entailment", "other"),
            data("entailment", "not_entailment", ids=(0, 1)),
            {"entailment": 0, "not-entailment": 1},
        ),
    ],
)
def test_labels_match(labels: tuple[str, ...], classes: DataSet, expected: dict[str, int]) -> None:
    assert match_labels(labels, classes) == expected


@pytest.mark.parametrize(
    ("labels", "classes", "unknown"),
    [
        (("a", "b"), data("a", "c"), "label 'c'"),
        (("x", "y", "z"), MNLI, "labels 'entailment, neutral, contradiction'"),  # named on both
        (("neutral", "y", "z"), MNLI, "labels 'entailment, contradiction'"),
        (UNNAMED, data("bad", "good"), "labels 'bad, good'"),
        (("bad", "good"), data("0", "2", ids=(0, 2), has_names=False), "label '2'"),
        (("low", "high"), data("Low", "low"), "label 'Low'"),  # one label, or two?
        # A model for something else.
        (("alarm", "timer", "music"), SST, "labels 'negative, positive'"),
        (("-1", "0", "1"), data("-1", "2"), "label '2'"),
        ((" low", "high "), data("low", "mid"), "label 'mid'"),
    ],
)
def test_labels_do_not_match(labels: tuple[str, ...], classes: DataSet, unknown: str) -> None:
    with pytest.raises(InputError) as error:
        match_labels(labels, classes)
    assert str(error.value) == (
        f"the data has the {unknown}, but the model has "
        f"{', '.join(labels)!r}; use the model's labels in the data, or set id2label in the "
        "model's config.json"
    )


def test_a_number_that_two_labels_have_is_an_id() -> None:
    assert match_labels(("1", "01"), data("1.0", ids=(1,), has_names=False)) == {"01": 0}
