"""A rewritten model as an ExecuTorch program for XNNPACK.

The batch is 1: a phone answers one text, memory is planned for the largest input there can be, and
XNNPACK reshapes only where one length is free. A session runs the rows of a batch one by one.

Lowering takes long, in proportion to the nodes of the graph: every pass of torch and executorch
runs it through a tracer again. So what a pass would have to mend is not written in the first place
(`for_xnnpack.py`).
"""

import contextlib
import gc
import logging
import operator
import warnings
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import torch

from squeezebert_mobile.artifact import Quantization
from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.executorch.xnnpack import (
    Product,
    Table,
    for_one,
    spelled_out,
)
from squeezebert_mobile.export.backends.int8_modules import with_int8
from squeezebert_mobile.export.backends.onnx.quantization import EMBEDDINGS, KEPT, WEIGHTS
from squeezebert_mobile.export.backends.written import Written
from squeezebert_mobile.models.heads import TiedDecoder
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.progress import Progress
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["to_executorch"]

_LOG = logging.getLogger(__name__)
_XNNPACK_JOINS = 5  # tensors that XNNPACK joins in one step


def to_executorch(
    model: Traceable,
    path: Path,
    *,
    precision: str,
    sequence_length: int | None,
    max_sequence_length: int,
    apart: Container[str],
    progress: Progress,
) -> Written:
    """Export, lower to XNNPACK, and save.

    Args:
        model: What `rewrite` gave.
        path: The file to write.
        precision: "fp32" or "int8".
        sequence_length: The fixed length, or None for any up to the longest.
        max_sequence_length: The longest; memory is planned for it.
        apart: The names of the modules that int8 leaves in fp32.
        progress: Shows the steps.

    Raises:
        ExportError: torch or executorch cannot lower this model.
    """
    if precision == "fp32":
        stored = {name: parameter.nbytes for name, parameter in model.named_parameters()}
        for name, module in model.named_modules():
            if isinstance(module, TiedDecoder):  # XNNPACK packs a copy of the table
                stored[f"{name}.weight"] = module.weight.nbytes
        recipe = None
    else:
        made = with_int8(model, Table, Product, apart)
        model, stored = made.model, made.stored
        recipe = Quantization(
            weights=WEIGHTS,
            embeddings=EMBEDDINGS,
            activations="int8, asymmetric, one scale a token, dynamic",
            kept=KEPT | made.kept,
        )
    with _quiet(), _uncollected(), _one_line():
        with progress("export"):
            exported = _exported(model, sequence_length, max_sequence_length)
        with progress("lower"):
            lowered = _lowered(exported)
        with progress("plan"):
            program = lowered.to_executorch()
    with path.open("wb") as file:
        program.write_to_file(file)
    (plan,) = program.executorch_program.execution_plan
    return Written(
        stored,
        _operators(plan),
        recipe,
        delegated=_delegated(lowered),
        planned_bytes=sum(plan.non_const_buffer_sizes),
    )


# Lowering -----------------------------------------------------------------------------------


def _exported(model: Traceable, sequence_length: int | None, longest: int) -> Any:
    """The graph of the model for a batch of 1."""
    import executorch.exir  # noqa: F401 - registers the operators of quantized_decomposed

    axes = model.task.input_axes
    shape = [1] * (len(axes) - 1) + [sequence_length or max(longest // 2, 2)]
    example = tuple(torch.zeros(shape, dtype=torch.long) for _ in INPUT_NAMES)
    free = None
    if sequence_length is None:
        length = torch.export.Dim("sequence", min=2, max=longest)
        free = tuple({len(axes) - 1: length} for _ in INPUT_NAMES)
    exported = torch.export.export(
        for_one(model).eval(), example, dynamic_shapes=free, strict=False
    )
    _slice(exported.graph_module)
    _join_by_few(exported.graph_module)
    return exported


def _slice(graph_module: Any) -> None:
    """Slices instead of splits: XNNPACK has them where the length is fixed, and never a split."""
    aten, graph = torch.ops.aten, graph_module.graph
    for split in graph.find_nodes(op="call_function", target=aten.split.Tensor):
        x, width, *axis = split.args
        for part in list(split.users):
            assert part.target is operator.getitem
            begin = part.args[1] * width
            with graph.inserting_before(part):
                args = (x, *(axis or [0]), begin, begin + width)
                made = graph.call_function(aten.slice.Tensor, args)
            made.meta = part.meta
            part.replace_all_uses_with(made)
            graph.erase_node(part)
        graph.erase_node(split)
    graph_module.recompile()


def _join_by_few(graph_module: Any) -> None:
    """Joins of joins, each of few tensors: one of more would need all of XNNPACK's passes."""
    cat, graph = torch.ops.aten.cat.default, graph_module.graph
    for join in graph.find_nodes(op="call_function", target=cat):
        parts, *axis = join.args
        while len(parts) > _XNNPACK_JOINS:
            joined = []
            for some in (
                parts[i : i + _XNNPACK_JOINS] for i in range(0, len(parts), _XNNPACK_JOINS)
            ):
                with graph.inserting_before(join):
                    made = graph.call_function(cat, (some, *axis))
                made.meta = join.meta | {"val": torch.cat([p.meta["val"] for p in some], *axis)}
                joined.append(made)
            parts = joined
        join.args = (parts, *axis)
    graph_module.recompile()


def _lowered(exported: Any) -> Any:
    """The program with all that XNNPACK can run handed to it.

    `to_edge_transform_and_lower` gives the same program, and runs the graph through the tracer one
    time more.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge
    from executorch.exir.backend.compile_spec_schema import CompileSpec
    from executorch.exir.backend.partitioner import DelegationSpec

    partitioner = XnnpackPartitioner()
    whole, _ = partitioner.ops_to_not_decompose(exported)
    # XNNPACK mends a graph in seventeen passes, for convolutions, pools, copies and wide joins;
    # this one of its settings leaves out all but one. They are half of the time, and change
    # nothing here.
    partitioner.delegation_spec = DelegationSpec(
        partitioner.delegation_spec.backend_id, [CompileSpec("dqlinear_partitioner", b"")]
    )
    # quantized_decomposed is not among the core operators; none of it is left at the end
    config = EdgeCompileConfig(
        preserve_ops=list(whole), _check_ir_validity=False, _skip_dim_order=True
    )
    edge = to_edge(exported, compile_config=config).transform([spelled_out()])
    return edge.to_backend(partitioner)


def _operators(plan: Any) -> dict[str, int]:
    """How often the plan calls each kernel, by its registered name, and XNNPACK."""
    calls: Counter[str] = Counter()
    for instruction in (i for chain in plan.chains for i in chain.instructions):
        call = instruction.instr_args
        if hasattr(call, "op_index"):
            kernel = plan.operators[call.op_index]
            calls[f"{kernel.name}.{kernel.overload}".rstrip(".")] += 1
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
    """Keep the advice of torch, torchao and executorch from the terminal, unless it is wanted."""
    if _LOG.isEnabledFor(logging.DEBUG):
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Say in a line what torch or executorch says in a page."""
    try:
        yield
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise ExportError(
            f"executorch cannot lower this model: {type(error).__name__}: {first}; "
            "report it with --debug's output, or use --format onnx"
        ) from error
