"""Building in a quiet process of its own."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from squeezebert_mobile.errors import MissingExtraError

__all__ = ["BuildFailed", "build_apart"]


class BuildFailed(Exception):
    """A model could not be built; the message is one line."""


def build_apart(log: Path, build: Callable[..., None], *arguments: object) -> None:
    """Build in a fresh process, so that what measures later is not burdened with torch.

    Args:
        log: gets what the build prints.
        build: a function that a fresh process can import.
        arguments: its arguments.

    Raises:
        BuildFailed: the build failed, or its process was ended.
        MissingExtraError: the build needs what is not installed.
    """
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            reason = pool.submit(_build_silently, log, build, *arguments).result()
    except BrokenProcessPool:
        reason = "the process that built it was ended (out of memory?)"
    if reason:
        raise BuildFailed(reason)


def _build_silently(log: Path, build: Callable[..., None], *arguments: object) -> str | None:
    """Build with everything that exporters print sent to `log`; the reason if it fails."""
    # Torch reads it when it is imported. Several builds at once share the cores, and threads that
    # wait for each other spin.
    os.environ["OMP_NUM_THREADS"] = "1"
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        build(*arguments)
    except MissingExtraError:
        raise
    except Exception as error:  # exporters raise anything, and not all of it can be pickled
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    return None
