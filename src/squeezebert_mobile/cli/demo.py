"""`make demo`: export, run and benchmark as a user would, in a temporary folder."""

import os
import shlex
import tempfile
from collections.abc import Sequence

from squeezebert_mobile.cli.app import app, errors_in_one_line
from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.streams import Console

__all__ = ["COMMANDS", "main"]

COMMANDS = (
    ("export", "demo", "-o", "assistant-int8"),
    (
        "run",
        "assistant-int8",
        "wake me at half past six",
        "how long to the airport",
        "will it rain in Lisbon tomorrow",
        "tell Maria I am running late",
        "play something quiet",
    ),
    ("export", "preset:squeezebert-base", "-o", "squeezebert-int8"),
    ("bench", "squeezebert-int8", "--preset", "rapid"),
)


def main() -> None:
    """Print and run each command; exit with the code of the first one that fails."""
    with errors_in_one_line(), _temporary_folder() as folder:
        os.chdir(folder)
        try:
            for command in COMMANDS:
                _run(command)
        finally:
            os.chdir(os.path.dirname(folder))  # Windows cannot remove the working directory


def _run(command: Sequence[str]) -> None:
    console = Console()
    console.print()
    line = shlex.join(("squeezebert-mobile", *command))
    console.print(f"$ {line}", style="bold", highlight=False, soft_wrap=True)
    try:
        app(list(command), prog_name="squeezebert-mobile")
    except SystemExit as end:  # the only way out without an error, too
        if end.code:
            raise


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory()
    except OSError as error:
        raise ExportError(
            f"cannot create a temporary folder: {error.strerror}; free some space, or set TMPDIR "
            "to another folder"
        ) from None


if __name__ == "__main__":
    main()
