"""Counts instructions of a model, in all and by operator."""

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

#: Cores that qemu knows: with dot products of int8 (SDOT), and without.
CPUS = ("cortex-a76", "cortex-a72")
#: Readings of the clock before a run's first operator, and after its last: there are five where
#: fewer than 128 tokens were run.
_BEFORE, _AFTER = 3, (5, 6)


@dataclass(frozen=True)
class Count:
    """Instructions of one inference, one text, one thread."""

    model: str
    cpu: str
    sequence_length: int
    instructions: int
    by_operator: dict[str, int]  # with the profiler's own, a hundredth
    golden_texts: int | None  # how many answers were checked; None where there are none
    onnxruntime: str


def count(userland: Userland, model: Path, *, cpu: str = CPUS[0], length: int = 128) -> Count:
    """Count one inference of an artifact's, or any, ONNX model.

    Args:
        userland: What `prepare` gave.
        model: An artifact's folder, or an .onnx file.
        cpu: One of CPUS.
        length: Tokens of the text.

    Raises:
        BenchmarkError: the model does not load or run there, or a golden answer is off.
    """
    if cpu not in CPUS:
        raise BenchmarkError(choose("cpu", cpu, CPUS))
    file = model / "model.onnx" if model.is_dir() else model
    if not file.is_file():
        raise BenchmarkError(f"no such file: {str(file)!r}; give an ONNX artifact or an .onnx file")
    golden = [str(model / "golden.json")] if model.is_dir() else []
    done = subprocess.run(
        userland.command(cpu, str(file), str(length), *golden),
        env=userland.environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = [
            line for line in done.stderr.splitlines() if not line.startswith(("clock", "mark"))
        ]
        raise BenchmarkError(
            f"{str(model)!r} does not run on {cpu}: {lines[-1] if lines else 'it said nothing'}"
        )
    told = json.loads(done.stdout.splitlines()[-1])
    total, by_operator = read_counts(done.stderr.splitlines(), told["operators"])
    checked = told["golden"]
    if checked and not checked["worst"] <= 1:
        raise BenchmarkError(
            f"{str(model)!r} answers otherwise on {cpu}: a golden answer is off by "
            f"{checked['worst']:.3g} times its tolerance"
        )
    texts = checked["texts"] if checked else None
    return Count(str(model), cpu, length, total, by_operator, texts, told["onnxruntime"])


def read_counts(lines: Sequence[str], operators: Sequence[str]) -> tuple[int, dict[str, int]]:
    """The instructions of the plain run, and those of each operator of the profiled one.

    Args:
        lines: What the plugin printed, between other lines.
        operators: The operators of a run, in order.

    Raises:
        BenchmarkError: the profiler read the clock another number of times than expected.
    """
    readings = [line.split() for line in lines if line.startswith(("clock ", "mark "))]
    marks = [place for place, (kind, _) in enumerate(readings) if kind == "mark"]
    if len(marks) != 4:
        raise BenchmarkError(f"{len(marks)} marks of runs were counted, and not 4")
    at = [int(number) for _, number in readings]
    clocks = at[marks[2] + 1 : marks[3]]
    end_of_last = _BEFORE + 2 * len(operators)
    expected = [end_of_last + after for after in _AFTER]
    if len(clocks) not in expected:
        raise BenchmarkError(
            f"the profiler read the clock {len(clocks)} times, and neither {expected[0]} nor "
            f"{expected[1]}: this version of onnxruntime cannot be broken down by operator"
        )
    by_operator: Counter[str] = Counter()
    spans = list(pairwise(clocks[_BEFORE:end_of_last]))[::2]
    for operator, (begin, end) in zip(operators, spans, strict=True):
        by_operator[operator] += end - begin
    return at[marks[1]] - at[marks[0]], dict(by_operator.most_common())
