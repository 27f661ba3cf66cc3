"""Builds our models by running `squeezebert-mobile export`, as a user does."""

import platform
import subprocess
import sys
from pathlib import Path

from squeezebert_mobile.benchmarks.inputs.texts import few_texts
from squeezebert_mobile.benchmarks.peers.families import TASK, Family
from squeezebert_mobile.errors import ExportError

__all__ = ["build_ours"]


def build_ours(family: Family, folder: Path, *, format: str, precision: str) -> None:
    """Export `family` to an artifact that takes inputs of any length.

    Raises:
        ExportError: the command failed; the message is its last line.
    """
    texts = folder.with_name(f"{folder.name}.txt")
    texts.write_text("\n".join(few_texts()), encoding="utf-8")
    command = [sys.executable, "-m", "squeezebert_mobile", "export", family.checkpoint]
    command += ["--task", TASK, "--format", format, "--precision", precision]
    command += ["--texts", str(texts), "-o", str(folder)]
    if (format, precision) == ("torchscript", "int8"):
        command += ["--engine", _engine()]
    export = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    sys.stderr.write(export.stderr)
    if export.returncode:
        lines = export.stderr.strip().splitlines() or [f"exit code {export.returncode}"]
        raise ExportError(lines[-1].removeprefix("error: "))


def _engine() -> str:
    """The quantized kernel backend of this machine; torch uses it for the int8 peers as well."""
    return "x86" if platform.machine() in {"x86_64", "AMD64"} else "qnnpack"
