"""QAttention computes the same as the eleven operators that it replaces."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch
from numpy.typing import NDArray

from squeezebert_mobile.export.backends.onnx import quantization
from squeezebert_mobile.export.backends.onnx.quantization import quantize
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.rewriting import rewrite
from squeezebert_mobile.tasks import INPUT_NAMES

CONFIG = {"hidden_size": 32, "num_attention_heads": 8, "q_groups": 4, "k_groups": 4, "v_groups": 4}


def _fp32(family: str, task: str) -> onnx.ModelProto:
    changes = CONFIG if family == "squeezebert" else {}
    model = initialize(task, tiny.tiny_config(family, **changes), seed=3)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():  # no bias is 0, and attention is not uniform
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return to_onnx(rewrite(model), sequence_length=None)


def _run(graph: onnx.ModelProto, axes: int) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    ids = np.random.default_rng(0).integers(5, 60, (2, 11) if axes == 2 else (2, 2, 11))
    mask = np.ones_like(ids)
    mask[-1, ..., 6:] = 0
    feed = dict(zip(INPUT_NAMES, (ids, mask, np.zeros_like(ids)), strict=True))
    return session.run(None, feed)  # type: ignore[no-any-return]


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(("task", "axes"), [("token-classification", 2), ("multiple-choice", 3)])
def test_one_operator_computes_the_same_as_eleven(
    family: str, task: str, axes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fp32 = _fp32(family, task)
    fused, _ = quantize(fp32)
    monkeypatch.setattr(quantization, "fuse_attention", lambda proto: None)
    plain, _ = quantize(fp32)
    layers = 2 if task == "token-classification" else 1  # the last reads only the first token
    groups = 4 if family == "squeezebert" else 1
    assert sum(node.op_type == "QAttention" for node in fused.graph.node) == layers * groups
    assert not any(node.op_type == "QAttention" for node in plain.graph.node)
    for ours, theirs in zip(_run(fused, axes), _run(plain, axes), strict=True):
        assert np.abs(ours - theirs).max() <= 1e-5
