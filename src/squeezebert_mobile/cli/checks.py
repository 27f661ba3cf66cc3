"""Checks of a command's arguments before its libraries are imported, which takes seconds.

The commands check the same again: these only report an error early.
"""

from pathlib import Path

from squeezebert_mobile.errors import require_extra
from squeezebert_mobile.formats import MANIFEST_FILE
from squeezebert_mobile.hub import DEMOS, local_folder
from squeezebert_mobile.input_files import check_readable

__all__ = ["check_checkpoint", "check_data", "check_model"]


def check_checkpoint(name: str | None) -> None:
    """Check that `name` can be a checkpoint: a folder, a Hub id, a demo or a preset.

    Raises:
        CheckpointError: it cannot.
        MissingExtraError: checkpoints need torch, which is not installed.
    """
    if name is None:
        return
    require_extra("export")
    if name not in DEMOS and not name.startswith("preset:"):
        local_folder(name)


def check_model(name: str | None) -> None:
    """Check that `name` is an artifact folder or can be a checkpoint.

    Raises:
        CheckpointError: it is neither.
        MissingExtraError: it is a checkpoint, and torch is not installed.
    """
    if name is not None and not (Path(name) / MANIFEST_FILE).is_file():
        check_checkpoint(name)


def check_data(*paths: Path | None) -> None:
    """Check that the files of labelled examples can be read.

    Raises:
        InputError: one cannot.
    """
    for path in paths:
        if path is not None:
            check_readable(path)
