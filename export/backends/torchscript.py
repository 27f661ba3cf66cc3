"""TorchScript: a rewritten model as a frozen archive.

TorchScript is legacy: PyTorch Mobile is no longer maintained, and this package has no runtime for
phones that loads it. C++ hosts and older apps still do.

int8 weights are packed for one kernel backend of torch and run only there: `qnnpack`, which phones
have, or `x86`. Activations are quantized at run time, with one scale per tensor.
"""

import contextlib
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.base.backend import Backend, ExportOptions, ModelFile
from squeezebert_mobile.export.backends.base.int8_modules import with_int8
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.progress import Progress
from squeezebert_mobile.renames import rename
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["TORCHSCRIPT", "write_torchscript"]


def write_torchscript(
    model: Traceable, path: Path, options: ExportOptions, progress: Progress
) -> ModelFile:
    """Trace, freeze and save.

    Raises:
        ExportError: this build of torch does not have the kernel backend.
    """
    with progress("export"):
        if options.precision == "fp32":
            stored = {name: parameter.nbytes for name, parameter in model.named_parameters()}
            return ModelFile(stored, _save(model, path, options.sequence_length))
        return _write_int8(model, path, options)


def _write_int8(model: Traceable, path: Path, options: ExportOptions) -> ModelFile:
    engine, supported = options.engine, torch.backends.quantized.supported_engines
    assert engine is not None
    if engine not in supported:
        raise ExportError(
            f"this build of torch has no engine {engine!r} for int8; choose from: "
            f"{', '.join(supported)}"
        )
    with _kernel_backend(engine):
        int8 = with_int8(model, _Table, _Product, options.overrides)
        operators = _save(int8.model, path, options.sequence_length)
    return ModelFile(int8.stored, operators, int8.kept)


class _Table(nn.Module):
    """An int8 embedding table; only the rows that are looked up are dequantized."""

    def __init__(self, rows: Tensor, scales: Tensor) -> None:
        super().__init__()
        self.rows = nn.Buffer(rows)  # (N, C) int8
        self.scales = nn.Buffer(scales[:, None])  # (N, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) to (B, S, C)."""
        # Tracing writes the names of variables into the file.
        found = functional.embedding(ids, self.rows).to(torch.float32)
        return found * functional.embedding(ids, self.scales)


class _Product(nn.Module):
    """A product with int8 weights, in the kernel backend that is set."""

    def __init__(self, values: Tensor, scales: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.out_features, self.in_features = values.shape
        # quantize_per_channel finds the same integers: values * scales are whole steps.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # deprecated, but has no successor
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
        # x keeps all 8 bits in both kernel backends: no pair saturates 16 bits (`saturation.py`).
        return torch.ops.quantized.linear_dynamic(x, self.packed, False)  # type: ignore[no-any-return]


@contextlib.contextmanager
def _kernel_backend(name: str) -> Iterator[None]:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def _save(model: Traceable, path: Path, sequence_length: int | None) -> dict[str, int]:
    """Write the archive; returns how often each operator occurs."""
    shape = [2] * (len(model.task.input_axes) - 1) + [sequence_length or model.example_length]
    example = tuple(torch.zeros(shape, dtype=torch.long) for _ in INPUT_NAMES)
    with torch.no_grad(), warnings.catch_warnings(), _fresh_names():
        warnings.simplefilter("ignore")  # torch recommends torch.export at every step
        traced = torch.jit.trace(model.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        traced = torch.jit.freeze(traced)
        traced.save(str(path))
    _drop_source_lines(path)
    kinds = (node.kind() for node in traced.inlined_graph.nodes())
    return dict(sorted(Counter(kind for kind in kinds if not kind.startswith("prim::")).items()))


@contextlib.contextmanager
def _fresh_names() -> Iterator[None]:
    """Let torch number class names as in a new process: the names are in the file."""
    names = torch.jit._state._python_cu, torch.jit._recursive.concrete_type_store
    torch.jit._state._python_cu = torch._C.CompilationUnit()
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    try:
        yield
    finally:
        torch.jit._state._python_cu, torch.jit._recursive.concrete_type_store = names


def _drop_source_lines(path: Path) -> None:
    """Remove the source lines that torch keeps for its messages: they contain local paths."""
    slim = path.with_name(f"{path.name}.slim")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(slim, "w") as smaller:
        for entry in archive.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                smaller.writestr(zipfile.ZipInfo(entry.filename), archive.read(entry))
    rename(slim, path)


TORCHSCRIPT = Backend(
    format="torchscript",
    tools=("torch",),
    write=write_torchscript,
    tied_copies=frozenset({"int8"}),
)
