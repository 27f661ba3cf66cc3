"""Runs the command lines of the benchmarks that only developers use."""

from collections.abc import Sequence

import typer

from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.streams import prepare_streams, print_line

__all__ = ["run_command"]


def run_command(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 1 after an error, 2 after a wrong option.

    Args:
        app: The command.
        name: How the command is called, for its help.
        arguments: The words after the name; None takes those of this process.
    """
    prepare_streams()
    try:
        app(arguments, prog_name=name)
    except SqueezeBertMobileError as error:
        for line in (f"error: {error}", *getattr(error, "__notes__", ())):
            print_line(line, stderr=True)
        return 1
    except SystemExit as end:  # every other way out of typer
        return int(end.code or 0)
    return 0
