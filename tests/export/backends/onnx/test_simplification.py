"""onnxsim gets the matrices as inputs, and the graph is the same as if it had them."""

from collections.abc import Callable
from typing import Any

import onnx
import onnxsim
import pytest
import tiny
import torch

from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.backends.onnx import simplification, tracing
from squeezebert_mobile.export.backends.onnx.simplification import simplify
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.rewriting import rewrite
from squeezebert_mobile.tasks import TASKS

Simplify = Callable[..., tuple[onnx.ModelProto, bool]]


def _traced(model: PretrainedModel, length: int | None = None) -> onnx.ModelProto:
    return tracing._trace(rewrite(model), length)


def _plain(graph: onnx.ModelProto) -> bytes:
    """What onnxsim makes of a graph with all its weights."""
    simplified, _ = onnxsim.simplify(graph, check_n=0, skipped_optimizers=simplification._SKIPPED)
    return simplified.SerializeToString(deterministic=True)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[onnx.ModelProto]:
    """The graphs that onnxsim gets."""
    graphs: list[onnx.ModelProto] = []
    original: Simplify = onnxsim.simplify

    def record(graph: onnx.ModelProto, **options: Any) -> tuple[onnx.ModelProto, bool]:
        graphs.append(graph)
        return original(graph, **options)

    monkeypatch.setattr(simplification.onnxsim, "simplify", record)
    return graphs


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("length", [None, 12])
@pytest.mark.parametrize("task", TASKS)
def test_the_graph_is_the_one_that_onnxsim_makes_of_all_weights(
    task: str, length: int | None, family: str
) -> None:
    graph = _traced(initialize(task, tiny.tiny_config(family), seed=3), length)
    before = graph.SerializeToString(deterministic=True)
    assert simplify(graph).SerializeToString(deterministic=True) == _plain(graph)
    assert graph.SerializeToString(deterministic=True) == before


def test_onnxsim_gets_no_matrix_of_the_encoder(given: list[onnx.ModelProto]) -> None:
    simplify(_traced(initialize("token-classification", tiny.tiny_config(), seed=3)))
    (graph,) = given
    matrices = [tensor.name for tensor in graph.graph.initializer if len(tensor.dims) == 2]
    assert matrices == ["model.base.embeddings.position.weight"]  # read by computed positions


def _with_equal_layers(model: PretrainedModel) -> None:
    first, *others = model.base.layers  # type: ignore[union-attr, misc]
    for layer in others:
        layer.load_state_dict(first.state_dict())


def _with_zeros(model: PretrainedModel) -> None:
    for parameter in model.base.layers[0].parameters():  # type: ignore[union-attr, index]
        torch.nn.init.zeros_(parameter)


@pytest.mark.parametrize("change", [_with_equal_layers, _with_zeros])
def test_equal_matrices_are_stored_once(change: Callable[[PretrainedModel], None]) -> None:
    model = initialize("token-classification", tiny.tiny_config("bert"), seed=3)
    change(model)
    graph = _traced(model)
    simplified = simplify(graph)
    assert simplified.SerializeToString(deterministic=True) == _plain(graph)
    matrices = [t for t in simplified.graph.initializer if len(t.dims) == 2]
    contents = [(*t.dims, t.raw_data) for t in matrices]
    assert len(contents) == len(set(contents))
