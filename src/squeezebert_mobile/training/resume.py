"""Save and load the state of a training, so that an interrupted one can be resumed.

The state is kept in a folder beside the output folder, until that is written. It is a file of
tensors and plain values, read with torch.load(weights_only=True), so no code in it is run.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squeezebert_mobile.errors import TrainingError
from squeezebert_mobile.renames import rename
from squeezebert_mobile.training.output_folder import state_path

__all__ = ["StateFile"]

_NAME = "state.pt"
_REMEDY = "start over with --force"


@dataclass(frozen=True)
class StateFile:
    """The state file of the training that writes `output`."""

    output: Path
    recipe: dict[str, Any]  # options and facts that must be the same to resume, by name

    @property
    def folder(self) -> Path:
        """The folder of the state file, which is removed when the training has finished."""
        return state_path(self.output).parent

    def exists(self) -> bool:
        """Whether there is the state of an interrupted training."""
        return state_path(self.output).is_file()

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state by `state`.

        Raises:
            TrainingError: the file cannot be written.
        """
        partial = self.folder / f"{_NAME}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save({"recipe": self.recipe, "state": state}, partial)
            rename(partial, self.folder / _NAME)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError on a full disk
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise TrainingError(
                f"cannot write {str(partial)!r}: {reason}; free some space, then continue with "
                "--resume"
            ) from None

    def load(self) -> dict[str, Any]:
        """The saved state.

        Raises:
            TrainingError: the file is damaged, or is from a training with another recipe.
        """
        path = self.folder / _NAME
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            recipe, state = saved["recipe"], saved["state"]
            differing = [key for key in self.recipe if recipe[key] != self.recipe[key]]
        except Exception as error:  # a truncated file can raise anything
            raise TrainingError(
                f"{str(path)!r} is damaged ({type(error).__name__}); {_REMEDY}"
            ) from None
        if differing:
            key = differing[0]
            raise TrainingError(
                f"the interrupted training had {key} {recipe[key]!r}, but this one has "
                f"{self.recipe[key]!r}; use the same value, or {_REMEDY}"
            )
        loaded: dict[str, Any] = state
        return loaded

    def to_resume(self, *, resume: bool, force: bool) -> dict[str, Any] | None:
        """The state to resume from; None to start from the beginning.

        Raises:
            TrainingError: there is a state and neither option was given; or there is none, and
                `resume` was; or it cannot be used.
        """
        if not self.exists():
            if resume:
                raise TrainingError(
                    f"there is no training to resume: {str(self.folder)!r} has no saved state; "
                    "omit --resume"
                )
            return None
        if resume:
            return self.load()
        if force:
            return None
        raise TrainingError(
            f"{str(self.folder)!r} has the state of an interrupted training; continue it with "
            f"--resume, or {_REMEDY}"
        )

    def remove(self) -> None:
        """Delete the state; other files in the folder stay."""
        for name in (_NAME, f"{_NAME}.partial"):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the folder does not exist, or is not empty
            self.folder.rmdir()
