"""Counts the instructions of a model: the total, and by operator."""

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from squeezebert_mobile.benchmarks.arm64.userland import Userland
from squeezebert_mobile.errors import BenchmarkError, choose

__all__ = ["CPUS", "Count", "count"]

#: Cores that qemu emulates: the first has int8 dot products (SDOT), the second has not.
CPUS = ("cortex-a76", "cortex-a72")
#: How often the profiler reads the clock before the first operator of a run, and after the last
#: one (five times for fewer than 128 tokens).
_BEFORE, _AFTER = 3, (5, 6)


@dataclass(frozen=True)
class Count:
    """Instructions of one inference, one text, one thread."""

    model: str
    cpu: str
    sequence_length: int
    instructions: int
    by_operator: dict[str, int]  # includes those of the profiler, about 1 %
    golden_texts: int | None  # texts whose golden outputs were checked; None: the model has none
    onnxruntime: str


def count(userland: Userland, model: Path, *, cpu: str = CPUS[0], length: int = 128) -> Count:
    """Count one inference of an ONNX model.

    Args:
        userland: The return value of `prepare`.
        model: An artifact's folder, or an .onnx file.
        cpu: One of CPUS.
        length: The length of the text in tokens.

    Raises:
        BenchmarkError: the model does not load or run under emulation, or its outputs differ
            from the golden outputs.
    """
    if cpu not in CPUS:
        raise BenchmarkError(choose("cpu", cpu, CPUS))
    file = model / "model.onnx" if model.is_dir() else model
    if not file.is_file():
        raise BenchmarkError(f"no such file: {str(file)!r}; give an ONNX artifact or an .onnx file")
    golden = [str(model / "golden.json")] if model.is_dir() else []
    guest = subprocess.run(
        userland.command(cpu, str(file), str(length), *golden),
        env=userland.environment,
        capture_output=True,
        text=True,
    )
    if guest.returncode:
        lines = [
            line for line in guest.stderr.splitlines() if not line.startswith(("clock", "mark"))
        ]
        raise BenchmarkError(
            f"{str(model)!r} does not run on {cpu}: {lines[-1] if lines else 'no output'}"
        )
    report = json.loads(guest.stdout.splitlines()[-1])
    total, by_operator = read_counts(guest.stderr.splitlines(), report["operators"])
    checked = report["golden"]
    if checked and not checked["worst"] <= 1:
        raise BenchmarkError(
            f"{str(model)!r} differs on {cpu}: a golden output is off by "
            f"{checked['worst']:.3g} times its tolerance"
        )
    texts = checked["texts"] if checked else None
    return Count(str(model), cpu, length, total, by_operator, texts, report["onnxruntime"])


def read_counts(lines: Sequence[str], operators: Sequence[str]) -> tuple[int, dict[str, int]]:
    """The instructions of the plain run, and of each operator in the profiled run.

    Args:
        lines: The output of the plugin, with other lines between.
        operators: The operators of a run in order.

    Raises:
        BenchmarkError: the number of clock readings is not the expected one.
    """
    readings = [line.split() for line in lines if line.startswith(("clock ", "mark "))]
    marks = [place for place, (kind, _) in enumerate(readings) if kind == "mark"]
    if len(marks) != 4:
        raise BenchmarkError(f"the plugin printed {len(marks)} marks of runs instead of 4")
    at = [int(number) for _, number in readings]
    clocks = at[marks[2] + 1 : marks[3]]
    end_of_last = _BEFORE + 2 * len(operators)
    expected = [end_of_last + after for after in _AFTER]
    if len(clocks) not in expected:
        raise BenchmarkError(
            f"the profiler read the clock {len(clocks)} times instead of {expected[0]} or "
            f"{expected[1]}: this version of onnxruntime cannot be broken down by operator"
        )
    by_operator: Counter[str] = Counter()
    spans = list(pairwise(clocks[_BEFORE:end_of_last]))[::2]
    for operator, (begin, end) in zip(operators, spans, strict=True):
        by_operator[operator] += end - begin
    return at[marks[1]] - at[marks[0]], dict(by_operator.most_common())
