"""The state of a training on disk, so that one that broke off can be gone on with.

It stands beside the output folder until that is written. A file of tensors and plain values, read
with torch.load(weights_only=True): nothing in it is run.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squeezebert_mobile.errors import TrainingError

__all__ = ["StateFile"]

_NAME = "state.pt"
_REMEDY = "or start anew with --force"


@dataclass(frozen=True)
class StateFile:
    """Where the training of `output` keeps its state, and what makes it that training."""

    output: Path
    recipe: dict[str, Any]  # what must be the same to go on: option or fact -> value

    @property
    def folder(self) -> Path:
        """The folder, which is removed when the training has ended."""
        return self.output.absolute().with_name(f"{self.output.absolute().name}.training")

    def exists(self) -> bool:
        """Whether a training broke off here."""
        return (self.folder / _NAME).is_file()

    def save(self, state: dict[str, Any]) -> None:
        """Put `state` in the place of the older one.

        Raises:
            TrainingError: it cannot be written.
        """
        partial = self.folder / f"{_NAME}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save({"recipe": self.recipe, "state": state}, partial)
            os.replace(partial, self.folder / _NAME)
        except (OSError, RuntimeError) as error:  # RuntimeError: torch's, of a full disk
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise TrainingError(
                f"cannot write {str(partial)!r}: {reason}; free some space, and go on with --resume"
            ) from None

    def load(self) -> dict[str, Any]:
        """The last state.

        Raises:
            TrainingError: it is damaged, or of another training.
        """
        path = self.folder / _NAME
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            recipe, state = saved["recipe"], saved["state"]
            differing = [key for key in self.recipe if recipe[key] != self.recipe[key]]
        except Exception as error:  # a cut-off file may raise anything
            raise TrainingError(
                f"{str(path)!r} is damaged ({type(error).__name__}); {_REMEDY.removeprefix('or ')}"
            ) from None
        if differing:
            key = differing[0]
            raise TrainingError(
                f"the training that broke off had {key} {recipe[key]!r}, and this one has "
                f"{self.recipe[key]!r}; give what it had, {_REMEDY}"
            )
        found: dict[str, Any] = state
        return found

    def remove(self) -> None:
        """Forget the training; what somebody else has put beside it stays."""
        for name in (_NAME, f"{_NAME}.partial"):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it is not there, or not empty
            self.folder.rmdir()
