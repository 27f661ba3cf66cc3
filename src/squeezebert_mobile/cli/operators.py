"""The command `operators`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from squeezebert_mobile.cli.options import Debug, Json
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.files import atomic_write, check_writable, is_stream
from squeezebert_mobile.formats import OPERATORS_HEADER
from squeezebert_mobile.streams import print_json, print_line

__all__ = ["operators"]

_WHAT = "list of operators"


def operators(
    artifacts: Annotated[
        list[Path],
        typer.Argument(
            help="All artifacts that the app contains, of one format (onnx or executorch).",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing list.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the operators that artifacts need, for a smaller runtime.

    For ONNX Runtime it is the configuration with types that its build.py reads with
    --include_ops_by_config, for ExecuTorch the selected_operators.yaml of a selective build.
    """
    check_writable(output, what=_WHAT)
    if output.exists() and not is_stream(output):
        _check_replaceable(output, force=force)
    from squeezebert_mobile.runtime.required_operators import list_operators

    found = list_operators(artifacts)
    atomic_write(output, found.text, what=_WHAT)
    if as_json:
        facts = {name: value for name, value in asdict(found).items() if name != "text"}
        print_json(json.dumps(facts | {"file": str(output)}, indent=1))
        return
    count = f"{len(found.operators)} operators"
    print_line(
        f"written to {output}: {' and '.join((count, *found.delegates))} of "
        f"{len(artifacts)} artifact{'s' if len(artifacts) > 1 else ''}; to build with it, see "
        "docs/integrate.md"
    )


def _check_replaceable(output: Path, *, force: bool) -> None:
    try:
        with output.open("rb") as file:
            is_list = file.read(len(OPERATORS_HEADER)) == OPERATORS_HEADER.encode()
    except OSError as error:
        raise InputError(
            f"{str(output)!r} exists and cannot be read: {error.strerror}; choose another file "
            "with -o"
        ) from None
    if not is_list:
        raise InputError(
            f"{str(output)!r} is not a {_WHAT} and was not changed; choose another file with -o"
        )
    if not force:
        raise InputError(
            f"{str(output)!r} exists; replace it with --force, or choose another file with -o"
        )
