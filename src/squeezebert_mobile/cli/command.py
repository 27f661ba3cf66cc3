"""The command class of the program: its suggestions for unknown options."""

import difflib
from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand

__all__ = ["Command", "similar_options"]

_CUTOFF = 0.7  # of difflib's ratio; "dtype" and "data" have 0.44, "topk" and "top-k" 0.89


class Command(TyperCommand):
    """A command that suggests only options whose names are similar.

    Typer compares names with their dashes, so that short ones always look alike.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as typer does, with other suggestions."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if hasattr(error, "possibilities"):  # typer's NoSuchOption, which it does not export
                flags = [flag for option in self.params for flag in option.opts]
                error.possibilities = similar_options(str(getattr(error, "option_name", "")), flags)
            raise


def similar_options(typed: str, flags: Iterable[str]) -> list[str]:
    """The long options that begin like `typed`, contain it as a word, or are spelled like it."""
    names = {flag.removeprefix("--") for flag in flags if flag.startswith("--")}
    name = typed.lstrip("-").replace("_", "-").lower()
    similar = {
        other for other in names if name and (other.startswith(name) or name in other.split("-"))
    }
    similar |= set(difflib.get_close_matches(name, names, cutoff=_CUTOFF))
    return sorted(f"--{other}" for other in similar)
