"""Atomic writes: a folder appears complete or not at all."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_artifact import write_small_artifact

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.files import atomic_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_small_artifact(tmp_path / "artifact")
    return tmp_path / "artifact"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new") as partial:
        (partial / "manifest.json").write_text("{}")
        assert not (tmp_path / "new").exists()
    assert _names(tmp_path) == ["new"]
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


def test_an_error_keeps_the_old_folder_and_leaves_nothing_beside_it(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(RuntimeError), atomic_folder(folder, force=True) as partial:
        (partial / "half").write_text("half")
        raise RuntimeError
    assert (folder / "manifest.json").read_bytes() == before
    assert _names(folder.parent) == ["artifact"]


def test_force_replaces_the_whole_folder(folder: Path) -> None:
    with atomic_folder(folder, force=True) as partial:
        (partial / "manifest.json").write_text("{}")
    assert _names(folder) == ["manifest.json"]
    assert _names(folder.parent) == ["artifact"]


def test_an_existing_artifact_needs_force(folder: Path) -> None:
    with pytest.raises(ExportError, match="exists; replace it with --force"), atomic_folder(folder):
        pass


def test_force_does_not_replace_another_folder(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with (
        pytest.raises(ExportError, match="is not an artifact and was not changed"),
        atomic_folder(tmp_path / "home", force=True),
    ):
        pass
    assert _names(tmp_path / "home") == ["letter.txt"]


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(ExportError, match="is not a folder"),
        atomic_folder(tmp_path / "file", force=True),
    ):
        pass


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as partial:
        (partial / "manifest.json").write_text("{}")
    assert _names(tmp_path / "empty") == ["manifest.json"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot lock a folder")
def test_only_the_folder_of_a_killed_export_is_removed(
    folder: Path,
) -> None:
    script = """
import sys, time
from pathlib import Path
from squeezebert_mobile.files import atomic_folder
with atomic_folder(Path(sys.argv[1]), force=True) as partial:
    print(partial, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            partial = Path(process.stdout.readline().strip())
            with atomic_folder(folder, force=True) as ours:
                (ours / "manifest.json").write_text("{}")
            assert partial.is_dir()  # the other export still runs
        finally:
            process.kill()
    assert partial.is_dir()  # it could not clean up
    for _ in range(50):  # the lock ends when the kernel has removed the process
        with atomic_folder(folder, force=True) as ours:
            (ours / "manifest.json").write_text("{}")
        if not partial.exists():
            break
        time.sleep(0.1)
    assert _names(folder.parent) == ["artifact"]
