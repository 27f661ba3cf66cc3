from typing import Any

import artifacts
import numpy as np
import pytest
import transformers
from artifacts import LABELS, TEXTS

from squeezebert_mobile.errors import InputError

STRATEGIES = ["none", "simple", "first", "average", "max"]
# Two schemes of labels: B-/I- with O, and plain ones, where neighbours join by equality alone.
SCHEMES = {
    "BIO": {},
    "plain": {"num_labels": 3, "id2label": {0: "NOUN", 1: "S-VERB", 2: "O"}},
    "bert": {"family": "bert"},
}


@pytest.fixture(scope="module", params=SCHEMES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokens")
    theirs, ours = artifacts.load_pair(folder, "token-classification", **SCHEMES[request.param])
    tokenizer = artifacts.their_tokenizer(folder)
    return ours, transformers.TokenClassificationPipeline(model=theirs, tokenizer=tokenizer)


def expected(theirs: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            item.get("entity", item.get("entity_group")),
            pytest.approx(float(item["score"]), abs=1e-4),
            item["word"],
            item["start"],
            item["end"],
            item.get("index"),
        )
        for item in theirs
    ]


def found(result: Any) -> list[tuple[Any, ...]]:
    return [(e.label, e.score, e.word, e.start, e.end, e.index) for e in result.entities]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("ignored", [["O"], [], ["I-PER", "PER", "NOUN"]])
def test_same_as_transformers(case: Any, strategy: str, ignored: list[str]) -> None:
    ours, theirs = case
    options = {"aggregation_strategy": strategy, "ignore_labels": ignored}
    for text, result in zip(TEXTS, ours(TEXTS, **options), strict=True):
        assert found(result) == expected(theirs(text, **options))


def test_the_strategies_differ(case: Any) -> None:
    """Otherwise the comparison above would not tell them apart."""
    ours, _ = case
    answers = {str([found(r) for r in ours(TEXTS, aggregation_strategy=s)]) for s in STRATEGIES}
    assert len(answers) == len(STRATEGIES)


def test_offsets(case: Any) -> None:
    """The characters of the caller's text, with its case, accents and spaces."""
    ours, _ = case
    text = TEXTS[3]
    for strategy in STRATEGIES:
        result = ours(text, aggregation_strategy=strategy, ignore_labels=[])
        assert all(0 <= e.start < e.end <= len(text) for e in result.entities)
    words = ours("The CÁT", ignore_labels=[]).entities
    assert [(e.word, e.start, e.end) for e in words] == [("the", 0, 3), ("cat", 4, 7)]


def test_a_word_with_a_separate_accent_is_a_word(case: Any) -> None:
    """transformers takes it for a piece of the word before it, as its length differs."""
    ours, _ = case
    text = "me ca\u0301t sat"
    row = ours._rows([(text, None)])[0]
    tokens = ours._tokens(text, row, np.zeros((len(row), 1)))
    assert [(t.word, t.start, t.end) for t in tokens] == [
        ("me", 0, 2),
        ("cat", 3, 7),
        ("sat", 8, 11),
    ]
    assert not any(token.continues for token in tokens)


def test_result(case: Any) -> None:
    ours, _ = case
    result = ours("wake me", ignore_labels=[])
    one, two = result.entities
    assert str(result) == f"{one}, {two}"
    assert str(one) == f"wake: {one.label} {one.score:.4f}"
    assert result.to_dict()["entities"][1] == {
        "label": two.label,
        "score": two.score,
        "word": "me",
        "start": 5,
        "end": 7,
        "index": 2,
    }
    nothing = ours("wake me", ignore_labels=[*LABELS, "NOUN", "S-VERB"])
    assert nothing.entities == ()
    assert str(nothing) == "no entities"


def test_bad_input(case: Any) -> None:
    ours, _ = case
    with pytest.raises(InputError, match="unknown aggregation_strategy 'mean'; .*average, first"):
        ours("a", aggregation_strategy="mean")
    with pytest.raises(InputError, match="ignore_labels must be a list of labels, not 'O'"):
        ours("a", ignore_labels="O")
    with pytest.raises(InputError, match="a text must be a str, not tuple"):
        ours([("a", "b")])
