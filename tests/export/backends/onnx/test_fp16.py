"""fp16 halves the bytes and hardly changes the outputs."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.backends.onnx.fp16 import store_fp16
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.models.rewriting import rewrite
from squeezebert_mobile.tasks import INPUT_NAMES

WIDE = {"vocab_size": 500, "hidden_size": 48, "intermediate_size": 192}


def _graph(task: str = "fill-mask", largest: float = 0.1) -> onnx.ModelProto:
    model = initialize(task, tiny.tiny_config(**WIDE))
    with torch.no_grad():
        model.get_parameter("base.embeddings.word.weight")[7, 7] = largest
    return to_onnx(rewrite(model), sequence_length=None)


def _run(graph: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    ids = np.arange(5, 25).reshape(2, 10)
    feed = dict(zip(INPUT_NAMES, (ids, np.ones_like(ids), np.zeros_like(ids)), strict=True))
    return session.run(None, feed)[0]  # type: ignore[no-any-return]


def test_half_the_bytes_and_the_same_outputs() -> None:
    graph = _graph()
    before, size = _run(graph), _bytes_of_weights(graph)
    store_fp16(graph)
    onnx.checker.check_model(graph, full_check=True)
    assert np.abs(_run(graph) - before).max() < 2e-3
    assert _bytes_of_weights(graph) == size / 2 > 0


def _bytes_of_weights(graph: onnx.ModelProto) -> int:
    return sum(len(t.raw_data) for t in graph.graph.initializer if np.prod(t.dims) >= 1024)


def test_the_tied_table_is_stored_once() -> None:
    graph = _graph()
    store_fp16(graph)
    assert sum(set(t.dims) == {500, 48} for t in graph.graph.initializer) == 1


def test_a_weight_beyond_float16_is_named() -> None:
    with pytest.raises(
        ExportError, match=r"word.weight' contains 1e\+05, and the largest float16 is 65504"
    ):
        store_fp16(_graph(largest=1e5))
