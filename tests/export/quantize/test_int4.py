"""int4 weights are int8 weights with sixteen values per block, and packing them loses nothing."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch
from onnx import numpy_helper
from torch import nn

from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.backends.onnx import int4
from squeezebert_mobile.export.backends.onnx.graph import initializers
from squeezebert_mobile.export.backends.onnx.quantization import quantize
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.export.quantize import int4 as int4_numbers
from squeezebert_mobile.export.quantize.calibration import InputStatistics
from squeezebert_mobile.export.quantize.gptq import round_weights
from squeezebert_mobile.export.quantize.recipe import BLOCK, RECIPES
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric
from squeezebert_mobile.export.quantize.saturation import largest_pairs
from squeezebert_mobile.models.rewriting import Traceable, products, rewrite
from squeezebert_mobile.tasks import INPUT_NAMES

CONFIG = {
    "vocab_size": 500,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    **dict.fromkeys(("q_groups", "k_groups", "v_groups"), 2),
}


@pytest.fixture
def model() -> Traceable:
    """A model whose weights are rounded to int4, calibrated on noise."""
    model = rewrite(initialize("fill-mask", tiny.tiny_config(**CONFIG), seed=4))
    generator = torch.Generator().manual_seed(5)
    statistics = {}
    for product in products(model):
        seen = torch.randn(300, product.in_features, generator=generator)
        statistics[product] = InputStatistics(seen.abs().amax(0), seen.T @ seen, len(seen))
    for product, rounded in round_weights(statistics, precision="int4").items():
        product.weight.data = rounded
    return model


def _run(graph: onnx.ModelProto) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    ids = np.arange(5, 25).reshape(2, 10)
    feed = dict(zip(INPUT_NAMES, (ids, np.ones_like(ids), np.zeros_like(ids)), strict=True))
    return session.run(None, feed)[0]  # type: ignore[no-any-return]


def test_packing_loses_nothing(model: Traceable, monkeypatch: pytest.MonkeyPatch) -> None:
    fp32 = to_onnx(model, sequence_length=None)
    packed, _ = quantize(fp32, "int4")
    monkeypatch.setattr(int4, "pack", lambda proto: None)
    plain, _ = quantize(fp32, "int4")
    for kind in (onnx.TensorProto.INT4, onnx.TensorProto.UINT4):  # numbers, and multipliers
        found = [tensor for tensor in packed.graph.initializer if tensor.data_type == kind]
        assert len(found) == len(products(model))
    assert not any(t.data_type == onnx.TensorProto.INT4 for t in plain.graph.initializer)
    assert (_run(packed) == _run(plain)).all()


def test_a_session_runs_the_operators_of_int8(model: Traceable, tmp_path: object) -> None:
    path = str(tmp_path / "optimized.onnx")  # type: ignore[operator]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = path, 3
    packed, _ = quantize(to_onnx(model, sequence_length=None), "int4")
    onnxruntime.InferenceSession(packed.SerializeToString(), options)
    weights = {
        node.input[1]
        for node in onnx.load(path).graph.node
        if node.op_type in {"DynamicQuantizeMatMul", "QAttention"}
    }
    stored = initializers(onnx.load(path))
    assert weights <= stored.keys(), "unpacked while loading"


def test_a_block_has_sixteen_values_and_the_largest_pair_is_kept(model: Traceable) -> None:
    lowest = 0
    for product in products(model):
        weight = product.weight.detach().T  # (C, out)
        largest = RECIPES["int4"].max_value
        values, _ = quantize_symmetric(weight.numpy(), axis=0, max_value=largest, pairs=True)
        assert int4.is_packable(values)
        for block in values.reshape(-1, BLOCK, values.shape[1])[:, :, 9]:
            numbers = block // max(np.gcd.reduce(block), 1)
            assert numbers.min() >= -8 and numbers.max() <= 7
            lowest = min(lowest, numbers.min())
        pairs = largest_pairs(torch.from_numpy(values).int()).amax(dim=0)
        assert (pairs == largest).all()
    assert lowest == -8


def test_rounding_beats_the_nearest_value() -> None:
    generator = torch.Generator().manual_seed(0)
    product, seen = nn.Linear(128, 16), torch.randn(500, 128, generator=generator)
    seen[:, 1:] += seen[:, :-1]
    exact = product.weight.detach().clone()
    steps = int4_numbers.block_steps(exact.T).T
    nearest = (exact / steps).round().clamp(-8, 7) * steps
    read = {product: InputStatistics(seen.abs().amax(0), seen.T @ seen, 500)}
    rounded = round_weights(read, precision="int4")[product]
    ours, plain = (((w - exact) @ seen.T).square().sum() for w in (rounded, nearest))
    assert ours < 0.7 * plain


def test_the_table_is_within_half_a_step_of_its_blocks_or_clipped_for_the_better() -> None:
    table = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    table[3] = 0
    rows, scales = int4_numbers.quantize_table(table)
    packed = int4.pack_table(rows)
    assert (packed.shape, packed.dtype, scales.shape) == ((50, 32), np.uint8, (50, 2))
    numbers = np.stack([packed & 15, packed >> 4], axis=2).reshape(50, 64).astype(int) - 8
    found = numbers * np.repeat(scales, 32, axis=1)
    assert (numbers == rows).all()
    assert (numbers.min(), numbers.max()) == (-8, 7)
    assert (scales > 0).any() and (scales < 0).any()
    assert np.allclose(int4_numbers.dequantize_table(rows, scales), found, rtol=1e-6)
    steps = np.repeat(scales, 32, axis=1)
    inside = np.abs(table / steps + 0.5) <= 7.5  # -8 to 7
    assert (np.abs(found - table) <= np.abs(steps) / 2 + 1e-6)[inside].all()
    largest = np.abs(table.reshape(50, 2, 32)).max(axis=2).repeat(32, axis=1) / 7
    largest[3] = 1
    unclipped = np.rint(table / largest) * largest
    assert np.square(found - table).sum() < 0.8 * np.square(unclipped - table).sum()
    assert (found[3] == 0).all()


def test_a_large_table_is_looked_up_and_multiplied_in_int4(
    model: Traceable, monkeypatch: pytest.MonkeyPatch
) -> None:
    fp32 = to_onnx(model, sequence_length=None)
    monkeypatch.setattr(int4_numbers, "MIN_INT4_TABLE", 500 * 64)
    packed, _ = quantize(fp32, "int4")
    kinds = [node.op_type for node in packed.graph.node]
    assert (kinds.count("GatherBlockQuantized"), kinds.count("MatMulNBits")) == (1, 1)
    tables = [t for t in packed.graph.initializer if 500 in t.dims and len(t.dims) == 2]
    assert sorted(tuple(t.dims) for t in tables) == [(500, 2), (500, 32)]
    exact, ours = _run(fp32), _run(packed)
    assert (exact * ours).sum() / np.linalg.norm(exact) / np.linalg.norm(ours) > 0.97


def test_products_outside_the_encoder_use_all_of_int8(model: Traceable) -> None:
    graph, _ = quantize(to_onnx(model, sequence_length=None), "int4")
    stored = initializers(graph)
    found = [
        numpy_helper.to_array(stored[node.input[1]])
        for node in graph.graph.node
        if node.op_type == "DynamicQuantizeMatMul" and node.input[1] in stored
    ]
    assert len(found) == 1  # before the decoder
    assert largest_pairs(torch.tensor(found[0].astype(int))).max() == 127
