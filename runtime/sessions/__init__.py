"""Sessions: one class per format, with the same interface.

session = open_session(folder, manifest, threads=1)
session.run({"input_ids": ids})["logits"]
"""

import importlib
from collections.abc import Callable
from pathlib import Path

from squeezebert_mobile.artifact import Manifest, ModelSpec
from squeezebert_mobile.errors import ArtifactError, InputError, is_unicode
from squeezebert_mobile.formats import MAX_THREADS
from squeezebert_mobile.runtime.sessions.base import FloatArray, IntArray, Session, checked_feed

__all__ = [
    "SESSIONS",
    "FloatArray",
    "IntArray",
    "Session",
    "check_file",
    "check_threads",
    "checked_feed",
    "open_checked",
    "open_model",
    "open_session",
]

#: Format -> session class, in the module named after the format. It is imported on first use.
SESSIONS = {
    "onnx": "OnnxSession",
    "torchscript": "TorchScriptSession",
    "executorch": "ExecuTorchSession",
    "litert": "LiteRtSession",
}


def open_session(folder: str | Path, manifest: Manifest, *, threads: int | None = None) -> Session:
    """Load the model of an artifact that `read_artifact` has checked.

    Args:
        folder: the artifact.
        manifest: its manifest.
        threads: the number of threads for one call; None is the default of the format's runtime.

    Raises:
        ArtifactError: the model cannot be loaded.
        InputError: the number of threads is invalid.
    """
    path = Path(folder) / manifest.model_file
    return open_model(path, manifest.format, manifest.spec, threads=threads)


def open_model(path: Path, format: str, spec: ModelSpec, *, threads: int | None = None) -> Session:
    """Load a model file; raises the same errors as `open_session`."""
    check_threads(threads)
    check_file(path, format)
    return open_checked(path, format, spec, threads=threads)


def check_threads(threads: int | None) -> None:
    """Raise InputError unless `threads` is None, or a number that a runtime takes."""
    if threads is None:
        return
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(
            f"threads={threads!r} must be a whole number of at least 1, or None for all cores"
        )
    if threads > MAX_THREADS:
        raise InputError(f"threads={threads} must be at most {MAX_THREADS}, or None for all cores")


def check_file(path: Path, format: str) -> None:
    """Check what the format's runtime does not: LiteRT crashes on a damaged file.

    Raises:
        ArtifactError: the model cannot be loaded.
    """
    if not is_unicode(str(path)):
        raise ArtifactError(
            f"{str(path)!r} has bytes that are not UTF-8, so that {format} cannot open it; rename "
            "the folder"
        )
    if format == "litert":
        importlib.import_module(f"{__name__}.litert").check_file(path)


def open_checked(
    path: Path, format: str, spec: ModelSpec, *, threads: int | None = None
) -> Session:
    """As `open_model`, for a file and threads that are checked."""
    module = importlib.import_module(f"{__name__}.{format}")
    session: Callable[..., Session] = getattr(module, SESSIONS[format])
    return session(path, spec, threads=threads)
