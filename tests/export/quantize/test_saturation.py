"""No pair of neighbouring weights saturates the 16 bits in which x86 without VNNI adds them."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.backends.onnx.graph import initializers
from squeezebert_mobile.export.backends.onnx.quantization import quantize
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.export.quantize.calibration import InputStatistics
from squeezebert_mobile.export.quantize.gptq import round_weights
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric
from squeezebert_mobile.export.quantize.saturation import largest_pairs, partners
from squeezebert_mobile.models.rewriting import rewrite


def test_the_same_sign_adds_up_and_the_other_does_not() -> None:
    weight = torch.tensor([[3.0, 3, -3], [2, -2, -2], [5, -5, 0]])
    assert largest_pairs(weight).tolist() == [[5, 3, 5], [5, 5, 0]]


def test_the_last_of_an_odd_number_is_alone() -> None:
    assert partners(torch.tensor([2, 0, 1, 4, 3]), 5).tolist() == [3, 1, 0, 4, 2]


def _rounded(exact: Tensor, precision: str) -> Tensor:
    """Weights rounded for correlated inputs, so that errors are passed on and weights grow."""
    out, channels = exact.shape
    product = nn.Linear(channels, out)
    product.weight.data = exact
    seen = torch.randn(500, channels, generator=torch.Generator().manual_seed(1))
    seen[:, 1:] += seen[:, :-1]
    read = InputStatistics(seen.abs().amax(0), seen.T @ seen, len(seen))
    return round_weights({product: read}, precision=precision)[product]


@pytest.mark.parametrize(("precision", "units"), [("int8", 127), ("int4", 105)])
@pytest.mark.parametrize("channels", [192, 37])
def test_quantizing_rounded_weights_finds_the_same_integers(
    precision: str, units: int, channels: int
) -> None:
    exact = torch.randn(16, channels, generator=torch.Generator().manual_seed(0))
    exact[3] = 0
    rounded = _rounded(exact, precision)
    values, scales = quantize_symmetric(rounded.T.numpy(), axis=0, max_value=units, pairs=True)
    assert np.allclose(values * scales, rounded.T, atol=1e-6)
    largest = largest_pairs(torch.from_numpy(values).int()).amax(dim=0).tolist()
    assert largest == [units] * 3 + [0] + [units] * 12  # all there is room for, and no more


def _overflows(values: NDArray[np.int8]) -> bool:
    """Whether a pair (of rows) can saturate 16 bits."""
    return bool(255 * largest_pairs(torch.tensor(values.astype(int))).max() > 2**15 - 1)


@pytest.mark.parametrize("task", ["fill-mask", "text-classification"])
def test_no_product_of_a_file_overflows(task: str) -> None:
    fp32 = to_onnx(rewrite(initialize(task, tiny.tiny_config())), sequence_length=None)
    graph, _ = quantize(fp32)
    found = {name: numpy_helper.to_array(tensor) for name, tensor in initializers(graph).items()}
    for node in graph.graph.node:
        if node.op_type == "Transpose" and node.input[0] in found:  # of a tied decoder
            found[node.output[0]] = found[node.input[0]].T
    operators = {"DynamicQuantizeMatMul", "QAttention"}
    weights = [found[node.input[1]] for node in graph.graph.node if node.op_type in operators]
    assert len(weights) > 20
    assert not any(map(_overflows, weights))


def test_a_scale_of_the_largest_weight_overflows() -> None:
    weight = np.random.default_rng(0).normal(size=(192, 8)).astype(np.float32)
    values, _ = quantize_symmetric(weight, axis=0)
    assert _overflows(values)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_inputs_are_multiplied_without_loss(sign: int) -> None:
    """On any processor: the largest possible inputs times the largest weights."""
    weight = sign * np.random.default_rng(0).uniform(0.9, 1, size=(64, 8)).astype(np.float32)
    values, scales = quantize_symmetric(weight, axis=0, pairs=True)
    node = onnx.helper.make_node(
        "DynamicQuantizeMatMul", ["x", "w", "s"], ["y"], domain="com.microsoft"
    )
    x = np.ones((4, 64), np.float32)
    assert np.allclose(_run(node, x, values, scales), x @ (values * scales), rtol=1e-5)


def _run(
    node: onnx.NodeProto,
    x: NDArray[np.float32],
    values: NDArray[np.int8],
    scales: NDArray[np.float32],
) -> NDArray[np.float32]:
    graph = onnx.helper.make_graph(
        [node],
        "product",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, "w"), numpy_helper.from_array(scales, "s")],
    )
    opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("com.microsoft", 1)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]  # type: ignore[no-any-return]
