"""Metrics compared with the libraries' own, and with values computed by hand."""

import numpy as np
import pytest
import seqeval.metrics
from scipy import stats
from sklearn import metrics as theirs

from squeezebert_mobile.evaluation import METRICS
from squeezebert_mobile.evaluation.predictions import entity_counts
from squeezebert_mobile.evaluation.readers.squad import exact_match, normalized, word_f1

TEXT = METRICS["text-classification"]


def test_classification_metrics_are_those_of_sklearn() -> None:
    draw = np.random.default_rng(0)
    golds, answers = draw.integers(0, 2, 50), draw.integers(0, 2, 50)
    evidence = np.stack([golds, answers], axis=1).astype(float)
    assert TEXT["accuracy"].compute(evidence) == theirs.accuracy_score(golds, answers)
    assert TEXT["f1"].compute(evidence) == theirs.f1_score(golds, answers)
    assert TEXT["f1_macro"].compute(evidence) == theirs.f1_score(golds, answers, average="macro")
    assert TEXT["matthews"].compute(evidence) == theirs.matthews_corrcoef(golds, answers)


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("classes", [2, 4])
def test_the_fast_form_gives_the_same_value(name: str, classes: int) -> None:
    draw = np.random.default_rng(classes)
    for _ in range(5):
        evidence = draw.integers(-(classes > 2), classes, (30, 2)).astype(float)
        fast = TEXT[name].fast
        assert fast and fast(evidence) == pytest.approx(TEXT[name].compute(evidence))


def test_classification_by_hand() -> None:
    """Two of three found, one of three wrong: precision and recall are 2/3; -1 is no class."""
    evidence = np.array([[1, 1], [1, 1], [1, -1], [0, 1], [0, 0]], float)
    assert TEXT["accuracy"].compute(evidence) == 3 / 5
    assert TEXT["f1"].compute(evidence) == pytest.approx(2 / 3)


def test_regression_metrics_are_those_of_scipy() -> None:
    draw = np.random.default_rng(0)
    evidence = draw.normal(size=(20, 2))
    assert TEXT["pearson"].compute(evidence) == stats.pearsonr(*evidence.T).statistic
    assert TEXT["spearman"].compute(evidence) == stats.spearmanr(*evidence.T).statistic


@pytest.mark.parametrize("name", [*TEXT])
@pytest.mark.parametrize(
    "evidence", [[[0, 0], [0, 0]], [[1, 1], [1, 1]], [[1, 0], [1, 0]], [[0, 0], [0, 1]], [[1, 2]]]
)
def test_degenerate_data_gives_a_number_without_a_warning(
    name: str, evidence: list[list[float]]
) -> None:
    value = TEXT[name].compute(np.array(evidence, float))
    assert 0 <= value <= 1
    if fast := TEXT[name].fast:
        assert fast(np.array(evidence, float)) == pytest.approx(value)


def test_entities_are_those_of_seqeval() -> None:
    draw = np.random.default_rng(0)
    tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    golds, answers = (
        [[str(tag) for tag in draw.choice(tags, 6, p=[0.4, 0.2, 0.2, 0.1, 0.1])] for _ in range(20)]
        for _ in range(2)
    )
    evidence = np.array(
        [
            (*entity_counts(ours, gold), sum(map(str.__eq__, ours, gold)), len(gold))
            for ours, gold in zip(answers, golds, strict=True)
        ],
        float,
    )
    for name in ("f1", "precision", "recall", "accuracy"):
        library = getattr(seqeval.metrics, f"{name}_score")(golds, answers)
        assert METRICS["token-classification"][name].compute(evidence) == pytest.approx(library)


def test_metrics_without_any_entity() -> None:
    evidence = np.array([[0, 0, 0, 2, 2]], float)
    values = {n: metric.compute(evidence) for n, metric in METRICS["token-classification"].items()}
    assert values == {"f1": 0, "precision": 0, "recall": 0, "accuracy": 1}


def test_the_loss_is_the_mean_over_masks_and_not_over_texts() -> None:
    metrics, evidence = METRICS["fill-mask"], np.array([[2, 1, 1], [1, 1, 5]], float)
    assert metrics["loss"].compute(evidence) == 0.5
    assert metrics["perplexity"].compute(evidence) == pytest.approx(1.6487212707)
    assert metrics["accuracy"].compute(evidence) == pytest.approx(2 / 6)
    assert not metrics["loss"].higher_is_better and not metrics["perplexity"].higher_is_better


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        ("The Cat!", "cat"),
        ("a  half-past\tsix", "halfpast six"),
        ("An apple a day, the end.", "apple day end"),
        ("theatre", "theatre"),  # not an article
        ("“quoted”", "“quoted”"),  # published: ASCII punctuation only
    ],
)
def test_normalization_is_the_published_one(answer: str, same: str) -> None:
    assert normalized(answer) == same


@pytest.mark.parametrize(
    ("answer", "golds", "exact", "f1"),
    [
        ("the cat", ("Cat.",), 1, 1),
        ("the big cat", ("cat", "big dog"), 0, 2 / 3),  # 1 shared of 2 and 1 words
        ("on the mat at six", ("at six", "mat"), 0, 2 / 3),  # 2 shared of 4 and 2
        ("cat cat", ("cat dog cat mat",), 0, 2 / 3),  # repeated words count each time
        ("dog", ("cat",), 0, 0),
        ("", (), 1, 1),  # no answer is right for an unanswerable question
        ("cat", (), 0, 0),
        ("", ("cat",), 0, 0),
        ("cat", ("the", "cat"), 1, 1),
        ("", ("the",), 1, 1),  # as the published script for 2.0
    ],
)
def test_answers_by_hand(answer: str, golds: tuple[str, ...], exact: float, f1: float) -> None:
    assert exact_match(answer, golds) == exact
    assert word_f1(answer, golds) == pytest.approx(f1)
