"""The demo gives the same answers in all formats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_format import FORMATS

from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import Pipeline, load_artifact
from squeezebert_mobile.training.demos.sentences import sentences

OTHERS = [format for format in FORMATS if format.values != ("onnx",)]
PRECISIONS = ["fp32", "int8"]
#: Commands that the demo was not trained on.
COMMANDS = [sentence.text for sentence in sentences("held_out", per_intent=30)]


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Precision -> logits of the ONNX demo, a row per text."""
    folder = tmp_path_factory.mktemp("twins")
    return {precision: _logits(folder / precision, "onnx", precision) for precision in PRECISIONS}


def _logits(folder: Path, format: str, precision: str) -> np.ndarray:
    texts = shipped_texts()[::8]
    export_checkpoint("demo", folder, format=format, precision=precision, texts=texts)
    with load_artifact(folder, threads=1) as model:
        return np.concatenate([_ask(model, text) for text in COMMANDS])


def _ask(model: Pipeline[Any], text: str) -> np.ndarray:
    encoded = model.tokenizer(text, return_tensors="np")
    return model.session.run(dict(encoded))["logits"]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("format", OTHERS)
def test_the_demo_answers_as_in_onnx(
    twins: dict[str, np.ndarray], tmp_path: Path, format: str, precision: str
) -> None:
    ours, theirs = _logits(tmp_path / "out", format, precision), twins[precision]
    same = float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean())
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosines = (ours * theirs).sum(axis=1) / lengths
    print(f"demo {format} {precision}: same answers {same:.1%}, minimum cosine {cosines.min():.6f}")
    assert same >= 0.99
    assert cosines.min() >= {"fp32": 0.999999, "int8": 0.99}[precision]
