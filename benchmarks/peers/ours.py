"""How ours are built: as `squeezebert-mobile export` does it."""

import platform
from pathlib import Path

from squeezebert_mobile.benchmarks.peers.families import TASK, Family

__all__ = ["build_ours"]


def build_ours(family: Family, folder: Path, *, format: str, precision: str) -> None:
    """Export `family` to an artifact that takes any length."""
    from squeezebert_mobile.cli.baselines import verification_texts
    from squeezebert_mobile.export import export_checkpoint

    export_checkpoint(
        family.checkpoint,
        folder,
        task=TASK,
        format=format,
        precision=precision,
        engine=_engine() if (format, precision) == ("torchscript", "int8") else None,
        texts=verification_texts(),
    )


def _engine() -> str:
    """The engine of this machine, which torch takes for the peers' int8 as well."""
    return "x86" if platform.machine() in {"x86_64", "AMD64"} else "qnnpack"
