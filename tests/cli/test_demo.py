"""`make demo`: it stops at the first command that fails, with one line."""

import os
from pathlib import Path

import pytest
import typer

from squeezebert_mobile.cli import app, demo, phones
from squeezebert_mobile.errors import ExportError


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # main leaves another working directory


@pytest.mark.parametrize(
    ("commands", "code", "error"),
    [
        ([["run", "nowhere", "wake me"]], 1, "error: "),
        ([["run", "nowhere", "--verbos"]], 2, None),
        ([["--version"], ["bench", "nowhere"]], 1, "error: "),
    ],
)
def test_it_ends_at_the_first_command_that_fails(
    commands: list[list[str]],
    code: int,
    error: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "COMMANDS", [*commands, ["operators", "--help"]])
    with pytest.raises(SystemExit) as end:
        demo.main()
    assert end.value.code == code
    out, err = capsys.readouterr()
    assert out.count("$ squeezebert-mobile") == len(commands)
    if error:
        (line,) = err.splitlines()
        assert line.startswith(error)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ExportError("no space"), 1, "error: no space\n"),
        (BrokenPipeError(), 1, ""),
        (typer.Exit(130), 130, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_other_ends_of_a_command(
    error: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    fail.__name__ = "devices"
    (command,) = [each for each in app.registered_commands if each.callback is phones.devices]
    monkeypatch.setattr(command, "callback", fail)
    monkeypatch.setattr(demo, "COMMANDS", [["devices"], ["--version"]])
    folder = Path.cwd()
    with pytest.raises(SystemExit) as end:
        demo.main()
    assert end.value.code == code
    out, err = capsys.readouterr()
    assert out.count("$ squeezebert-mobile") == 1 and err == told
    assert Path.cwd() != folder and os.path.isdir(os.getcwd())


def test_a_temporary_folder_that_cannot_be_created(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo.tempfile, "mkdtemp", full)
    with pytest.raises(SystemExit) as end:
        demo.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "error: cannot create a temporary folder: No space left on device; free some space, or "
        "set TMPDIR to another folder\n"
    )
