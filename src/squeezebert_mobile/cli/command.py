"""The command classes of the program: its suggestions and errors for unknown options."""

import contextlib
import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

from squeezebert_mobile.errors import printable
from squeezebert_mobile.streams import print_line, writing_output
from squeezebert_mobile.training.output_folder import state_path

__all__ = ["Command", "Program", "similar_options"]

#: Commands that take minutes and write nothing until they succeed.
_LONG = frozenset({"export", "evaluate", "finetune"})
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
            if plain := _plain(error.__cause__):
                vars(error)["message"] = plain
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C in one that takes minutes ends with a line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            if self.name not in _LONG:
                raise
            print_line(_interrupted(ctx.params.get("output")), stderr=True)
            raise typer.Exit(130) from None  # the shell's exit code for Ctrl-C


def _interrupted(output: Path | None) -> str:
    if output is not None and state_path(output).exists():  # a training's
        return "interrupted; continue with the same command and --resume"
    return "interrupted; nothing was written"


def _plain(invalid: Any) -> str:
    """What is wrong with an option's value, and what would be right; empty if that is unknown.

    Args:
        invalid: The error of pydantic, with which typer converts values.
    """
    if not hasattr(invalid, "errors"):
        return ""
    first = invalid.errors()[0]
    value, limits = first["input"], first.get("ctx", {})
    match first["type"]:
        case "int_parsing" | "int_parsing_size" | "int_type":
            return f"{value!r:.40} is not a whole number"
        case "float_parsing" | "float_type":
            return f"{value!r:.40} is not a number"
        case "greater_than_equal":
            return f"{value!s:.40} is too small; give at least {limits['ge']}"
        case "less_than_equal":
            return f"{value!s:.40} is too large; give at most {limits['le']}"
        case "value_error":
            text = str(limits["error"])
            names = re.findall("'([^']+)'", text.partition(" is not one of ")[2])
            near = difflib.get_close_matches(str(value), names, n=1)
            return f"{text.removesuffix('.')}; did you mean {near[0]!r}?" if near else text
    return ""


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
