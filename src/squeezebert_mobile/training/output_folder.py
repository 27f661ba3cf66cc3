"""The folder of a fine-tuned checkpoint, checked before training starts. It needs no torch."""

from pathlib import Path
from typing import Final

from squeezebert_mobile.files import check_replaceable

__all__ = ["FINE_TUNED", "RESULTS_FILE", "check_output", "state_path"]

#: The options, data and scores of a training.
RESULTS_FILE = "training.json"
#: Arguments of `check_replaceable` and `atomic_folder`.
FINE_TUNED: Final = {"marker": RESULTS_FILE, "what": "a fine-tuned checkpoint"}


def state_path(output: Path) -> Path:
    """The state of an interrupted training that writes `output`; removed when it has finished."""
    return output.absolute().with_name(f"{output.absolute().name}.training") / "state.pt"


def check_output(folder: Path, *, force: bool) -> None:
    """Check that `folder` can be written.

    Raises:
        ExportError: it exists and `force` is not given, or is not a fine-tuned checkpoint.
    """
    check_replaceable(folder, force=force, **FINE_TUNED)
