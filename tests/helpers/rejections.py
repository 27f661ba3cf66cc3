"""Damage to a folder, and the check that the command line rejects it and changes no file."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commands import Cli

#: Damages the checkpoint or artifact in a folder.
Change = Callable[[Path], None]


def folder_contents(folder: Path) -> dict[str, str]:
    """Every path below `folder`, with a checksum, a link's target, or nothing for a folder."""
    contents = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            contents[name] = f"-> {os.readlink(path)}"
        elif path.is_dir():
            contents[name] = ""
        else:
            contents[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return contents


def assert_rejected(cli: Cli, folder: Path, command: str, message: str) -> None:
    """`command` exits with 1 and one line with `message`; `folder` does not change."""
    before = folder_contents(folder)
    code, out, err = cli(*command.split())
    assert (code, out) == (1, ""), err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert message in err
    assert folder_contents(folder) == before


def write(name: str, content: bytes) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def remove(*names: str) -> Change:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def change_json(
    file: str, edit: Callable[[dict[str, Any]], Any] | None = None, **values: Any
) -> Change:
    """Set `values` in a JSON file, or apply `edit` to it."""

    def change(folder: Path) -> None:
        path = folder / file
        data = json.loads(path.read_text(encoding="utf-8")) | values
        if edit:
            edit(data)
        path.write_text(json.dumps(data), encoding="utf-8")

    return change
