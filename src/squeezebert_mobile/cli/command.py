"""The command classes of the program: its suggestions and errors for unknown options."""

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

from squeezebert_mobile.errors import printable
from squeezebert_mobile.streams import writing_output

__all__ = ["Command", "Program", "similar_options"]

_CUTOFF = 0.7  # of difflib's ratio; "dtype" and "data" have 0.44, "topk" and "top-k" 0.89


class Program(TyperGroup):
    """The program with its commands; unprintable characters in errors are escaped."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the words before the command."""
        with _escaped_errors(), writing_output():  # of help
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Parse the words of the command, and run it."""
        with _escaped_errors():
            return super().invoke(ctx)


@contextlib.contextmanager
def _escaped_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # An error of typer, which escapes some characters; its classes are not public.
        if hasattr(error, "format_message") and isinstance(vars(error).get("message"), str):
            vars(error)["message"] = printable(
                vars(error)["message"], keep="\n\t"
            )  # of lists of choices
        raise


#: Parameters that must not be empty, as paths must not: each is the name of something.
_NAMES = frozenset(
    "name checkpoint against teacher baseline revision adb_server serial cores".split()
)


#: Type of a parameter -> what stands for its value in the help; typer writes <list[int]>.
_METAVARS: dict[Any, str] = {int: "N", float: "X", str: "TEXT", Path: "PATH"}


class Command(TyperCommand):
    """A command that suggests only options whose names are similar.

    Typer compares names with their dashes, so that short ones always look alike.
    """

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the words after the command."""
        with writing_output():  # of help
            return super().make_context(*arguments, **options)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Also check that no path is empty, which would stand for the current folder, or blank."""
        super().__init__(*arguments, **options)
        params: list[Any] = self.params
        for param in params:
            if param.name in _NAMES or param.type_descriptor.annotation in (Path, list[Path]):
                vars(param)["process_value"] = _not_empty(param)
            _name_value(param)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as typer does, with other suggestions."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if hasattr(error, "possibilities"):  # typer's NoSuchOption, which it does not export
                flags = [flag for option in self.params for flag in option.opts]
                error.possibilities = similar_options(str(getattr(error, "option_name", "")), flags)
            raise


def _name_value(param: Any) -> None:
    """An option's value is named by its type, an argument by its name alone."""
    if param.param_type_name == "argument":
        param.metavar = param.metavar or param.name.upper()
        vars(param)["display_type_rich"] = lambda ctx: None
    elif param.metavar is None:
        annotation = param.type_descriptor.annotation
        (annotation,) = get_args(annotation) if get_origin(annotation) is list else (annotation,)
        param.metavar = _METAVARS.get(annotation)


def _not_empty(param: Any) -> Callable[[Any, Any], Any]:
    process = param.process_value

    def checked(ctx: Any, value: Any) -> Any:
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(text, str) and not text.strip() for text in values):
            raise typer.BadParameter("it is empty; is a variable not set?", ctx=ctx, param=param)
        return process(ctx, value)

    return checked


def similar_options(typed: str, flags: Iterable[str]) -> list[str]:
    """The long options that begin like `typed`, contain it as a word, or are spelled like it."""
    names = {flag.removeprefix("--") for flag in flags if flag.startswith("--")}
    name = typed.lstrip("-").replace("_", "-").lower()
    similar = {
        other for other in names if name and (other.startswith(name) or name in other.split("-"))
    }
    similar |= set(difflib.get_close_matches(name, names, cutoff=_CUTOFF))
    return sorted(f"--{other}" for other in similar)
