"""Comparing two models: differences, intervals, agreement, and the worst disagreements."""

import numpy as np
import pytest

from squeezebert_mobile.evaluation import METRICS, DataSet, Example, Prediction, Scores, compare


def _scores(data: DataSet, predictions: list[Prediction]) -> Scores:
    evidence = np.array([item.evidence for item in predictions], float)
    metrics = {name: METRICS[data.task][name].compute(evidence) for name in data.metrics}
    return Scores(metrics, tuple(predictions))


def _classes(predicted: list[int], golds: list[int], confidence: float = 0.5) -> list[Prediction]:
    return [
        Prediction((f"class {index}",), float(index == gold), confidence, (gold, index), False)
        for index, gold in zip(predicted, golds, strict=True)
    ]


def _data(golds: list[int], *metrics: str) -> DataSet:
    examples = tuple(Example(f"line {n}", (f"text {n}",), f"{g}") for n, g in enumerate(golds))
    return DataSet("csv", "text-classification", examples, metrics, ("0", "1"))


GOLDS = [0, 1] * 20
RIGHT_BUT_4 = [*GOLDS[:36], 1, 0, 1, 0]
RIGHT_BUT_10 = [1 - gold for gold in GOLDS[:6]] + RIGHT_BUT_4[6:]


def test_a_difference_and_its_interval_by_hand() -> None:
    """The models differ in six of forty examples; the percentiles of such samples are known."""
    data = _data(GOLDS, "accuracy", "f1")
    ours, theirs = (_scores(data, _classes(p, GOLDS)) for p in (RIGHT_BUT_4, RIGHT_BUT_10))
    comparison = compare(ours, theirs, data)
    accuracy = comparison.differences["accuracy"]
    assert accuracy.difference == pytest.approx(6 / 40)
    # Binomial, 40 draws of 0.15: the 2.5th and 97.5th percentiles are 2 and 11.
    assert accuracy.low * 40 == pytest.approx(2, abs=0.5)
    assert accuracy.high * 40 == pytest.approx(11, abs=0.5)
    assert comparison.differences["f1"].low < comparison.differences["f1"].difference
    assert comparison.agreement == pytest.approx(34 / 40)
    again = compare(ours, theirs, data)
    assert again == comparison
    other_way = compare(theirs, ours, data).differences["accuracy"]
    assert (other_way.difference, other_way.low) == (-accuracy.difference, -accuracy.high)


def test_identical_answers_have_no_differences() -> None:
    data = _data(GOLDS, "accuracy", "matthews")
    scores = _scores(data, _classes(RIGHT_BUT_4, GOLDS))
    comparison = compare(scores, scores, data)
    assert comparison.agreement == 1 and comparison.disagreements == ()
    assert comparison.answers == 40
    accuracy, matthews = comparison.differences.values()
    assert accuracy.difference == 0
    assert (accuracy.low, accuracy.high) == pytest.approx((-3 / 40, 3 / 40))
    assert matthews.difference == 0 and matthews.low == -matthews.high < -3 / 40


def test_a_single_example_has_an_interval_of_zero_width() -> None:
    data = _data([1], "accuracy")
    ours, theirs = (_scores(data, _classes([place], [1])) for place in (1, 0))
    difference = compare(ours, theirs, data).differences["accuracy"]
    assert (difference.difference, difference.low, difference.high) == (1, 1, 1)


def test_the_worst_disagreements_come_first() -> None:
    """Those where one is right come first, the most confident ones first; ten at most."""
    golds = [0] * 15
    ours = [*_classes([0] * 12, [0] * 12, 0.6), *_classes([1] * 3, [1] * 3, 0.99)]
    ours[5] = Prediction(("0",), 1.0, 0.9, (0, 0), False)
    theirs = _classes([1] * 15, golds)
    data = _data(golds, "accuracy")
    ours[12:] = [Prediction(("2",), 0.0, 0.99, (0, -1), False)] * 3
    comparison = compare(_scores(data, ours), _scores(data, theirs), data)
    assert len(comparison.disagreements) == 10
    first = comparison.disagreements[0]
    assert (first.place, first.text, first.right) == ("line 5", "text 5", "0")
    assert (first.ours, first.theirs) == ("0", "class 1")
    assert "2" not in {item.ours for item in comparison.disagreements}


def test_only_the_differing_answers_of_an_example_are_shown() -> None:
    example = Example("line 1", ("Anna", "saw", "Rome"), ("B-PER", "O", "B-LOC"))
    data = DataSet("conll", "token-classification", (example,), ("accuracy",))
    ours = Prediction(("B-PER", "O", "O"), 2 / 3, 0.5, (1, 1, 2, 2, 3), False)
    theirs = Prediction(("O", "O", "B-LOC"), 2 / 3, 0.5, (1, 1, 2, 2, 3), False)
    comparison = compare(_scores(data, [ours]), _scores(data, [theirs]), data)
    assert comparison.agreement == pytest.approx(1 / 3)
    (disagreement,) = comparison.disagreements
    assert (disagreement.text, disagreement.right) == ("Anna saw Rome", "B-PER, B-LOC")
    assert (disagreement.ours, disagreement.theirs) == ("B-PER, O", "O, B-LOC")


@pytest.mark.parametrize(
    ("task", "example", "text", "right"),
    [
        ("question-answering", Example("", ("Who?", "He sat."), ("He", "he")), "Who?", "He"),
        ("question-answering", Example("", ("Who?", "He sat."), ()), "Who?", "no answer"),
        ("multiple-choice", Example("", ("a dog", "sat", "six"), 1), "a dog", "six"),
        ("text-classification", Example("", ("one", "two"), "same"), "one | two", "same"),
        ("fill-mask", Example("", ("a dog sat",), None), "a dog sat", ""),
    ],
)
def test_how_an_example_is_shown(task: str, example: Example, text: str, right: str) -> None:
    data = DataSet("x", task, (example,), ())
    ours, theirs = (Scores({}, (Prediction((answer,), 0, 0, (0,), False),)) for answer in ("", "b"))
    (disagreement,) = compare(ours, theirs, data).disagreements
    assert (
        disagreement.text,
        disagreement.right,
        disagreement.ours,
        disagreement.theirs,
    ) == (text, right, "no answer", "b")


def test_regression_has_no_agreement() -> None:
    examples = tuple(Example(f"line {n}", ("a",), f"{n}.5") for n in range(4))
    data = DataSet("tsv", "text-classification", examples, ("pearson",), is_regression=True)

    def scores(*away: float) -> Scores:
        return _scores(
            data,
            [
                Prediction((f"{n + a:.3f}",), -abs(a), 1, (n, n + a), False)
                for n, a in enumerate(away)
            ],
        )

    comparison = compare(scores(0, 0, 0, 0.1), scores(0, 2, 0, 0), data)
    assert comparison.agreement is None
    assert [item.place for item in comparison.disagreements] == ["line 1", "line 3"]
