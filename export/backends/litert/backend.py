"""LiteRT: a rewritten model as a .tflite file for XNNPACK.

Shapes are fixed: the file has a signature for each of a few lengths, which share the weights, and a
session takes the shortest that a text fits in. The batch is 1; a session runs the rows of a batch
one by one.
"""

from pathlib import Path
from typing import cast

from squeezebert_mobile.export.backends.base.backend import Backend, ExportOptions, ModelFile
from squeezebert_mobile.export.backends.base.int8_modules import activations_by_group, with_int8
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.progress import Progress

__all__ = ["LITERT", "write_litert"]


def write_litert(
    model: Traceable, path: Path, options: ExportOptions, progress: Progress
) -> ModelFile:
    """Trace, write the operators for each length, and save.

    Raises:
        ExportError: torch cannot trace the model, or LiteRT has no such operator.
    """
    # Imported late: LiteRT's schema is in a package of its own, which the extra installs.
    from squeezebert_mobile.export.backends.litert.delegation import delegated_operators
    from squeezebert_mobile.export.backends.litert.lowering import lower
    from squeezebert_mobile.export.backends.litert.modules import (
        Product,
        Table,
        with_grouped_products,
    )

    stored, kept = {name: each.nbytes for name, each in model.named_parameters()}, {}
    if options.precision != "fp32":
        int8 = with_int8(model, Table, Product, options.overrides)
        model, stored, kept = int8.model, int8.stored, int8.kept
        model = cast(Traceable, with_grouped_products(model))
    with progress("export"):
        file = lower(model, options.sequence_lengths or (options.max_sequence_length,))
    file.write(path)
    return ModelFile(stored, file.operators(), kept, delegated=delegated_operators(path))


LITERT = Backend(
    format="litert",
    tools=("torch", "ai-edge-litert"),
    write=write_litert,
    activations=activations_by_group,
    tied_copies=frozenset({"int8"}),
)
