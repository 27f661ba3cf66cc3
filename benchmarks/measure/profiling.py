"""A profiled block of each contender, after the timed ones, by the runtime's own profiler.

The models are opened again, so that nothing of the profiler is in the timed runs.
"""

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.benchmarks.measure.contenders import Contender, InputFeed
from squeezebert_mobile.benchmarks.measure.plain_files import open_onnx, run_program
from squeezebert_mobile.benchmarks.measure.schedule import LEAD_IN_RUNS
from squeezebert_mobile.benchmarks.profiles import executorch, onnx
from squeezebert_mobile.benchmarks.profiles.runs import ProfiledRun
from squeezebert_mobile.errors import BenchmarkError, first_line

__all__ = ["RUNS", "check_profilable", "profile_contender"]

RUNS = 20
_FATAL = 4  # log severity; errors are raised anyway


def check_profilable(contenders: Sequence[Contender]) -> None:
    """Check that all contenders are in a format that has a profiler.

    Raises:
        BenchmarkError: one is not; the message names it.
    """
    formats = " or ".join(_PROFILERS)
    for contender in contenders:
        if contender.format not in _PROFILERS:
            raise BenchmarkError(
                f"--profile needs a format whose runtime has a profiler in Python, and "
                f"{contender.label!r} is {contender.format}; export it with --format {formats}, or "
                "leave --profile out"
            )


def profile_contender(
    contender: Contender, feeds: Mapping[int, InputFeed], *, threads: int
) -> dict[int, list[ProfiledRun]]:
    """Run a model under the profiler with each feed.

    Args:
        contender: A model in a format that has a profiler.
        feeds: The inputs by their length in tokens.
        threads: The number of threads.

    Returns:
        The profiled runs by length.

    Raises:
        BenchmarkError: the profiler has not recorded every run, or its file is damaged.
    """
    name, profiler = _PROFILERS[contender.format]
    each = LEAD_IN_RUNS + RUNS
    with tempfile.TemporaryDirectory() as folder:
        runs = profiler(contender, [*feeds.values()], threads, Path(folder))
    if len(runs) != each * len(feeds):
        raise BenchmarkError(f"{name} recorded {len(runs)} of {each * len(feeds)} runs")
    return {
        length: runs[index * each + LEAD_IN_RUNS : (index + 1) * each]
        for index, length in enumerate(feeds)
    }


def _repeat(run: Callable[[InputFeed], object], feeds: Sequence[InputFeed]) -> None:
    for feed in feeds:
        for _ in range(LEAD_IN_RUNS + RUNS):
            run(feed)


def _model_file(contender: Contender) -> Path:
    path = Path(contender.path)
    return path / read_manifest(path).model_file if contender.origin == "artifact" else path


def _profile_onnx(
    contender: Contender, feeds: Sequence[InputFeed], threads: int, folder: Path
) -> list[ProfiledRun]:
    session = open_onnx(
        _model_file(contender),
        threads,
        log_severity_level=_FATAL,
        enable_profiling=True,
        profile_file_prefix=str(folder / "profile"),
    )
    names = [node.name for node in session.get_inputs()]
    _repeat(lambda feed: session.run(None, {name: feed[name] for name in names}), feeds)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return onnx.profiled_runs(events)


def _profile_executorch(
    contender: Contender, feeds: Sequence[InputFeed], threads: int, folder: Path
) -> list[ProfiledRun]:
    path, file = _model_file(contender), folder / "etdump"
    with _program(contender, path, threads) as (program, run):
        _repeat(run, feeds)
        try:
            program.write_etdump(file)
        except RuntimeError as error:
            raise BenchmarkError(
                f"executorch {version('executorch')} wrote no ETDump: {first_line(error)}; that "
                f"needs executorch with an event tracer, as on PyPI, and room in {str(folder)!r}"
            ) from None
    rows = math.prod(feeds[0]["input_ids"].shape[:-1]) if contender.origin == "artifact" else 1
    try:
        called = executorch.called_operators(np.memmap(path, np.uint8, "r"))
        executions = executorch.profiled_runs(np.fromfile(file, np.uint8), called)
    except ValueError as error:
        raise BenchmarkError(
            f"the ETDump of executorch {version('executorch')} cannot be read: {error}"
        ) from None
    return executorch.joined(executions, rows)


@contextmanager
def _program(
    contender: Contender, path: Path, threads: int
) -> Iterator[tuple[Any, Callable[[InputFeed], object]]]:
    """A program that records its events, and what runs it; a session runs each row by itself."""
    from squeezebert_mobile.runtime.sessions.executorch import ExecuTorchSession, Program

    if contender.origin == "artifact":
        spec = read_manifest(Path(contender.path)).spec
        with ExecuTorchSession(path, spec, threads=threads, etdump=True) as session:
            yield session, session.run
    else:
        with Program(str(path), threads=threads, etdump=True) as program:
            yield program, partial(run_program, program)


#: Format -> what its profiler is called, and what profiles a model, with a folder for its file.
_PROFILERS = {
    "onnx": ("ONNX Runtime's profiler", _profile_onnx),
    "executorch": ("ExecuTorch's event tracer", _profile_executorch),
}
