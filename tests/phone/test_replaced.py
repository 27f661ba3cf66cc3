"""An artifact that is replaced while it is sent: what arrives is what was checked, or an error."""

import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import phone_run
import pytest
from commands import Cli
from phone_run import Run
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import file_facts, read_artifact, write_json
from squeezebert_mobile.benchmarks.phone.app import inbox
from squeezebert_mobile.errors import ArtifactError

pytestmark = [
    pytest.mark.phone,
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        sys.platform == "win32", reason="the stand-in's commands need a POSIX shell"
    ),
]


def _another(folder: Path, model: bytes = b"another one") -> None:
    """Write a valid artifact with another model of the same size."""
    manifest = write_small_artifact(folder)
    (folder / "model.onnx").write_bytes(model * 10)
    files = manifest.files | {"model.onnx": file_facts(folder / "model.onnx")}
    write_json(manifest.model_copy(update={"files": files}), folder / "manifest.json")


def _export_again(folder: Path) -> None:
    shutil.rmtree(folder)
    _another(folder)


def _change(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes() + b"\n")

    return change


CHANGES: dict[str, Callable[[Path], None]] = {
    "exported again": _export_again,
    "manifest": _change("manifest.json"),
    "golden outputs": _change("golden.json"),
    "vocabulary": _change("vocab.txt"),
    "removed": shutil.rmtree,
}


@pytest.fixture
def replaced(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], None]:
    """Changes the artifact of a run between the checks of its files and the run."""
    _another(run.folder / "ours", b"an own one")

    def replace(change: Callable[[Path], None]) -> None:
        make = phone_run.artifact_contenders

        def contenders(folders: list[Path], *, baselines: list[Path]) -> object:
            made = make(folders, baselines=baselines)
            change(run.folder / "ours")
            return made

        monkeypatch.setattr(phone_run, "artifact_contenders", contenders)

    return replace


@pytest.mark.parametrize("case", CHANGES)
def test_replaced_before_it_is_sent(
    run: Run, replaced: Callable[[Callable[[Path], None]], None], case: str
) -> None:
    replaced(CHANGES[case])
    with pytest.raises(ArtifactError, match="artifact file .* was replaced after it had been che"):
        run.measure()
    assert not run.journal.exists()


def test_replaced_while_it_is_sent(run: Run) -> None:
    _another(run.folder / "ours", b"an own one")
    model = run.folder / "ours" / "model.onnx"
    run.phone.faults.delay_ms = 1.0
    with pytest.raises(ArtifactError, match=r"model\.onnx' was replaced after it had been checked"):
        run.measure(at="push", do=lambda: model.write_bytes(b"another one" * 10))


def test_replaced_when_the_phone_has_it_already(
    run: Run, replaced: Callable[[Callable[[Path], None]], None]
) -> None:
    """The phone's files are those that were checked, and they are measured."""
    facts = run.measure().contenders
    run.journal.unlink()
    replaced(_export_again)
    assert run.measure().contenders == facts


@pytest.mark.parametrize("case", CHANGES)
def test_a_zip_of_a_replaced_artifact(tmp_path: Path, case: str) -> None:
    folder, path = tmp_path / "ours", tmp_path / "ours.zip"
    write_small_artifact(folder)
    path.write_bytes(b"an older one")
    manifest = read_artifact(folder)
    CHANGES[case](folder)
    if case == "manifest":  # its meaning is the same
        inbox.write_zip(folder, manifest, path)
        return
    with pytest.raises(ArtifactError, match="was replaced after it had been checked"):
        inbox.write_zip(folder, manifest, path)
    assert path.read_bytes() == b"an older one"
    assert not list(tmp_path.glob(".*"))


def test_push_says_that_the_artifact_was_replaced(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ours"
    write_small_artifact(folder)
    add = inbox._add

    def change_first(archive: zipfile.ZipFile, file: Path) -> None:
        _export_again(folder)
        add(archive, file)

    monkeypatch.setattr(inbox, "_add", change_first)
    code, out, err = cli("push", folder, "--zip", tmp_path / "ours.zip")
    assert (code, out) == (1, "")
    assert err == (
        f"error: artifact file {str(folder / 'manifest.json')!r} was replaced after it had been "
        "checked; run the command again when nothing else writes to that folder\n"
    )
