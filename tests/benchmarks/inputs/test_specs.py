"""How inputs are filled."""

import numpy as np
import pytest

from squeezebert_mobile.benchmarks.inputs.specs import InputSpec, ModelInput, parse_input, resolve
from squeezebert_mobile.errors import BenchmarkError

IDS = np.arange(10, 26)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("mask=ones", InputSpec("mask", "ones")),
        ("serving:0=ids:1xlength", InputSpec("serving:0", "ids", (1, "length"))),
        ("a=b=random:1x3x224x224", InputSpec("a=b", "random", (1, 3, 224, 224))),
    ],
)
def test_an_input_of_the_command_line(text: str, spec: InputSpec) -> None:
    assert parse_input(text) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mask", "'mask' is not NAME=FILL; give, for example, attention_mask=ones"),
        ("=ones", "'=ones' is not NAME=FILL"),
        ("mask=one", "unknown fill 'one'; did you mean 'ones'"),
        ("mask=ones:", "'' is not a shape; give sizes such as 1xlength or 1x3x224x224"),
        ("mask=ones:1x0", "'1x0' is not a shape"),
        ("mask=ones:1x-1", "'1x-1' is not a shape"),
        ("mask=ones:99999x99999", "an input of this shape has too many elements"),
    ],
)
def test_wrong_inputs(text: str, message: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        parse_input(text)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_inputs_are_filled_by_name_or_as_given() -> None:
    declared = [
        ModelInput("input_ids", "int32", (None, None)),
        ModelInput("attention_mask", "int64", (1, None)),
        ModelInput("positions", "float32", (None, None, 4)),
        ModelInput("flag", "bool", ()),
    ]
    given = [parse_input("positions=random"), parse_input("flag=ones"), parse_input("other=ids")]
    specs = resolve(declared, given, model="other.onnx")
    arrays = {each.name: each.array(IDS, 16) for each in specs}
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "input_ids": ("int32", (1, 16)),
        "attention_mask": ("int64", (1, 16)),
        "positions": ("float32", (1, 16, 4)),
        "flag": ("bool", ()),
    }
    assert arrays["input_ids"].tolist() == [IDS.tolist()]
    assert arrays["attention_mask"].all() and arrays["flag"]
    assert 0 <= arrays["positions"].min() < arrays["positions"].max() <= 1


def test_a_given_shape_counts() -> None:
    declared = [ModelInput("input_ids", "int64", (None, None))]
    (spec,) = resolve(declared, [parse_input("input_ids=ids:2x3xlength")], model="m")
    assert spec.array(IDS, 5).shape == (2, 3, 5)


def test_an_unknown_input_is_named() -> None:
    declared = [ModelInput("pixels", "float32", (None, 3, 224))]
    with pytest.raises(BenchmarkError) as caught:
        resolve(declared, [], model="other.onnx")
    assert str(caught.value) == (
        "'other.onnx' has an input 'pixels' (float32, anyx3x224), which no name says how to fill; "
        "add --input pixels=zeros, or another of ids, ones, zeros, random"
    )
