"""Which output of a model is which class of the data."""

import pytest

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import DataSet, match_labels


def data(*classes: str, ids: tuple[int, ...] | None = None, named: bool = True) -> DataSet:
    return DataSet("x", "text-classification", (), (), classes, ids, named)


NAMELESS = ("LABEL_0", "LABEL_1", "LABEL_2")
MNLI = data("entailment", "neutral", "contradiction", ids=(0, 1, 2))
SST = data("negative", "positive", ids=(0, 1), named=False)  # the file has 0 and 1


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
        (NAMELESS, MNLI, {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}),
        (("positive", "negative"), SST, {"negative": 0, "positive": 1}),
        (("NEG", "POS"), SST, {"NEG": 0, "POS": 1}),
        (NAMELESS, data("LABEL_2", "LABEL_0"), {"LABEL_2": 0, "LABEL_0": 1}),
        (NAMELESS, data("0", "2", ids=(0, 2), named=False), {"LABEL_0": 0, "LABEL_2": 1}),
        (("bad", "good"), data("0", "1", ids=(0, 1), named=False), {"bad": 0, "good": 1}),
        (("1", "0"), data("0", "1", ids=(0, 1), named=False), {"0": 0, "1": 1}),
        (
            ("not-entailment", "entailment", "other"),
            data("entailment", "not_entailment", ids=(0, 1)),
            {"entailment": 0, "not-entailment": 1},
        ),
    ],
)
def test_matched(labels: tuple[str, ...], classes: DataSet, expected: dict[str, int]) -> None:
    assert match_labels(labels, classes) == expected


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("a", "b"), data("a", "c")),
        (("x", "y", "z"), MNLI),  # named on both sides
        (NAMELESS, data("bad", "good")),
        (("bad", "good"), data("0", "2", ids=(0, 2), named=False)),
        (("low", "high"), data("Low", "low")),  # one label, or two?
        (("alarm", "timer", "music"), SST),  # a model for something else
    ],
)
def test_not_matched(labels: tuple[str, ...], classes: DataSet) -> None:
    with pytest.raises(InputError) as error:
        match_labels(labels, classes)
    assert str(error.value) == (
        f"the data has the labels {', '.join(classes.classes)!r}, and the model has "
        f"{', '.join(labels)!r}; write the model's into the data, or name the model's in its "
        "config.json (id2label)"
    )
