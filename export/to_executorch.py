"""A rewritten model as an ExecuTorch program for XNNPACK.

The batch is 1: a phone answers one text, memory is planned for the largest input there can be, and
XNNPACK reshapes only where one length is free. A session runs the rows of a batch one by one.

int8 products are written as XNNPACK's partitioner knows them (quantize, dequantize, linear) rather
than found by a quantizer, so their weights keep the steps that calibration chose for them. At run
time XNNPACK quantizes what a product reads by token: a row's answer does not depend on others.
"""

import contextlib
import gc
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.artifact import Quantization
from squeezebert_mobile.export.eight_bits import with_int8
from squeezebert_mobile.export.model import TiedDecoder
from squeezebert_mobile.export.quantization import EMBEDDINGS, KEPT, WEIGHTS
from squeezebert_mobile.export.rewriting import AttentionGroup, Traceable, with_children
from squeezebert_mobile.export.written import Written
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["to_executorch"]

_LOWEST, _HIGHEST = -128, 127
_SMALLEST_STEP = torch.finfo(torch.float32).eps


def to_executorch(
    model: Traceable,
    path: Path,
    *,
    precision: str,
    sequence_length: int | None,
    max_sequence_length: int,
) -> Written:
    """Export, lower to XNNPACK, and save.

    Args:
        model: What `rewrite` gave.
        path: The file to write.
        precision: "fp32" or "int8".
        sequence_length: The fixed length, or None for any up to the longest.
        max_sequence_length: The longest; memory is planned for it.
    """
    with _quiet(), _uncollected():
        if precision == "fp32":
            stored = {name: parameter.nbytes for name, parameter in model.named_parameters()}
            for name, module in model.named_modules():
                if isinstance(module, TiedDecoder):  # XNNPACK packs a copy of the table
                    stored[f"{name}.weight"] = module.weight.nbytes
            lowered = _lower(model, sequence_length, max_sequence_length)
            recipe = None
        else:
            made = with_int8(model, _Product)
            stored = made.stored
            lowered = _lower(made.model, sequence_length, max_sequence_length)
            recipe = Quantization(
                weights=WEIGHTS,
                embeddings=EMBEDDINGS,
                activations="int8, asymmetric, one scale a token, dynamic",
                kept=KEPT | made.kept,
            )
        program = lowered.to_executorch()
        with path.open("wb") as file:
            program.write_to_file(file)
    return Written(stored, _operators(program), recipe, _delegated(lowered))


# The model ----------------------------------------------------------------------------------


class _Product(nn.Module):
    """A product of int8 weights, in the words that XNNPACK's partitioner looks for."""

    def __init__(self, values: Tensor, scales: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.out_features, self.in_features = values.shape
        self.values = nn.Buffer(values)  # (out, in) int8
        self.scales = nn.Buffer(scales)  # (out)
        self.zeros = nn.Buffer(torch.zeros(len(scales), dtype=torch.long))
        # A copy: of a view, such as a group's part of a bias, XNNPACK's writer stores the beginning
        # of what it is a view of.
        self.bias = nn.Buffer(bias.clone())  # (out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        ops = torch.ops.quantized_decomposed
        limits = _LOWEST, _HIGHEST, torch.int8
        scale, zero = ops.choose_qparams.tensor(x, _LOWEST, _HIGHEST, _SMALLEST_STEP, torch.int8)
        bytes_ = ops.quantize_per_tensor.tensor(x, scale, zero, *limits)
        weight = ops.dequantize_per_channel(
            self.values, self.scales, self.zeros, 0, -_HIGHEST, _HIGHEST, torch.int8
        )
        return functional.linear(
            ops.dequantize_per_tensor.tensor(bytes_, scale, zero, *limits), weight, self.bias
        )


class _AttentionOfOne(nn.Module):
    """`AttentionGroup` for a batch of 1: heads take the batch's place, so one length is free."""

    def __init__(self, group: AttentionGroup, product: nn.Module) -> None:
        super().__init__()
        self.in_features, self.heads, self.product = group.in_features, group.heads, product

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        projected = self.product(x)  # (1, S, 3C/G)
        heads = projected.view(-1, 3 * self.heads, projected.shape[-1] // (3 * self.heads))
        query, key, value = torch.split(heads.transpose(0, 1), self.heads)  # (H/G, S, D) each
        scores = torch.bmm(query, key.transpose(1, 2)) + mask.view(1, 1, -1)  # (H/G, S, S)
        context = torch.bmm(scores.softmax(dim=-1), value).transpose(0, 1)  # (S, H/G, D)
        return context.reshape(1, -1, projected.shape[-1] // 3)  # (1, S, C/G)


def _for_one(module: nn.Module) -> nn.Module:
    """The model with attention for a batch of 1."""
    made = with_children(module, lambda name, child: _for_one(child))
    if isinstance(made, AttentionGroup):
        return _AttentionOfOne(made, made.product)
    return made


# Lowering -----------------------------------------------------------------------------------


def _lower(model: Traceable, sequence_length: int | None, longest: int) -> Any:
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    axes = model.task.input_axes
    shape = [1] * (len(axes) - 1) + [sequence_length or max(longest // 2, 2)]
    example = tuple(torch.zeros(shape, dtype=torch.long) for _ in INPUT_NAMES)
    free = None
    if sequence_length is None:
        length = torch.export.Dim("sequence", min=2, max=longest)
        free = tuple({len(axes) - 1: length} for _ in INPUT_NAMES)
    exported = torch.export.export(
        _for_one(model).eval(), example, dynamic_shapes=free, strict=False
    )
    return to_edge_transform_and_lower(
        exported,
        partitioner=[_partitioner()],
        # quantized_decomposed is not among the core operators; none of it is left at the end
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )


def _partitioner() -> Any:
    """XNNPACK's partitioner, which costs a decomposition less.

    Every run of a graph of base size through torch's tracer takes ten seconds.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    class _Partitioner(XnnpackPartitioner):  # type: ignore[misc]
        def ops_to_not_decompose(self, ep: Any) -> tuple[list[Any], None]:
            """The operators to keep whole; all of ours can be delegated, so none is asked for."""
            operators, _ = super().ops_to_not_decompose(ep)
            return operators, None

    return _Partitioner()


def _operators(program: Any) -> dict[str, int]:
    """How often the program calls each kernel, by its registered name, and XNNPACK."""
    (plan,) = program.executorch_program.execution_plan
    calls: Counter[str] = Counter()
    for instruction in (i for chain in plan.chains for i in chain.instructions):
        call = instruction.instr_args
        if hasattr(call, "op_index"):
            operator = plan.operators[call.op_index]
            calls[f"{operator.name}.{operator.overload}".rstrip(".")] += 1
        elif hasattr(call, "delegate_index"):
            calls[plan.delegates[call.delegate_index].id] += 1
    return dict(sorted(calls.items()))


def _delegated(lowered: Any) -> dict[str, int]:
    """How often each operator stands in the parts that XNNPACK runs."""
    from executorch.exir.lowered_backend_module import get_lowered_submodules

    names: Counter[str] = Counter()
    for _, part, _ in get_lowered_submodules(lowered.exported_program().graph_module):
        for node in part.original_module.graph_module.graph.nodes:
            if node.op == "call_function" and hasattr(node.target, "_op"):
                names[str(node.target._op)] += 1
    return dict(sorted(names.items()))


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection: among millions of live objects it takes a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the advice of torch, torchao and executorch from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
