"""The fp32 graph: its operators, inputs, outputs, names and bytes."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch

from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.backends.onnx.graph import initializers
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.models.rewriting import rewrite
from squeezebert_mobile.tasks import INPUT_NAMES, TASKS


def _graph(task: str, *, sequence_length: int | None = None, **changes: int) -> onnx.ModelProto:
    model = rewrite(initialize(task, tiny.tiny_config(**changes)))
    return to_onnx(model, sequence_length=sequence_length)


def _operators(graph: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph.node)


def _session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def test_no_convolution_and_no_shape_arithmetic_in_the_layers() -> None:
    one, two = (_operators(_graph("feature-extraction", num_hidden_layers=n)) for n in (1, 2))
    layer = two - one
    assert "Conv" not in two
    assert not layer.keys() & {"Shape", "Slice", "Unsqueeze", "Constant", "Expand", "Gather"}, layer


def test_onnxruntime_does_not_fuse_the_slow_skip_layer_norm(tmp_path: object) -> None:
    path = str(tmp_path / "optimized.onnx")  # type: ignore[operator]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = path
    options.log_severity_level = 3  # it warns that an optimized file is for this machine only
    graph = _graph("feature-extraction")
    onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    operators = _operators(onnx.load(path))
    assert operators["InstanceNormalization"] == 4  # that of the embeddings, and all but the last
    assert operators["LayerNormalization"] == 1  # the last, with scale and shift
    assert not any("Skip" in name or "EmbedLayer" in name for name in operators), operators


def test_the_tied_decoder_is_stored_once() -> None:
    graph = _graph("fill-mask")
    shape = {64, 24}  # vocabulary, hidden
    assert sum(set(t.dims) == shape for t in graph.graph.initializer) == 1


@pytest.mark.parametrize("task", TASKS)
def test_inputs_and_outputs_are_those_of_the_task(task: str) -> None:
    graph = _graph(task)
    found = {
        value.name: tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*graph.graph.input, *graph.graph.output)
    }
    assert list(found)[:3] == list(INPUT_NAMES)
    known = {"hidden": 24, "vocab": 64, "labels": 2}
    for name in INPUT_NAMES:
        assert found.pop(name) == TASKS[task].input_axes
    expected = {
        name: tuple(known.get(axis, axis) for axis in axes)
        for name, axes in TASKS[task].outputs.items()
    }
    assert found == expected


def test_a_fixed_length_is_fixed_and_the_batch_is_dynamic() -> None:
    session = _session(_graph("fill-mask", sequence_length=12))
    assert session.get_inputs()[0].shape == ["batch", 12]
    ids = np.ones((3, 12), np.int64)
    assert session.run(None, dict.fromkeys(INPUT_NAMES, ids))[0].shape == (3, 12, 64)


def test_the_same_model_gives_the_same_bytes() -> None:
    first, second = (_graph("text-classification").SerializeToString() for _ in range(2))
    assert first == second


def test_nothing_of_this_machine_is_in_the_file() -> None:
    data = _graph("text-classification").SerializeToString()
    assert b"site-packages" not in data
    assert b"/export/" not in data
    assert b".py" not in data


def test_weights_are_named_after_their_modules() -> None:
    names = initializers(_graph("text-classification"))
    numbered = [name for name in names if "::" in name or name.isdecimal()]
    assert numbered == []


def test_the_exporters_settings_are_restored() -> None:
    """A user's own torch.onnx.export in the same process must not use our symbolics."""

    class Flatten(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1, 2)

    _graph("feature-extraction")
    import io
    import warnings

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            Flatten(), (torch.zeros(2, 3, 4, 5),), buffer, dynamo=False, opset_version=20
        )
    found = onnx.load_from_string(buffer.getvalue())
    shape = [d.dim_value for d in found.graph.output[0].type.tensor_type.shape.dim]
    assert shape == [2, 12, 5]
