"""Units, and their sensitivity: measured in torch, compared with an ONNX file."""

import numpy as np
import onnxruntime
import pytest
import tiny
import torch
from torch import nn

from squeezebert_mobile.export.backends.onnx.quantization import quantize
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.export.quantize.calibration import Statistics, calibrate
from squeezebert_mobile.export.quantize.mixed_precision import MixedPrecision
from squeezebert_mobile.export.quantize.recipe import PER_TENSOR
from squeezebert_mobile.export.quantize.sensitivity import noise, units
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.rewriting import Traceable, rewrite

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
FEED = torch.arange(5, 45).reshape(4, 10), torch.ones(4, 10, dtype=torch.long)
FEEDS = [(*FEED, torch.zeros(4, 10, dtype=torch.long))]


def _calibrated(task: str) -> tuple[Traceable, Statistics]:
    model = rewrite(initialize(task, tiny.tiny_config(**SIZES), seed=3))
    return model, calibrate(model, FEEDS)


def test_every_weight_that_is_quantized_is_of_one_unit() -> None:
    model, _ = _calibrated("fill-mask")
    found = units(model)
    modules = [id(module) for unit in found.values() for module in unit.modules.values()]
    assert len(modules) == len(set(modules))
    everything = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Embedding)]
    assert [m.num_embeddings for m in everything if id(m) not in modules] == [3]  # types of text
    assert set(found["embeddings.word"].modules) == {"model.base.embeddings.word", "model.decoder"}
    assert found["embeddings.word"].is_table and not found["transform"].is_table
    assert len(found["layers.0.attention.product"].modules) == 4


def test_a_small_classifier_is_not_a_unit() -> None:
    assert "classifier" not in units(_calibrated("text-classification")[0])


@pytest.mark.parametrize(
    "name", ["embeddings.word", "layers.0.attention.product", "layers.1.feed_forward.second"]
)
def test_the_sensitivity_is_that_of_a_file_with_only_this_unit_quantized(name: str) -> None:
    """It is measured in torch; here the ONNX graph has everything else in fp32."""
    model, statistics = _calibrated("feature-extraction")
    originals = {product: product.weight for product in statistics}
    mixed = MixedPrecision(model, statistics, "int8", PER_TENSOR, FEEDS)
    assert list(mixed.sensitivity) == list(units(model))
    theirs = [output.detach().numpy() for output in model(*FEEDS[0])]
    mixed.set_weights()
    overrides = {path: "fp32" for n, u in units(model).items() if n != name for path in u.modules}
    for product, weight in originals.items():
        if all(product is not m for m in units(model)[name].modules.values()):
            product.weight = weight
    graph, _ = quantize(to_onnx(model, sequence_length=None), "int8", overrides)
    kinds = {node.op_type for node in graph.graph.node}
    assert ("DynamicQuantizeMatMul" in kinds) == (name == "layers.1.feed_forward.second")
    assert ("QAttention" in kinds) == (name == "layers.0.attention.product")
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    names = ("input_ids", "attention_mask", "token_type_ids")
    ours = session.run(None, dict(zip(names, (x.numpy() for x in FEEDS[0]), strict=True)))
    power = sum(float((a**2).sum()) for a in theirs)
    error = sum(float(((a - b) ** 2).sum()) for a, b in zip(ours, theirs, strict=True))
    assert abs(10 * np.log10(power / error) - mixed.sensitivity[name]) < 0.5


def test_noise() -> None:
    assert [noise(decibels) for decibels in (0, 10, -20)] == pytest.approx([1, 0.1, 100])
