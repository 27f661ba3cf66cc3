"""Checks of a command's arguments before its libraries are imported, which takes seconds.

The commands check the same again: these only report an error early.
"""

from pathlib import Path

from squeezebert_mobile.errors import require_extra
from squeezebert_mobile.formats import is_artifact
from squeezebert_mobile.hub import (
    check_has_config,
    check_revision,
    is_shipped,
    local_folder,
)
from squeezebert_mobile.input_files import check_readable

__all__ = ["check_checkpoint", "check_data", "check_model"]


def check_checkpoint(name: str | None, revision: str | None = None) -> None:
    """Check that `name` can be a checkpoint: a folder, a Hub id, a demo or a preset.

    Args:
        name: The checkpoint; None if there is none to check.
        revision: Its revision, which only a Hub id can have.

    Raises:
        CheckpointError: it cannot.
        MissingExtraError: checkpoints need torch, which is not installed.
    """
    if name is None:
        return
    require_extra("export")
    folder = None if is_shipped(name) else local_folder(name)
    check_revision(name, revision)
    if folder:
        check_has_config(folder)


def check_model(name: str | None, revision: str | None = None) -> None:
    """Check that `name` is an artifact folder or can be a checkpoint with this revision.

    Raises:
        CheckpointError: it is neither.
        MissingExtraError: it is a checkpoint, and torch is not installed.
    """
    if name is None:
        return
    if is_artifact(Path(name)):
        check_revision(name, revision)
    else:
        check_checkpoint(name, revision)


def check_data(*paths: Path | None) -> None:
    """Check that the files of labelled examples can be read.

    Raises:
        InputError: one cannot.
    """
    for path in paths:
        if path is not None:
            check_readable(path)
