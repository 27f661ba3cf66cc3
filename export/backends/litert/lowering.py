"""A traced model as operators of LiteRT: the graph is run once for each length, writing instead of
computing.

What depends on the length alone, such as positions, is computed by torch and becomes a constant.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import fx
from torch.export.graph_signature import InputKind

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.litert.operators import HANDLERS
from squeezebert_mobile.export.backends.litert.tflite_file import TensorRef, TfliteFile
from squeezebert_mobile.export.backends.litert.writer import Weight, Writer
from squeezebert_mobile.formats import signature
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["lower"]


def lower(model: Traceable, lengths: Sequence[int]) -> TfliteFile:
    """Trace a model with a batch of 1, and write its operators for each length.

    Args:
        model: A rewritten model, with int8 modules in it or not.
        lengths: In tokens.

    Raises:
        ExportError: torch cannot trace the model, or LiteRT has no such operator.
    """
    traced = _trace(model, max(lengths))
    file = TfliteFile()
    for length in lengths:
        subgraph = file.subgraph(signature(length))
        shape = (*_leading(model), length)
        inputs = {name: subgraph.input(name, shape, np.int32) for name in INPUT_NAMES}
        writer = Writer(subgraph)
        outputs = map(writer.as_shaped, _Lowering(traced, writer).run(*_arguments(traced, inputs)))
        subgraph.outputs |= dict(zip(model.outputs, outputs, strict=True))
        subgraph.remove_unused()
    return file


def _leading(model: Traceable) -> tuple[int, ...]:
    """The axes before the sequence, each of size 1."""
    return (1, 1) if model.task.has_choices else (1,)


def _trace(model: Traceable, longest: int) -> torch.export.ExportedProgram:
    length = min(model.example_length, longest)
    example = torch.ones((*_leading(model), length), dtype=torch.int64)
    axis = torch.export.Dim("length", min=1, max=longest)
    dynamic = [{example.dim() - 1: axis}] * len(INPUT_NAMES)
    try:
        with torch.no_grad():
            # Of the same tensor twice, torch would make a single input.
            inputs = tuple(example.clone() for _ in INPUT_NAMES)
            return torch.export.export(model, inputs, dynamic_shapes=tuple(dynamic))
    except Exception as error:  # torch's own errors have no common base
        raise ExportError(f"torch cannot trace the model for litert: {error}") from error


def _arguments(traced: torch.export.ExportedProgram, inputs: dict[str, Any]) -> list[Any]:
    """What takes the place of each placeholder: an input of the file, or a weight."""
    arguments: list[Any] = []
    tensors = {**traced.state_dict, **traced.constants}
    remaining = iter(inputs.values())
    for spec in traced.graph_signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            arguments.append(next(remaining))
        else:
            arguments.append(Weight(cast(str, spec.target), tensors[spec.target].detach()))
    return arguments


class _Lowering(fx.Interpreter):
    """Calls a handler in place of each operator; what reads only numbers is computed by torch."""

    def __init__(self, traced: torch.export.ExportedProgram, writer: Writer) -> None:
        super().__init__(traced.graph_module)
        self.extra_traceback = False  # it would be appended to the message of an ExportError
        self.writer = writer

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The result of one operator: tensors of the file, or a tensor or number of torch."""
        values = _flat([args, list(kwargs.values())])
        if not any(isinstance(value, TensorRef | Weight) for value in values):
            return super().call_function(target, args, kwargs)
        handler = HANDLERS.get(target)
        if handler is None:
            raise ExportError(
                f"litert has no operator for {target} of this model; export it with --format onnx "
                "or executorch"
            )
        return handler(self.writer, *args, **kwargs)


def _flat(values: Any) -> list[Any]:
    if isinstance(values, list | tuple):
        return [each for value in values for each in _flat(value)]
    return [values]
