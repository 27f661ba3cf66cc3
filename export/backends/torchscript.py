"""A rewritten model as a frozen TorchScript archive.

TorchScript is legacy: PyTorch Mobile is no longer maintained, and no runtime for phones is offered
for it here. C++ hosts and older apps still load it.

int8 weights are packed for one engine and dispatch to it: `qnnpack`, which phones have, or `x86`.
Activations are quantized as they come, a scale a tensor.
"""

import contextlib
import warnings
import zipfile
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.artifact import Quantization
from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.int8_modules import with_int8
from squeezebert_mobile.export.backends.onnx.quantization import EMBEDDINGS, KEPT, WEIGHTS
from squeezebert_mobile.export.backends.written import Written
from squeezebert_mobile.formats import Engine
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["ENGINES", "to_torchscript"]

ENGINES: tuple[str, ...] = get_args(Engine)


def to_torchscript(
    model: Traceable,
    path: Path,
    *,
    precision: str,
    sequence_length: int | None,
    engine: str,
    apart: Container[str],
) -> Written:
    """Trace, freeze and save.

    Args:
        model: What `rewrite` gave.
        path: The file to write.
        precision: "fp32" or "int8".
        sequence_length: The fixed length, or None for any.
        engine: Which of ENGINES the int8 products are packed for.
        apart: The names of the modules that int8 leaves in fp32.

    Raises:
        ExportError: this torch has not got the engine.
    """
    if precision == "fp32":
        stored = {name: parameter.nbytes for name, parameter in model.named_parameters()}
        return Written(stored, _save(model, path, sequence_length), None)
    if engine not in torch.backends.quantized.supported_engines:
        raise ExportError(
            f"this torch has no engine {engine!r} for int8; it has: "
            f"{', '.join(torch.backends.quantized.supported_engines)}"
        )
    with _engine(engine):
        made = with_int8(model, _Table, _Product, apart)
        operators = _save(made.model, path, sequence_length)
    return Written(
        made.stored,
        operators,
        Quantization(
            weights=WEIGHTS,
            embeddings=EMBEDDINGS,
            activations="uint8, asymmetric, one scale a tensor, dynamic",
            engine=engine,
            kept=KEPT | made.kept,
        ),
    )


class _Table(nn.Module):
    """An embedding table of bytes, of which only the rows looked up become floats."""

    def __init__(self, rows: Tensor, scales: Tensor) -> None:
        super().__init__()
        self.rows = nn.Buffer(rows)  # (N, C) int8
        self.scales = nn.Buffer(scales[:, None])  # (N, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) to (B, S, C)."""
        found = functional.embedding(ids, self.rows).to(torch.float32)
        return found * functional.embedding(ids, self.scales)


class _Product(nn.Module):
    """A product of int8 weights in the engine that is set."""

    def __init__(self, values: Tensor, scales: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.out_features, self.in_features = values.shape
        # quantize_per_channel finds the same bytes again: values * scales lie on its steps.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # deprecated; there is no successor for it
            weight = torch.quantize_per_channel(
                values * scales[:, None],
                scales.double(),
                torch.zeros(len(scales), dtype=torch.long),
                axis=0,
                dtype=torch.qint8,
            )
        self.packed = torch.ops.quantized.linear_prepack(weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        # All 8 bits of x, in either engine: no two products overflow 16 bits (`pairs.py`).
        return torch.ops.quantized.linear_dynamic(x, self.packed, False)  # type: ignore[no-any-return]


@contextlib.contextmanager
def _engine(name: str) -> Iterator[None]:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def _save(model: Traceable, path: Path, sequence_length: int | None) -> dict[str, int]:
    """Write the archive, and count its operators."""
    shape = [2] * (len(model.task.input_axes) - 1) + [sequence_length or 9]
    example = tuple(torch.zeros(shape, dtype=torch.long) for _ in INPUT_NAMES)
    with torch.no_grad(), warnings.catch_warnings(), _fresh_names():
        warnings.simplefilter("ignore")  # torch advises torch.export, at every step
        traced = torch.jit.trace(model.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        traced = torch.jit.freeze(traced)
        traced.save(str(path))
    _drop_source_lines(path)
    kinds = (node.kind() for node in traced.inlined_graph.nodes())
    return dict(sorted(Counter(kind for kind in kinds if not kind.startswith("prim::")).items()))


@contextlib.contextmanager
def _fresh_names() -> Iterator[None]:
    """Classes named as in a new process: torch numbers them, and the names are in the file."""
    names = torch.jit._state._python_cu, torch.jit._recursive.concrete_type_store
    torch.jit._state._python_cu = torch._C.CompilationUnit()
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    try:
        yield
    finally:
        torch.jit._state._python_cu, torch.jit._recursive.concrete_type_store = names


def _drop_source_lines(path: Path) -> None:
    """Remove the source lines that torch notes for its messages: they hold this machine's paths."""
    slim = path.with_name(f"{path.name}.slim")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(slim, "w") as smaller:
        for entry in archive.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                smaller.writestr(zipfile.ZipInfo(entry.filename), archive.read(entry))
    slim.replace(path)
