"""Rejected artifacts and texts: one-line errors, and no file changes."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from commands import Cli
from forks import Forks
from rejections import Change, assert_rejected, change_json, remove, write

from squeezebert_mobile.artifact import file_facts, read_artifact

# Artifacts ----------------------------------------------------------------------------------

_manifest = partial(change_json, "manifest.json")


def _flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


def _list_outside(folder: Path) -> None:
    facts = file_facts(folder.parent / "checkpoint" / "config.json").model_dump()
    _manifest(lambda d: d["files"].update({"../checkpoint/config.json": facts}))(folder)


def _link_outside(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.parent / "model.onnx")
    (folder / "model.onnx").symlink_to("../model.onnx")


BAD_ARTIFACTS: dict[str, tuple[Change, str]] = {
    "no such folder": (shutil.rmtree, "no such artifact folder: 'artifact'; make one with: squ"),
    "no manifest": (remove("manifest.json"), "'artifact' is not an artifact: it has no manifest"),
    "no manifest, but a config": (
        lambda folder: (folder / "manifest.json").rename(folder / "config.json"),
        "'artifact' is a checkpoint, not an artifact; run: squeezebert-mobile export artifact -o",
    ),
    "broken manifest": (write("manifest.json", b"{"), "manifest.json' cannot be read as JSON: "),
    "newer schema": (_manifest(schema_version=2), "has schema_version 2, this"),
    "damaged": (_manifest(max_sequence_length=-1), "damaged at max_sequence_l"),
    "changed byte": (
        _flip_a_bit,
        "model.onnx' has changed since the export (its SHA-256 is not the ma",
    ),
    "missing file": (remove("tokenizer.json"), "tokenizer.json' is missing; copy or export it a"),
    "path outside": (_list_outside, "artifact file '../checkpoint/config.json' points outside its"),
    "link outside": (
        _link_outside,
        "artifact file 'model.onnx' points outside its folder 'artifact'",
    ),
}


@pytest.mark.parametrize("command", ["run artifact hello", "verify artifact", "bench artifact"])
@pytest.mark.parametrize("case", BAD_ARTIFACTS)
def test_commands_reject_a_bad_artifact(cli: Cli, workdir: Path, case: str, command: str) -> None:
    change, message = BAD_ARTIFACTS[case]
    change(workdir / "artifact")
    assert_rejected(cli, workdir, command, message)


@pytest.mark.parametrize("case", [c for c in BAD_ARTIFACTS if c.split()[0] != "no"])
def test_inspect_rejects_a_bad_artifact(cli: Cli, workdir: Path, case: str) -> None:
    change, message = BAD_ARTIFACTS[case]
    change(workdir / "artifact")
    assert_rejected(cli, workdir, "inspect artifact", message)


# Texts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_text(cli: Cli, workdir: Path, text: str) -> None:
    code, out, err = cli("run", "artifact", text)
    assert (code, out) == (1, "")
    assert err.endswith("error: text 1: the text is empty; give at least one word\n")


def test_a_text_longer_than_the_model(cli: Cli, workdir: Path) -> None:
    code, out, err = cli("run", "artifact", "wake me at seven " * 40)
    assert code == 0 and "LABEL_" in out
    notice = "note: the input is longer than this model takes"
    assert any(line.startswith(notice) for line in err.splitlines())


def test_bytes_that_are_not_utf_8(workdir: Path, forks: Forks) -> None:
    done = forks.run(workdir, "run", "artifact", stdin=b"wake me\ncaf\xe9\nplay music\n")
    assert done.returncode == 1
    assert b"wake me" in done.stdout and b"play music" not in done.stdout
    assert done.stderr.endswith(
        b"error: line 2: the text is not UTF-8 (byte 3 is 0xe9); convert it to UTF-8\n"
    )


def test_the_undamaged_folder_is_valid(cli: Cli, workdir: Path) -> None:
    """Otherwise the tests above could pass for another reason."""
    assert read_artifact(workdir / "artifact").task == "text-classification"
    for command in ("inspect checkpoint", "run artifact hello", "verify artifact"):
        assert cli(*command.split())[0] == 0
