"""All exceptions that this package raises.

    SqueezeBertMobileError
    ├── CheckpointError       invalid config, weights or vocabulary of a checkpoint
    ├── ExportError           an export that is not possible
    │   └── ParityError       an exported model whose outputs differ from the checkpoint's
    ├── TrainingError         a fine-tuning run that cannot continue
    ├── ArtifactError         an artifact that does not match its manifest
    ├── InputError            an invalid text or option of a pipeline
    ├── BenchmarkError        a benchmark that cannot run
    └── MissingExtraError     a missing optional dependency

A message is one line: what is wrong (with the value), what is valid, and what to do next. The
command line prints it after ``error:``, followed by its notes, and exits with 1.
"""

import difflib
import importlib
import importlib.util
import unicodedata
from collections.abc import Iterable
from types import ModuleType

__all__ = [
    "EXTRAS",
    "ArtifactError",
    "BenchmarkError",
    "CheckpointError",
    "ExportError",
    "InputError",
    "MissingExtraError",
    "ParityError",
    "SqueezeBertMobileError",
    "TrainingError",
    "choose",
    "first_line",
    "is_printable",
    "is_unicode",
    "printable",
    "require",
    "require_extra",
]

#: Extra of this package -> the modules that it installs (pyproject.toml).
EXTRAS = {
    "export": ("torch", "onnx", "onnxscript", "onnxsim", "safetensors", "huggingface_hub"),
    "executorch": ("executorch", "torchao"),
    "litert": ("ai_edge_litert",),
    "bench": ("adbutils", "matplotlib", "jinja2", "psutil"),
    "evaluate": ("sklearn", "scipy", "seqeval"),
    "finetune": ("accelerate", "matplotlib"),
    "peers": ("transformers",),
}


class SqueezeBertMobileError(Exception):
    """Base class of all errors in this package.

    Unprintable characters in the message, which may come from a file, are escaped: a line break
    shows as \\n.
    """

    def __init__(self, message: str) -> None:  # noqa: D107
        super().__init__(printable(message))


class CheckpointError(SqueezeBertMobileError):
    """The checkpoint cannot be used: its config, weights or vocabulary are invalid."""


class ExportError(SqueezeBertMobileError):
    """The export is not possible with these options."""


class ParityError(ExportError):
    """The exported model's outputs differ too much from the checkpoint's."""


class TrainingError(SqueezeBertMobileError):
    """The fine-tuning run cannot continue, or not with these options."""


class ArtifactError(SqueezeBertMobileError):
    """The artifact is damaged, incomplete, or of an unsupported schema version."""


class InputError(SqueezeBertMobileError):
    """The text or the options passed to a pipeline are invalid."""


class BenchmarkError(SqueezeBertMobileError):
    """The benchmark cannot run."""


class MissingExtraError(SqueezeBertMobileError):
    """An optional dependency is not installed."""


#: Categories of Unicode that a terminal can show, though `str.isprintable` excludes them: other
#: spaces, private use, and characters that are newer than Python's tables.
_SHOWN = frozenset({"Zs", "Co", "Cn"})
_JOINERS = "\u200c\u200d"  # within words of Persian and Hindi, and within emoji


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with unprintable characters escaped: a line break as ``\n``.

    These are control characters, with which a text could move the cursor or change colours, and
    invisible ones that change the order of others; not spaces and joiners, which belong to words.

    Args:
        text: Any text, for example from a file of someone else.
        keep: Characters that are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or is_printable(c) else repr(c)[1:-1] for c in text)


def is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8: it has no half of a surrogate pair.

    Escapes of JSON can make one, and names of files with bytes that are not UTF-8.
    """
    return not any("\ud800" <= c <= "\udfff" for c in text)


def is_printable(character: str) -> bool:
    """Whether `printable` leaves the character as it is."""
    return (
        character.isprintable()
        or character in _JOINERS
        or unicodedata.category(character) in _SHOWN
    )


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, which `extra` of this package installs.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # `module` is installed, but one of its own imports fails
        raise _missing(module, extra) from error


def require_extra(extra: str, *, within: str | None = None) -> None:
    """Check that all modules of `extra` are installed, without importing them.

    Args:
        extra: The extra to check.
        within: A larger extra that includes `extra`, for the error message.

    Raises:
        MissingExtraError: a module is not installed.
    """
    for module in EXTRAS[extra]:
        if importlib.util.find_spec(module) is None:
            raise _missing(module, within or extra)


def _missing(module: str, extra: str) -> MissingExtraError:
    name = module.partition(".")[0]
    return MissingExtraError(
        f"{name} is not installed; run: pip install 'squeezebert-mobile[{extra}]'"
    )


def choose(what: str, value: str, valid: Iterable[str]) -> str:
    """An error message for an unknown name, with the closest match and all valid names."""
    names = sorted(valid)
    near = difflib.get_close_matches(value, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {value!r}; {guess}choose from: {', '.join(names)}"


def first_line(error: BaseException) -> str:
    """The first line of an error message; the type of an error without message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
