"""Builds the LiteRT peers as the pages of litert-torch and ai-edge-quantizer say.

A file has a signature for each length that is measured, all of which share the weights: the
converter fixes shapes.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.peers.families import Family
from squeezebert_mobile.benchmarks.peers.theirs import Peer, network
from squeezebert_mobile.cache import cache_folder
from squeezebert_mobile.errors import BenchmarkError, require
from squeezebert_mobile.formats import signature
from squeezebert_mobile.partial_folders import partial_folder
from squeezebert_mobile.renames import rename
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["LITERT_PEERS", "install_converter"]

_REQUIREMENTS = Path(__file__).parent / "litert-converter.txt"


def install_converter(folder: Path) -> Path:
    """The folder of the converter's packages below `folder`; downloads them if they are missing.

    Raises:
        BenchmarkError: they cannot be downloaded.
    """
    version = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    target = folder / f"litert-converter-{version}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with partial_folder(target) as private:
            partial = private / "packages"
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            command = [*pip, "--target", str(partial), "-r", str(_REQUIREMENTS)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            if done.returncode:
                lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
                raise BenchmarkError(f"LiteRT's converter cannot be downloaded: {lines[-1]}")
            try:
                rename(partial, target)
            except OSError:  # another build was faster
                if not target.exists():
                    raise
    return target


def _fp32(family: Family, target: Path, lengths: Sequence[int]) -> None:
    litert_torch = _converter("litert_torch")
    torch = require("torch", "export")
    model = network(family)

    class Logits(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The model with a single output."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            return self.model(input_ids, attention_mask, token_type_ids)[0]

    builder, logits = litert_torch, Logits().eval()
    for length in sorted(set(lengths)):
        ids = torch.ones(1, length, dtype=torch.int64)
        inputs = dict(zip(INPUT_NAMES, (ids, ids, torch.zeros_like(ids)), strict=True))
        builder = builder.signature(signature(length), logits, sample_kwargs=inputs)
    partial = target.with_suffix(f".{os.getpid()}.tflite")
    builder.convert().export(str(partial))
    rename(partial, target)  # the int8 peer reads this file


def _int8(family: Family, target: Path, lengths: Sequence[int]) -> None:
    plain = target.with_name("litert fp32.tflite")
    if not plain.exists():  # it was not selected, or is built later
        _fp32(family, plain, lengths)
    quantizer = _converter("ai_edge_quantizer.quantizer").Quantizer(str(plain))
    recipe = _converter("ai_edge_quantizer.recipe").dynamic_wi8_afp32()
    quantizer.load_quantization_recipe(recipe)
    quantizer.quantize().export_model(str(target), overwrite=True)


def _converter(module: str) -> Any:
    """Import a module of the converter. Of packages that both have, ours come first."""
    folder = str(install_converter(cache_folder()))
    if folder not in sys.path:
        sys.path.append(folder)
    return require(module, "peers")


LITERT_PEERS = (
    Peer(
        "litert",
        "fp32",
        "",
        "litert fp32.tflite",
        _fp32,
        "litert_torch.convert, a signature for each length",
        fixes_shapes=True,
    ),
    Peer(
        "litert",
        "int8",
        "",
        "litert int8.tflite",
        _int8,
        "ai_edge_quantizer's recipe dynamic_wi8_afp32 of the fp32 file",
        fixes_shapes=True,
    ),
)
