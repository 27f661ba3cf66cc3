"""Exports a checkpoint and prints the peak of the memory that this takes; run as a script.

    python peak_memory.py CHECKPOINT FOLDER FORMAT PRECISION

Prints bytes, without those of the interpreter and the imported libraries.
"""

import re
import sys
from pathlib import Path

import onnx  # noqa: F401 - an export imports these too
import onnxruntime  # noqa: F401
import onnxsim  # noqa: F401

from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts


def _status(field: str) -> int:
    # Not resource.getrusage: its peak includes that of the process that started this one.
    match = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match
    return 1024 * int(match[1])


def main(checkpoint: str, folder: str, format: str, precision: str) -> None:
    imported = _status("VmRSS")
    texts = shipped_texts()[::16]
    export_checkpoint(checkpoint, folder, format=format, precision=precision, texts=texts)
    print(_status("VmHWM") - imported)


if __name__ == "__main__":
    main(*sys.argv[1:])
