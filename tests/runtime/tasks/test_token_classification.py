import dataclasses
from typing import Any

import artifacts
import numpy as np
import pytest
import transformers
from artifacts import LABELS, TEXTS

from squeezebert_mobile.errors import InputError

STRATEGIES = ["none", "simple", "first", "average", "max"]
# Two labelling schemes: B-/I- with O, and plain labels, where equal adjacent labels are merged.
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


def actual(result: Any) -> list[tuple[Any, ...]]:
    return [(e.label, e.score, e.word, e.start, e.end, e.index) for e in result.entities]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("ignored", [["O"], [], ["I-PER", "PER", "NOUN"]])
def test_same_as_transformers(case: Any, strategy: str, ignored: list[str]) -> None:
    ours, theirs = case
    options = {"aggregation_strategy": strategy, "ignore_labels": ignored}
    for text, result in zip(TEXTS, ours(TEXTS, **options), strict=True):
        assert actual(result) == expected(theirs(text, **options))


def test_the_strategies_differ(case: Any) -> None:
    """Otherwise the comparison above would prove nothing."""
    ours, _ = case
    answers = {str([actual(r) for r in ours(TEXTS, aggregation_strategy=s)]) for s in STRATEGIES}
    assert len(answers) == len(STRATEGIES)


def test_offsets(case: Any) -> None:
    """Offsets are characters of the original text, with its case, accents and spaces."""
    ours, _ = case
    text = TEXTS[3]
    for strategy in STRATEGIES:
        result = ours(text, aggregation_strategy=strategy, ignore_labels=[])
        assert all(0 <= e.start < e.end <= len(text) for e in result.entities)
    words = ours("The CÁT", ignore_labels=[]).entities
    assert [(e.word, e.start, e.end) for e in words] == [("the", 0, 3), ("cat", 4, 7)]


def test_a_word_with_a_separate_accent_is_a_word(case: Any) -> None:
    """transformers takes it for a subword of the word before it, as its length differs."""
    ours, _ = case
    logits = np.zeros((1, 5, len(ours.spec.labels)), np.float32)
    for position, label in ((1, 2), (2, 1), (3, 0)):  # different ones, which are not merged
        logits[0, position, label] = 9

    class Session:
        def run(self, feed: Any) -> dict[str, np.ndarray]:
            assert feed["input_ids"].shape == (1, 5)  # [CLS] me cat sat [SEP]
            return {"logits": logits}

    model = dataclasses.replace(ours, session=Session())
    for strategy in ("none", "first"):
        result = model("me ca\u0301t sat", aggregation_strategy=strategy, ignore_labels=[])
        assert [(e.word, e.start, e.end) for e in result.entities] == [
            ("me", 0, 2),
            ("cat", 3, 7),
            ("sat", 8, 11),
        ]


def test_result(case: Any) -> None:
    ours, _ = case
    result = ours("wake me", ignore_labels=[])
    first, second = result.entities
    assert str(result) == f"{first}, {second}"
    assert str(first) == f"wake: {first.label} {first.score:.4f}"
    assert result.to_dict()["entities"][1] == {
        "label": second.label,
        "score": second.score,
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
