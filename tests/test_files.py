"""Atomic writes: a folder appears complete or not at all."""

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_artifact import write_small_artifact

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.files import atomic_file, atomic_folder, atomic_write


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
from squeezebert_mobile.files import atomic_file, atomic_folder, atomic_write
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


# Two at once ----------------------------------------------------------------------------------


def test_the_second_of_two_new_folders_needs_force(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with pytest.raises(ExportError) as caught, atomic_folder(folder) as first:
        (first / "manifest.json").write_text("first")
        with atomic_folder(folder) as second:
            (second / "manifest.json").write_text("second")
    assert str(caught.value) == (
        f"{str(folder)!r} exists; replace it with --force, or choose another folder with -o"
    )
    assert (folder / "manifest.json").read_text() == "second"
    assert _names(tmp_path) == ["new"]


def test_a_folder_that_appears_in_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, replace = tmp_path / "new", os.replace

    def later(source: Path, target: Path) -> None:
        folder.mkdir()
        (folder / "manifest.json").write_text("theirs")
        replace(source, target)

    monkeypatch.setattr(os, "replace", later)
    with pytest.raises(ExportError, match="exists; replace it with --force"), atomic_folder(folder):
        pass
    assert (folder / "manifest.json").read_text() == "theirs"
    assert _names(tmp_path) == ["new"]


def test_something_else_that_appears_is_not_replaced_even_with_force(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with (
        pytest.raises(ExportError, match="is not an artifact and was not changed"),
        atomic_folder(folder, force=True) as partial,
    ):
        (partial / "manifest.json").write_text("ours")
        folder.mkdir()
        (folder / "letter.txt").write_text("dear")
    assert _names(folder) == ["letter.txt"] and _names(tmp_path) == ["new"]


def test_both_of_two_with_force_succeed(folder: Path) -> None:
    with atomic_folder(folder, force=True) as first, atomic_folder(folder, force=True) as second:
        for partial, name in ((first, "first"), (second, "second")):
            (partial / "manifest.json").write_text(name)
    assert (folder / "manifest.json").read_text() == "first"  # the one that ends last
    assert _names(folder.parent) == ["artifact"]


def test_many_write_one_file_at_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def write(text: str) -> None:
        try:
            for _ in range(20):
                atomic_write(tmp_path / "a.zip", text, what="zip file")
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(char * 5000,)) for char in "abcdef"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not errors
    text = (tmp_path / "a.zip").read_text()
    assert len(text) == 5000 and len(set(text)) == 1
    assert _names(tmp_path) == ["a.zip"]


# Names and permissions --------------------------------------------------------------------------


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="no file modes")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0o027], indirect=True)
def test_the_umask_says_the_permissions(tmp_path: Path, umask: int) -> None:
    atomic_write(tmp_path / "a.json", "text", what="results")
    with atomic_folder(tmp_path / "folder") as partial:
        (partial / "manifest.json").write_text("{}")
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode)
        for name in ("a.json", "folder", "folder/manifest.json")
    ]
    assert modes == [0o666 & ~umask, 0o777 & ~umask, 0o666 & ~umask]


@pytest.mark.skipif(sys.platform == "win32", reason="no file modes")
def test_what_is_half_written_is_private_and_has_no_name_that_can_be_guessed(
    tmp_path: Path,
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("stays")
    target = tmp_path / "a.json"
    planted = [tmp_path / f".a.json.partial{end}" for end in ("", "-", "-0")]
    for link in planted:
        link.symlink_to(victim)
    partials = set()
    for _ in range(2):
        with atomic_file(target, what="results") as partial:
            partial.write_text("new")
            partials.add(partial)
            assert partial.is_relative_to(tmp_path)
            assert stat.S_IMODE(partial.parent.stat().st_mode) == 0o700
    assert len(partials) == 2 and target.read_text() == "new"
    assert victim.read_text() == "stays" and all(link.is_symlink() for link in planted)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
@pytest.mark.timeout(20)
def test_what_others_left_beside_it_is_not_opened(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    (tmp_path / ".a.json.partial-link").symlink_to(other)
    (tmp_path / ".a.json.partial-file").write_text("stays")
    os.mkfifo(tmp_path / ".a.json.partial-pipe")
    atomic_write(tmp_path / "a.json", "new", what="results")
    assert (other / "letter.txt").read_text() == "dear"
    assert len(_names(tmp_path)) == 5


@pytest.mark.parametrize("name", ["x" * 255, "\u6771" * 85, "\U0001f600" * 63])
def test_the_longest_names(tmp_path: Path, name: str) -> None:
    atomic_write(tmp_path / name, "text", what="results")
    assert _names(tmp_path) == [name]
    (tmp_path / name).unlink()
    with atomic_folder(tmp_path / name) as partial:
        (partial / "manifest.json").write_text("{}")
    assert _names(tmp_path) == [name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another limit")
def test_a_folder_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught, atomic_folder(tmp_path / ("x" * 256)):
        pass
    assert str(caught.value).endswith("xxx': File name too long")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot lock a folder")
def test_the_partial_file_of_a_killed_process_is_removed_by_the_next(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from squeezebert_mobile.files import atomic_file
with atomic_file(Path(sys.argv[1]), what="results") as partial:
    partial.write_text("half")
    os._exit(9)
"""
    target = tmp_path / "a.json"
    target.write_text("older")
    subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert len(_names(tmp_path)) == 2 and target.read_text() == "older"
    atomic_write(target, "new", what="results")
    assert _names(tmp_path) == ["a.json"] and target.read_text() == "new"
