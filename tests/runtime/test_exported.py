"""Artifacts of `export_checkpoint` against those that the other runtime tests use."""

from pathlib import Path
from typing import Any

import artifacts
import pytest
import tiny
from artifacts import TEXTS

from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import load_artifact

CALLS: dict[str, dict[str, Any]] = {
    "question-answering": {"question": TEXTS[0], "context": TEXTS[4] * 3, "top_k": 3},
    "multiple-choice": {"texts": TEXTS[0], "choices": ["yes", "no at night", TEXTS[4]]},
}


@pytest.mark.parametrize("task", CALLS)
def test_same_as_transformers(task: str, tmp_path: Path) -> None:
    _, traced = artifacts.load_pair(tmp_path / "traced", task)
    checkpoint = tmp_path / "traced" / "checkpoint"
    options = {"precision": "fp32", "texts": shipped_texts()[::8]}
    export_checkpoint(checkpoint, tmp_path / "exported", task=task, **options)
    exported = load_artifact(tmp_path / "exported", threads=1)
    ours, theirs = (pipeline(**CALLS[task]) for pipeline in (exported, traced))
    compare(*(_dicts(result) for result in (ours, theirs)))


def _dicts(result: Any) -> Any:
    return [item.to_dict() for item in result] if isinstance(result, list) else result.to_dict()


def compare(ours: Any, theirs: Any) -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            compare(ours[key], theirs[key])
    elif isinstance(ours, list):
        for our_item, their_item in zip(ours, theirs, strict=True):
            compare(our_item, their_item)
    else:
        assert ours == (pytest.approx(theirs, abs=1e-4) if isinstance(ours, float) else theirs)


def test_fixed_length_int8(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path / "checkpoint", "squeezebert", "text-classification")
    manifest = export_checkpoint(
        tmp_path / "checkpoint",
        tmp_path / "exported",
        task="text-classification",
        precision="int8",
        sequence_length=12,
        texts=shipped_texts()[::8],
    )
    assert manifest.sequence_length == 12
    with load_artifact(tmp_path / "exported") as model:
        short, long = model(["wake me", "wake me at half past six in the night " * 3])
    assert (short.truncated, long.truncated) == (False, True)
