"""Metrics against the libraries' own on whole data, and against figures worked out by hand."""

import numpy as np
import pytest
import seqeval.metrics
from scipy import stats
from sklearn import metrics as theirs

from squeezebert_mobile.evaluation import METRICS
from squeezebert_mobile.evaluation.answering import _entity_counts
from squeezebert_mobile.evaluation.readers.squad import exact_match, normalized, word_f1

TEXT = METRICS["text-classification"]


def test_classes() -> None:
    draw = np.random.default_rng(0)
    golds, answers = draw.integers(0, 2, 50), draw.integers(0, 2, 50)
    evidence = np.stack([golds, answers], axis=1).astype(float)
    assert TEXT["accuracy"].of(evidence) == theirs.accuracy_score(golds, answers)
    assert TEXT["f1"].of(evidence) == theirs.f1_score(golds, answers)
    assert TEXT["f1_macro"].of(evidence) == theirs.f1_score(golds, answers, average="macro")
    assert TEXT["matthews"].of(evidence) == theirs.matthews_corrcoef(golds, answers)


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("classes", [2, 4])
def test_the_quick_form_gives_the_same(name: str, classes: int) -> None:
    draw = np.random.default_rng(classes)
    for _ in range(5):
        evidence = draw.integers(-(classes > 2), classes, (30, 2)).astype(float)
        quickly = TEXT[name].quickly
        assert quickly and quickly(evidence) == pytest.approx(TEXT[name].of(evidence))


def test_classes_by_hand() -> None:
    """Two of three found, one of three wrong: precision and recall 2/3; 1 answer of no class."""
    evidence = np.array([[1, 1], [1, 1], [1, -1], [0, 1], [0, 0]], float)
    assert TEXT["accuracy"].of(evidence) == 3 / 5
    assert TEXT["f1"].of(evidence) == pytest.approx(2 / 3)


def test_values() -> None:
    draw = np.random.default_rng(0)
    evidence = draw.normal(size=(20, 2))
    assert TEXT["pearson"].of(evidence) == stats.pearsonr(*evidence.T).statistic
    assert TEXT["spearman"].of(evidence) == stats.spearmanr(*evidence.T).statistic


@pytest.mark.parametrize("name", [*TEXT])
@pytest.mark.parametrize(
    "evidence", [[[0, 0], [0, 0]], [[1, 1], [1, 1]], [[1, 0], [1, 0]], [[0, 0], [0, 1]], [[1, 2]]]
)
def test_data_that_say_little_give_a_number_without_a_warning(
    name: str, evidence: list[list[float]]
) -> None:
    found = TEXT[name].of(np.array(evidence, float))
    assert 0 <= found <= 1
    if quickly := TEXT[name].quickly:
        assert quickly(np.array(evidence, float)) == pytest.approx(found)


def test_entities_are_those_of_seqeval() -> None:
    draw = np.random.default_rng(0)
    tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    golds, answers = (
        [[str(tag) for tag in draw.choice(tags, 6, p=[0.4, 0.2, 0.2, 0.1, 0.1])] for _ in range(20)]
        for _ in range(2)
    )
    evidence = np.array(
        [
            (*_entity_counts(ours, gold), sum(map(str.__eq__, ours, gold)), len(gold))
            for ours, gold in zip(answers, golds, strict=True)
        ],
        float,
    )
    for name in ("f1", "precision", "recall", "accuracy"):
        library = getattr(seqeval.metrics, f"{name}_score")(golds, answers)
        assert METRICS["token-classification"][name].of(evidence) == pytest.approx(library)


def test_no_entities_at_all() -> None:
    evidence = np.array([[0, 0, 0, 2, 2]], float)
    found = {n: metric.of(evidence) for n, metric in METRICS["token-classification"].items()}
    assert found == {"f1": 0, "precision": 0, "recall": 0, "accuracy": 1}


def test_the_loss_is_over_masks_and_not_over_texts() -> None:
    metrics, evidence = METRICS["fill-mask"], np.array([[2, 1, 1], [1, 1, 5]], float)
    assert metrics["loss"].of(evidence) == 0.5
    assert metrics["perplexity"].of(evidence) == pytest.approx(1.6487212707)
    assert metrics["accuracy"].of(evidence) == pytest.approx(2 / 6)
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
        ("cat cat", ("cat dog cat mat",), 0, 2 / 3),  # a word counts as often as it stands there
        ("dog", ("cat",), 0, 0),
        ("", (), 1, 1),  # no answer, and there is none
        ("cat", (), 0, 0),
        ("", ("cat",), 0, 0),
        ("cat", ("the", "cat"), 1, 1),
        ("", ("the",), 1, 1),  # as the published script for 2.0
    ],
)
def test_answers_by_hand(answer: str, golds: tuple[str, ...], exact: float, f1: float) -> None:
    assert exact_match(answer, golds) == exact
    assert word_f1(answer, golds) == pytest.approx(f1)
