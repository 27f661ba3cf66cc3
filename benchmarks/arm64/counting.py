"""Counts the instructions of a model: the total, and by operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from squeezebert_mobile.artifact import FORMATS, ModelSpec, read_artifact, read_golden
from squeezebert_mobile.benchmarks.arm64.cores import CORES
from squeezebert_mobile.benchmarks.arm64.emulation import Guest, GuestSession
from squeezebert_mobile.benchmarks.arm64.reading import (
    instructions_by_operator,
    instructions_of_run,
)
from squeezebert_mobile.benchmarks.arm64.runtimes import Runtime, check_kind
from squeezebert_mobile.benchmarks.arm64.userland import Userland
from squeezebert_mobile.errors import BenchmarkError, choose
from squeezebert_mobile.formats import is_artifact
from squeezebert_mobile.runtime.golden_check import check_golden
from squeezebert_mobile.runtime.sessions.base import IntArray
from squeezebert_mobile.tasks import INPUT_NAMES, get_task

__all__ = ["Count", "Countable", "count", "countable"]

_SMALLEST_VOCABULARY = 1000  # ids are below


@dataclass(frozen=True)
class Count:
    """Instructions of one inference, one text, one thread."""

    model: str
    cpu: str
    runtime: str
    sequence_length: int
    instructions: int
    by_operator: dict[str, int]  # includes those of the profiler; empty: not known
    golden_texts: int | None  # texts whose golden outputs were checked; None: the model has none


@dataclass(frozen=True)
class Countable:
    """A model file, and the artifact that it belongs to, if any."""

    name: str
    file: Path
    artifact: Path | None = None
    spec: ModelSpec | None = None
    rows_apart: bool = False


def countable(model: Path) -> Countable:
    """An artifact's folder, or an .onnx, .pte or .tflite file, as something to count.

    Raises:
        ArtifactError: the artifact is damaged.
        BenchmarkError: there is no such file, or no runtime counts it.
    """
    if is_artifact(model):
        manifest = read_artifact(model)
        file = model / manifest.model_file
        check_kind(file)
        return Countable(
            name=str(model),
            file=file,
            artifact=model,
            spec=manifest.spec,
            rows_apart=FORMATS[manifest.format].single_row,
        )
    if not model.is_file():
        raise BenchmarkError(
            f"no such file: {str(model)!r}; give an artifact, or an .onnx, .pte or .tflite file"
        )
    check_kind(model)
    return Countable(str(model), model)


def count(
    userland: Userland,
    model: Countable,
    *,
    cpu: str,
    runtime: Runtime,
    length: int = 128,
    by_operator: bool = True,
) -> Count:
    """Count one inference, and check the golden outputs of an artifact.

    Args:
        userland: The return value of `prepare`, with the runtime installed.
        model: The return value of `countable`.
        cpu: One of CORES.
        runtime: One of the model's.
        length: The length of the text in tokens.
        by_operator: Whether to run the model with its profiler as well.

    Raises:
        BenchmarkError: the model does not load or run under emulation, or its outputs differ
            from the golden outputs.
    """
    if cpu not in CORES:
        raise BenchmarkError(choose("cpu", cpu, CORES))
    fixed = model.spec.sequence_length if model.spec else None
    if fixed not in {None, length}:
        raise BenchmarkError(
            f"{model.name!r} takes {fixed} tokens, not {length}; add --sequence-length {fixed}"
        )
    with Guest(userland, model.file, cpu=cpu, runtime=runtime) as guest:
        guest.run(_feed(model.spec, length))
        guest.count()
        events = guest.profile() if by_operator else []
        # A variant's arithmetic is not the one that the golden outputs were made with.
        where = f"on {cpu} with {runtime.label}"
        texts = None if runtime.variant else _check_golden(guest, model, where)
        readings = guest.readings()
    return Count(
        model.name,
        cpu,
        runtime.label,
        length,
        instructions_of_run(readings, 0),
        _by_operator(readings, events),
        texts,
    )


def _by_operator(readings: Sequence[str], events: Sequence[str]) -> dict[str, int]:
    """Empty if the runtime does not tell its operators, or has read the clock elsewhere as well."""
    try:
        return instructions_by_operator(readings, 1, events) if events else {}
    except BenchmarkError:  # the total does not depend on it
        return {}


def _feed(spec: ModelSpec | None, length: int) -> dict[str, IntArray]:
    """One text of `length` tokens, (1, S), or a single choice of it, (1, 1, S)."""
    below = spec.vocab_size if spec else _SMALLEST_VOCABULARY
    ids = np.random.RandomState(0).randint(min(below, _SMALLEST_VOCABULARY), size=(1, length))
    if spec and get_task(spec.task).has_choices:
        ids = ids[None]
    return dict(zip(INPUT_NAMES, (ids, np.ones_like(ids), np.zeros_like(ids)), strict=True))


def _check_golden(guest: Guest, model: Countable, where: str) -> int | None:
    """The number of golden texts whose outputs are right; None if there are none."""
    if model.artifact is None or model.spec is None:
        return None
    session = GuestSession(guest, model.spec, rows_apart=model.rows_apart)
    checks = check_golden(session, model.spec, read_golden(model.artifact))
    for check in checks:
        if not check.holds:
            raise BenchmarkError(
                f"{model.name!r} differs {where}: a golden output is off by "
                f"{check.max_abs_diff / check.tolerance:.3g} times its tolerance"
            )
    return checks[0].texts
