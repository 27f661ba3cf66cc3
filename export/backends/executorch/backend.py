"""ExecuTorch: a rewritten model as a program for XNNPACK.

The batch is 1: a phone answers one text at a time, memory is planned for the largest input, and
XNNPACK resizes only where a single length is dynamic. A session runs the rows of a batch one by
one.
"""

from pathlib import Path

from squeezebert_mobile.export.backends.base.backend import Backend, ExportOptions, ModelFile
from squeezebert_mobile.export.backends.base.int8_modules import activations_by_group, with_int8
from squeezebert_mobile.export.backends.executorch.lowering import (
    delegated_operators,
    lower,
    operators,
)
from squeezebert_mobile.export.backends.executorch.xnnpack import (
    Product,
    Table,
    fits_fp16,
)
from squeezebert_mobile.export.quantize.recipe import WITHOUT_WEIGHTS
from squeezebert_mobile.models.heads import TiedDecoder
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.progress import Progress

__all__ = ["EXECUTORCH", "write_executorch"]

_IN_FP16 = {"attention scores, softmax, Gelu": "fp16", "layer norms": "fp32"}
_TOO_LARGE = "fp32: values may be larger than fp16 holds"


def write_executorch(
    model: Traceable, path: Path, options: ExportOptions, progress: Progress
) -> ModelFile:
    """Export, lower to XNNPACK, and save.

    Raises:
        ExportError: torch or executorch cannot lower this model.
    """
    if options.precision == "fp32":
        stored, kept, without_weights = _fp32_bytes(model), {}, WITHOUT_WEIGHTS
    else:
        int8 = with_int8(model, Table, Product, options.overrides)
        model, stored, kept = int8.model, int8.stored, int8.kept
        fits = fits_fp16(model)
        without_weights = _IN_FP16 if any(fits.values()) else WITHOUT_WEIGHTS
        kept |= {path: _TOO_LARGE for path, in_fp16 in fits.items() if not in_fp16}
    longest = options.max_sequence_length
    lowered, program = lower(model, options.sequence_length, longest, progress)
    with path.open("wb") as file:
        program.write_to_file(file)
    (plan,) = program.executorch_program.execution_plan
    return ModelFile(
        stored,
        operators(plan),
        kept,
        delegated=delegated_operators(lowered),
        planned_bytes=sum(plan.non_const_buffer_sizes),
        without_weights=without_weights,
    )


def _fp32_bytes(model: Traceable) -> dict[str, int]:
    stored = {name: parameter.nbytes for name, parameter in model.named_parameters()}
    for name, module in model.named_modules():
        if isinstance(module, TiedDecoder):  # XNNPACK packs a copy of the table
            stored[f"{name}.weight"] = module.weight.nbytes
    return stored


EXECUTORCH = Backend(
    format="executorch",
    tools=("torch", "executorch", "torchao"),
    write=write_executorch,
    activations=activations_by_group,
    tied_copies=frozenset({"fp32", "int8"}),
)
