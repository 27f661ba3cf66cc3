"""torch's operators as LiteRT's: each computes the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.litert.lowering import lower
from squeezebert_mobile.export.backends.litert.modules import Product, Table
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric
from squeezebert_mobile.formats import signature
from squeezebert_mobile.models.activations import ACTIVATIONS
from squeezebert_mobile.runtime.sessions.tflite_check import check_model
from squeezebert_mobile.tasks import get_task

LENGTHS = (5, 12)
C = 8
ERF = {"laplace"}  # LiteRT has no erf


class Model(nn.Module):
    """A function of embedded ids (1, S, C) and the mask, in the form of a rewritten model."""

    task = get_task("text-classification")
    outputs = {"out": ("batch", "sequence")}
    example_length = 9

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.table = nn.Embedding(20, C)
        self.norm = nn.LayerNorm(C, eps=1e-3)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, ...]:
        # All inputs stay, whatever the function reads.
        x = self.table(ids) + 2 * self.table(types)
        return (self.function(x, mask),)


def difference(model: nn.Module, path: Path, lengths: tuple[int, ...] = LENGTHS) -> float:
    """The largest difference of LiteRT's output from torch's, relative to values above 1."""
    lower(model, lengths).write(path)  # type: ignore[arg-type]
    check_model(np.memmap(path, mode="r"))  # it knows every operator that is written
    interpreter = Interpreter(str(path), num_threads=1)
    random = np.random.RandomState(0)
    largest = 0.0
    for length in lengths:
        ids = random.randint(20, size=(1, length)).astype(np.int32)
        feed = {"input_ids": ids, "attention_mask": ids % 2, "token_type_ids": ids % 3}
        found = interpreter.get_signature_runner(signature(length))(**feed)["out"]
        with torch.inference_mode():
            (expected,) = model(*(torch.from_numpy(array).long() for array in feed.values()))
        assert found.shape == expected.shape
        size = max(1.0, expected.abs().max().item())
        largest = max(largest, float(np.abs(found - expected.numpy()).max()) / size)
    return largest


def _mask(mask: Tensor) -> Tensor:
    zeros = torch.zeros_like(mask, dtype=torch.float32)
    return zeros.masked_fill(mask == 0, torch.finfo(torch.float32).min)


OPERATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "arithmetic": lambda x, mask: (x * 0.5 - 0.25 + x) / 3 - x[:, :1],
    "number minus tensor": lambda x, mask: 1 - x,
    "softmax of masked scores": lambda x, mask: (x @ x.transpose(1, 2) + _mask(mask)).softmax(-1),
    "product of a transpose": lambda x, mask: x.transpose(1, 2) @ x,
    "heads": lambda x, mask: x.unflatten(2, (2, -1)).transpose(1, 2).transpose(1, 2).flatten(2),
    "two transposes": lambda x, mask: x.transpose(1, 2).transpose(2, 1) * 2,
    "equal parts": lambda x, mask: torch.cat(x.split(2, -1)[::-1], -1),
    "unequal parts": lambda x, mask: torch.cat(x.split(3, -1)[::-1], -1),
    "slices": lambda x, mask: torch.cat([x[:, :1, 2:6], x[..., -4:]], 1),
    "first token": lambda x, mask: x[:, 0].unsqueeze(1) + x.unbind(2)[0].unsqueeze(2),
    "shapes": lambda x, mask: x.unsqueeze(0).squeeze(1).reshape(1, -1).view(1, -1, C),
    "norm without weights": lambda x, mask: functional.layer_norm(x, (C,)),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(2)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(tmp_path: Path, name: str) -> None:
    assert difference(Model(OPERATORS[name]), tmp_path / "model.tflite") < 1e-6


def test_a_norm_with_weights_of_a_large_mean(tmp_path: Path) -> None:
    model = Model(lambda x, mask: model.norm(x + 100))
    assert difference(model, tmp_path / "model.tflite") < 1e-5  # in one pass: 1e-3


def test_every_activation_that_has_no_erf(tmp_path: Path) -> None:
    names = [name for name in ACTIVATIONS if name not in ERF]
    model = Model(lambda x, mask: torch.cat([ACTIVATIONS[name](3 * x) for name in names], -1))
    assert difference(model, tmp_path / "model.tflite") < 1e-6


def test_an_operator_that_litert_lacks(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        lower(Model(lambda x, mask: ACTIVATIONS["laplace"](x)), LENGTHS)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "litert has no operator for aten.erf.default of this model; export it with --format onnx "
        "or executorch"
    )


def _int8(rows: int) -> tuple[Tensor, Tensor]:
    values, scales = quantize_symmetric(torch.randn(rows, C).numpy(), axis=1, pairs=False)
    return torch.from_numpy(values), torch.from_numpy(scales)


def test_int8_tables_are_exact(tmp_path: Path) -> None:
    model = Model(lambda x, mask: x)
    model.table = Table(*_int8(20))  # type: ignore[assignment]
    assert difference(model, tmp_path / "model.tflite") == 0


def test_int8_products_quantize_each_token(tmp_path: Path) -> None:
    product = Product(*_int8(6), torch.randn(6))
    model = Model(lambda x, mask: product(x))
    error = difference(model, tmp_path / "model.tflite")
    assert 0 < error < 0.02


def _read(path: Path) -> schema.ModelT:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))


def test_lengths_share_weights_and_nothing_is_written_twice(tmp_path: Path) -> None:
    one, two = tmp_path / "one.tflite", tmp_path / "two.tflite"
    product = Product(*_int8(500), torch.randn(500))
    model = Model(lambda x, mask: product(x) + product(2 * x))
    for path, lengths in ((one, (5,)), (two, LENGTHS)):
        lower(model, lengths).write(path)  # type: ignore[arg-type]
    weights = [
        each for each in _read(two).buffers if each.data is not None and len(each.data) == 500 * C
    ]
    assert len(weights) == 1
    assert two.stat().st_size - one.stat().st_size < 4000  # of weights, scales and zeros 12,000


def test_buffers_are_aligned_and_the_same_bytes_come_again(tmp_path: Path) -> None:
    paths = [tmp_path / "a.tflite", tmp_path / "b.tflite"]
    model = Model(OPERATORS["softmax of masked scores"])
    for path in paths:
        lower(model, LENGTHS).write(path)  # type: ignore[arg-type]
    content, other = (path.read_bytes() for path in paths)
    assert content == other and content[4:8] == b"TFL3"
    root = schema.Model.GetRootAsModel(content, 0)
    places = [
        root.Buffers(place)._tab.Vector(root.Buffers(place)._tab.Offset(4))
        for place in range(root.BuffersLength())
        if not root.Buffers(place).DataIsNone()
    ]
    assert len(places) > 3 and all(place % 16 == 0 for place in places)


def test_no_path_of_the_machine_is_in_the_file(tmp_path: Path) -> None:
    lower(Model(OPERATORS["heads"]), LENGTHS).write(tmp_path / "model.tflite")  # type: ignore[arg-type]
    content = (tmp_path / "model.tflite").read_bytes()
    assert b".py" not in content and bytes(Path.home()) not in content


def test_what_no_output_needs_is_left_out(tmp_path: Path) -> None:
    file = lower(Model(lambda x, mask: (x.tanh(), x + 1)[1]), LENGTHS)  # type: ignore[arg-type]
    assert "TANH" not in file.operators() and file.operators()["ADD"] == 2


def test_leading_axes_of_size_1_need_no_reshape(tmp_path: Path) -> None:
    def function(x: Tensor, mask: Tensor) -> Tensor:
        wide = functional.layer_norm(x[None].tanh() * 2, (C,))
        return (wide.squeeze(0) + x).unsqueeze(0).squeeze(0)

    model = Model(function)
    assert difference(model, tmp_path / "model.tflite") < 1e-6
    assert _reshapes(model) == _reshapes(Model(lambda x, mask: x))


def test_products_of_groups_in_a_row_are_reshaped_once(tmp_path: Path) -> None:
    weight, bias = torch.randn(C, C // 2, 1) / 2, torch.randn(C)

    def product(x: Tensor) -> Tensor:
        return functional.conv1d(x.transpose(1, 2), weight, bias, groups=2).transpose(1, 2)

    model = Model(lambda x, mask: product(product(x).relu()) + product(x))
    assert difference(model, tmp_path / "model.tflite") < 1e-6
    # Into an image; the output is reshaped either way.
    assert _reshapes(model) == _reshapes(Model(lambda x, mask: x)) + 1


def _reshapes(model: nn.Module) -> int:
    return lower(model, LENGTHS).operators()["RESHAPE"]  # type: ignore[arg-type]


def test_zeros_of_two_types_are_two_constants(tmp_path: Path) -> None:
    weight, zeros = torch.randn(3, 4), torch.zeros(3)
    # A slice begins at three int32 zeros; the bias has the same bytes.
    model = Model(lambda x, mask: functional.linear(x[..., :4], weight, zeros))
    lower(model, LENGTHS).write(tmp_path / "model.tflite")  # type: ignore[arg-type]
    for subgraph in _read(tmp_path / "model.tflite").subgraphs:
        types = {each.type for each in subgraph.tensors if list(each.shape) == [3]}
        assert types == {schema.TensorType.FLOAT32, schema.TensorType.INT32}
    assert difference(model, tmp_path / "model.tflite") < 1e-5
