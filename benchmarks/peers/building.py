"""Runs a build in a process of its own, with its output in a log file."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from squeezebert_mobile.errors import MissingExtraError

__all__ = ["BuildError", "build_in_subprocess"]


class BuildError(Exception):
    """A model could not be built; the message is one line."""


def build_in_subprocess(log: Path, build: Callable[..., None], *arguments: object) -> None:
    """Build in a fresh process, so that the process that measures later never imports torch.

    Args:
        log: The file to which the output of the build is appended.
        build: A function that a fresh process can import.
        arguments: The arguments of `build`.

    Raises:
        BuildError: the build failed, or its process was killed.
        MissingExtraError: the build needs a package that is not installed.
    """
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            reason = pool.submit(_build_to_log, log, build, *arguments).result()
    except BrokenProcessPool:
        reason = "the build process was killed (out of memory?)"
    if reason:
        raise BuildError(reason)


def _build_to_log(log: Path, build: Callable[..., None], *arguments: object) -> str | None:
    """Build with stdout and stderr sent to `log`; returns the reason if the build fails."""
    # Torch reads this when it is imported. Several builds share the cores, and waiting threads
    # would spin.
    os.environ["OMP_NUM_THREADS"] = "1"
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        build(*arguments)
    except MissingExtraError:
        raise
    except Exception as error:  # exporters raise any type, and some cannot be pickled
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    return None
