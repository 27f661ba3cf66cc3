"""Options that several commands share, and the choices that options offer.

Typer lists the values of a Literal in the help and rejects any other value with exit code 2.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from squeezebert_mobile.benchmarks.measure.schedule import PRESETS
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.files import read_regular
from squeezebert_mobile.tasks import TASKS

__all__ = [
    "AdbServer",
    "AllDevices",
    "Artifact",
    "ArtifactOrCheckpoint",
    "DataFormat",
    "Debug",
    "Delimiter",
    "Json",
    "LabelColumn",
    "LabelsAre",
    "PairColumn",
    "PresetName",
    "Revision",
    "Serials",
    "TaskName",
    "TextColumn",
    "read_texts",
    "reject_phone_options",
]

if TYPE_CHECKING:
    TaskName = str
    PresetName = str
else:
    TaskName = Literal[tuple(TASKS)]
    PresetName = Literal[tuple(PRESETS)]

Artifact = Annotated[Path, typer.Argument(help="Artifact folder.")]
ArtifactOrCheckpoint = Annotated[
    str,
    typer.Argument(
        metavar="ARTIFACT|CHECKPOINT",
        help="Artifact folder, or a checkpoint as in export: folder, Hub id, demo, preset:NAME.",
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(
        metavar="REV",
        help="Branch, tag or commit of a checkpoint given by its Hub id (default: its main "
        "branch).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
#: `main` looks for it in sys.argv, because it handles errors after a command has ended.
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error, and library logs.")
]


def read_texts(path: Path) -> list[str]:
    """The texts in a file given with --texts, one per line; blank lines are skipped.

    Raises:
        InputError: the file cannot be read, or it has no text.
    """
    try:
        lines = read_regular(path).decode("utf-8").splitlines()
    except OSError as error:
        raise InputError(f"--texts {str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"--texts {str(path)!r} cannot be read: {error}") from None
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise InputError(f"--texts {str(path)!r} has no text; write one text per line")
    return texts


# Labelled data ------------------------------------------------------------------------------

DataFormat = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Data format (default: detected from the file)."),
]
TextColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Table column with the text (default: text).")
]
PairColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Table column with the second text (default: text_pair, if present).",
    ),
]
LabelColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Table column with the label (default: label).")
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR",
        help="Character between the columns of a CSV file, or tab (default: detected: , ; tab).",
    ),
]
LabelsAre = Annotated[
    Literal["classes", "numbers"] | None,
    typer.Option(
        help="Whether a table's labels are classes or numbers to predict (default: numbers where "
        "some have a fraction and the model has no such labels)."
    ),
]

# Phones -------------------------------------------------------------------------------------

Serials = Annotated[
    list[str] | None,
    typer.Option(
        "--serial", metavar="SERIAL", help="Serial number of a phone; repeat for several."
    ),
]
AllDevices = Annotated[bool, typer.Option("--all-devices", help="Use all connected phones.")]
AdbServer = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Address of a remote adb server.")
]


def reject_phone_options(options: Mapping[str, Any], *, remedy: str) -> None:
    """Reject options that only apply to phones.

    Args:
        options: The parameters of a command by name, with their values.
        remedy: What to do to keep the option.

    Raises:
        InputError: one of them was given.
    """
    for name, value in options.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} only applies to phones; {remedy}, or remove {flag}")
