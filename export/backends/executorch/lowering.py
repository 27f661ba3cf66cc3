"""From a rewritten model to a program in which XNNPACK runs all it can.

Lowering is slow, in proportion to the nodes of the graph: every pass of torch and executorch runs
the graph through a tracer again. So the graph is built such that no pass has to change it
(`xnnpack.py`).
"""

import contextlib
import gc
import logging
import operator
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.executorch.operators import NAMESPACE
from squeezebert_mobile.export.backends.executorch.xnnpack import for_xnnpack
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.progress import Progress
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["delegated_operators", "lower", "operators"]

_LOG = logging.getLogger(__name__)
_MAX_CONCATENATED = 5  # tensors that XNNPACK concatenates in one step


def lower(
    model: Traceable, sequence_length: int | None, longest: int, progress: Progress
) -> tuple[Any, Any]:
    """The lowered program, and the same with its memory planned.

    Args:
        model: The result of `rewrite`, or of `with_int8`.
        sequence_length: The fixed length, or None for any up to the longest.
        longest: The longest length; memory is planned for it.
        progress: Shows the steps.

    Raises:
        ExportError: torch or executorch cannot lower this model.
    """
    with _quiet(), _without_garbage_collection(), _short_errors():
        with progress("export"):
            exported = _exported(model, sequence_length, longest)
        with progress("lower"):
            lowered = _lowered(exported)
        with progress("plan"):
            return lowered, lowered.to_executorch()


def _exported(model: Traceable, sequence_length: int | None, longest: int) -> Any:
    """The exported graph of the model for a batch of 1."""
    import executorch.exir  # noqa: F401 - registers the operators of quantized_decomposed

    axes = model.task.input_axes
    shape = [1] * (len(axes) - 1) + [sequence_length or max(longest // 2, 2)]
    example = tuple(torch.zeros(shape, dtype=torch.long) for _ in INPUT_NAMES)
    free = None
    if sequence_length is None:
        length = torch.export.Dim("sequence", min=2, max=longest)
        free = tuple({len(axes) - 1: length} for _ in INPUT_NAMES)
    exported = torch.export.export(
        for_xnnpack(model).eval(), example, dynamic_shapes=free, strict=False
    )
    _split_to_slices(exported.graph_module)
    _concatenate_in_steps(exported.graph_module)
    return exported


def _split_to_slices(graph_module: Any) -> None:
    """Replace splits by slices: XNNPACK has slices, where the length is fixed, but no split."""
    aten, graph = torch.ops.aten, graph_module.graph
    for split in graph.find_nodes(op="call_function", target=aten.split.Tensor):
        x, width, *axis = split.args
        for part in list(split.users):
            assert part.target is operator.getitem
            begin = part.args[1] * width
            with graph.inserting_before(part):
                args = (x, *(axis or [0]), begin, begin + width)
                new = graph.call_function(aten.slice.Tensor, args)
            new.meta = part.meta
            part.replace_all_uses_with(new)
            graph.erase_node(part)
        graph.erase_node(split)
    graph_module.recompile()


def _concatenate_in_steps(graph_module: Any) -> None:
    """Concatenate few tensors at a time: more would need all of XNNPACK's own passes."""
    cat, graph = torch.ops.aten.cat.default, graph_module.graph
    for node in graph.find_nodes(op="call_function", target=cat):
        parts, *axis = node.args
        while len(parts) > _MAX_CONCATENATED:
            concatenated = []
            for start in range(0, len(parts), _MAX_CONCATENATED):
                some = parts[start : start + _MAX_CONCATENATED]
                with graph.inserting_before(node):
                    new = graph.call_function(cat, (some, *axis))
                new.meta = node.meta | {"val": torch.cat([p.meta["val"] for p in some], *axis)}
                concatenated.append(new)
            parts = concatenated
        node.args = (parts, *axis)
    graph_module.recompile()


def _lowered(exported: Any) -> Any:
    """The program with everything that XNNPACK can run delegated to it.

    `to_edge_transform_and_lower` gives the same program but runs the graph through the tracer once
    more.
    """
    from executorch.exir import EdgeCompileConfig, to_edge
    from executorch.exir.backend.compile_spec_schema import CompileSpec
    from executorch.exir.backend.partitioner import DelegationSpec

    from squeezebert_mobile.export.backends.executorch.visitors import partitioner

    xnnpack = partitioner()
    whole, _ = xnnpack.ops_to_not_decompose(exported)
    # XNNPACK runs seventeen passes over a graph, for convolutions, pools, copies and wide
    # concatenations. They take half of the time and change nothing here. This setting skips all
    # but one of them.
    xnnpack.delegation_spec = DelegationSpec(
        xnnpack.delegation_spec.backend_id, [CompileSpec("dqlinear_partitioner", b"")]
    )
    # quantized_decomposed is not in the core operator set; none of it is left at the end.
    config = EdgeCompileConfig(
        preserve_ops=list(whole), _check_ir_validity=False, _skip_dim_order=True
    )
    edge = to_edge(exported, compile_config=config)
    return edge.to_backend(xnnpack)


def operators(plan: Any) -> dict[str, int]:
    """How often an execution plan calls XNNPACK, and each kernel by its registered name."""
    calls: Counter[str] = Counter()
    for instruction in (i for chain in plan.chains for i in chain.instructions):
        call = instruction.instr_args
        if hasattr(call, "op_index"):
            kernel = plan.operators[call.op_index]
            calls[f"{kernel.name}.{kernel.overload}".rstrip(".")] += 1
        elif hasattr(call, "delegate_index"):
            calls[plan.delegates[call.delegate_index].id] += 1
    return dict(sorted(calls.items()))


def delegated_operators(lowered: Any) -> dict[str, int]:
    """How often each operator occurs in the parts that XNNPACK runs."""
    from executorch.exir.lowered_backend_module import get_lowered_submodules

    names: Counter[str] = Counter()
    for _, part, _ in get_lowered_submodules(lowered.exported_program().graph_module):
        for node in part.original_module.graph_module.graph.nodes:
            if node.op == "call_function" and hasattr(node.target, "_op"):
                names[str(node.target._op).removeprefix(f"{NAMESPACE}.")] += 1
    return dict(sorted(names.items()))


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Turn garbage collection off: with millions of live objects it takes a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the warnings of torch, torchao and executorch, unless debug logging is on."""
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
def _short_errors() -> Iterator[None]:
    """Shorten the errors of torch and executorch, which fill a page, to one line."""
    try:
        yield
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise ExportError(
            f"executorch cannot lower this model: {type(error).__name__}: {first}; "
            "report it with --debug's output, or use --format onnx"
        ) from error
