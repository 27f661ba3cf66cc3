"""Every error this package raises on purpose.

    SqueezeBertMobileError
    ├── CheckpointError       a checkpoint's config, weights or vocabulary
    ├── ExportError           an export that cannot be done as asked
    │   └── ParityError       an export that was done, and answers differently
    ├── TrainingError         a fine-tuning that cannot go on
    ├── ArtifactError         an exported folder that is not what its manifest says
    ├── InputError            a text, a question or an option of a pipeline
    ├── BenchmarkError        a measurement that cannot be taken
    └── MissingExtraError     an optional dependency that is not installed

A message says what is wrong (with the value), what would be right, and what to run next, in one
line. The command line prints it after ``error:``, then its notes, and exits with 1.
"""

import difflib
import importlib
import importlib.util
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
    "require",
    "require_extra",
]

#: The modules that each extra of this package brings (pyproject.toml).
EXTRAS = {
    "export": ("torch", "onnx", "onnxscript", "onnxsim", "safetensors", "huggingface_hub"),
    "executorch": ("executorch", "torchao"),
    "bench": ("adbutils", "matplotlib", "jinja2", "psutil"),
    "evaluate": ("sklearn", "scipy", "seqeval"),
    "finetune": ("accelerate", "matplotlib"),
    "peers": ("transformers",),
}


class SqueezeBertMobileError(Exception):
    """Base of every error below.

    The message is printable whatever it quotes: a line break or an escape sequence from somebody's
    file shows as \\n or \\x1b.
    """

    def __init__(self, message: str) -> None:  # noqa: D107
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))


class CheckpointError(SqueezeBertMobileError):
    """The checkpoint cannot be used: its config, weights or vocabulary are wrong."""


class ExportError(SqueezeBertMobileError):
    """The export cannot be done as asked."""


class ParityError(ExportError):
    """The exported model does not compute what the checkpoint computes."""


class TrainingError(SqueezeBertMobileError):
    """The fine-tuning cannot go on, or not as asked."""


class ArtifactError(SqueezeBertMobileError):
    """The artifact is damaged, incomplete, or of a version this package does not read."""


class InputError(SqueezeBertMobileError):
    """The text or the options given to a pipeline cannot be used."""


class BenchmarkError(SqueezeBertMobileError):
    """The measurement cannot be taken."""


class MissingExtraError(SqueezeBertMobileError):
    """An optional dependency is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or name the extra of this package that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # the module is there; something it needs is broken
        raise _missing(module, extra) from error


def require_extra(extra: str, *, within: str | None = None) -> None:
    """See that all modules of `extra` can be imported, without importing them.

    Args:
        extra: Which.
        within: The extra to install where one is missing, if it brings `extra` with it.

    Raises:
        MissingExtraError: one cannot.
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
    """The end of an error message for an unknown name: the nearest one, and all that are valid."""
    names = sorted(valid)
    near = difflib.get_close_matches(value, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {value!r}; {guess}choose from: {', '.join(names)}"
