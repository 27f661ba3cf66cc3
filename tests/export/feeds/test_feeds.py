"""Which inputs verification runs, and what a checkpoint's outputs mean."""

from typing import Any

import pytest
import tiny

from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.feeds.reference import Reference
from squeezebert_mobile.export.feeds.selection import verification_feeds
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import SqueezeBertTokenizer
from squeezebert_mobile.tasks import TASKS

VOCAB = {token: number for number, token in enumerate(tiny.VOCABULARY)}


def _reference(task: str, **changes: int) -> Reference:
    model = initialize(task, tiny.tiny_config(**changes))
    return Reference(model, SqueezeBertTokenizer(VOCAB), 40, None)


@pytest.mark.parametrize("task", TASKS)
def test_the_runs_cover_lengths_batches_and_padding(task: str) -> None:
    reference = _reference(task)
    texts = shipped_texts()
    seen, used = set(), 0
    for count, feed in verification_feeds(reference, texts):
        used += count
        ids, mask = feed["input_ids"], feed["attention_mask"]
        seen.add((ids.shape[0], bool((mask == 0).any())))
        assert ids.shape[-1] <= 40
        assert (ids < 64).all()
        assert (feed["token_type_ids"] < 3).all()
        if task == "fill-mask":
            assert ((ids == VOCAB["[MASK]"]).sum(axis=1) >= 1).all()
    assert seen == {(1, False), (1, True), (3, False), (3, True)}
    assert reference.lengths == [8, 20, 40]
    assert used >= 3 * len(texts)


def test_a_model_with_one_token_type_gets_no_other() -> None:
    reference = _reference("question-answering", type_vocab_size=1)
    feeds = verification_feeds(reference, shipped_texts()[:20])
    assert all((feed["token_type_ids"] == 0).all() for _, feed in feeds)


@pytest.mark.parametrize(
    ("changes", "problem_type"),
    [
        ({"num_labels": 1}, "regression"),
        ({"num_labels": 2, "problem_type": "regression"}, "regression"),
        ({"num_labels": 2}, None),
    ],
)
def test_a_classifier_of_one_output_is_a_regression(
    changes: dict[str, Any], problem_type: str | None
) -> None:
    model = initialize("text-classification", tiny.tiny_config(**changes))
    assert Reference(model, None, 40, None).problem_type == problem_type  # type: ignore[arg-type]


def test_the_shipped_texts() -> None:
    texts = shipped_texts()
    assert len(texts) == len(set(texts)) == 200
    assert all(text.strip() == text != "" for text in texts)
