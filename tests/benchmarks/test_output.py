"""Files that are written to what is not a regular file, and checks before anything is measured."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Cli
from phone_results import phone_results

from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.host import bench_on_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.journal import journal_of
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.report import write_report
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.files import atomic_write, check_writable, is_stream


def test_a_device_is_not_replaced() -> None:
    before = os.stat("/dev/null")
    atomic_write(Path("/dev/null"), "text", what="results")
    after = os.stat("/dev/null")
    assert stat.S_ISCHR(after.st_mode) and after.st_ino == before.st_ino
    assert not list(Path("/dev").glob("*null?*"))


def test_a_link_to_a_device_stays(tmp_path: Path) -> None:
    link = tmp_path / "results.json"
    link.symlink_to("/dev/null")
    atomic_write(link, "text", what="results")
    assert link.is_symlink() and Path("/dev/null").is_char_device()


def test_a_full_device() -> None:
    with pytest.raises(BenchmarkError) as caught:
        atomic_write(Path("/dev/full"), "text", what="results")
    assert str(caught.value) == (
        "cannot write the results to '/dev/full': No space left on device; choose another file "
        "with -o"
    )


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.md"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_report([("a", phone_results())], pipe)
    reader.join(10)
    assert "#" in read[0] and pipe.is_fifo()


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_stdout_is_written_to(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    os.write(1, b"before\n")
    atomic_write(Path(name), "text\n", what="results")
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "before\ntext\nafter\n"


def test_the_file_that_a_link_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link, second = tmp_path / "real" / "a.json", tmp_path / "b.json", tmp_path / "c.json"
    target.write_text("old")
    link.symlink_to("real/a.json")
    second.symlink_to(link)
    atomic_write(second, "new", what="results")
    assert target.read_text() == "new" and link.is_symlink() and second.is_symlink()
    assert [path.name for path in target.parent.iterdir()] == ["a.json"]


def test_a_dangling_link_gets_its_file(tmp_path: Path) -> None:
    link = tmp_path / "b.json"
    link.symlink_to(tmp_path / "new" / "a.json")
    atomic_write(link, "new", what="results")
    assert (tmp_path / "new" / "a.json").read_text() == "new" and link.is_symlink()


def test_links_in_a_circle(tmp_path: Path) -> None:
    link = tmp_path / "a.json"
    link.symlink_to(link)
    assert not is_stream(link)
    with pytest.raises(BenchmarkError, match="cannot write the results to .*symbolic links"):
        atomic_write(link, "new", what="results")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Is a directory"),
        (".", "Is a directory"),
        ("file/results.json", "Not a directory"),
        ("file/new/results.json", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_text("stays")
    path = tmp_path / name
    for write in (check_writable, lambda path, what: atomic_write(path, "text", what=what)):
        with pytest.raises(BenchmarkError) as caught:
            write(path, what="results")
        assert str(caught.value) == (
            f"cannot write the results to {str(path)!r}: {reason}; choose another file with -o"
        )
    assert (tmp_path / "file").read_text() == "stays"


@pytest.mark.parametrize("target", ["host", "adb", "app"])
def test_bench_checks_its_output_before_anything_else(
    cli: Cli, tmp_path: Path, target: str
) -> None:
    code, _, err = cli("bench", tmp_path / "none", "--target", target, "-o", tmp_path)
    assert (code, err) == (
        1,
        f"error: cannot write the results to {str(tmp_path)!r}: Is a directory; choose another "
        "file with -o\n",
    )


def test_report_checks_its_output_before_anything_else(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("report", tmp_path / "none.json", "-o", tmp_path)
    assert code == 1 and err.startswith("error: cannot write the report to ")


def test_a_stream_has_no_journal(tmp_path: Path) -> None:
    assert not is_stream(Path("/dev/shm/results.json"))
    assert journal_of(Path("/dev/null")) is None
    assert journal_of(Path("/dev/stdout")) is None
    assert journal_of(tmp_path / "a.json") == tmp_path / "a.json.journal"


def test_results_that_cannot_be_written_leave_the_journal(
    pretend: Callable[..., Contender],
    short: Preset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "results.json"
    monkeypatch.setattr(os, "replace", _full)
    with pytest.raises(BenchmarkError, match="No space left on device") as caught:
        bench_on_host(
            [pretend("A", 0.001)],
            output=output,
            preset=short,
            threads=(1,),
            sequence_lengths=None,
        )
    journal = journal_of(output)
    assert journal and read_results(journal).complete
    assert caught.value.__notes__ == [
        f"what was measured is kept in {str(journal)!r}; to write the results, run the same "
        "command with --resume"
    ]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_stream_cannot_be_resumed(cli: Cli, assistant: Path) -> None:
    code, _, err = cli(
        *("bench", assistant, "--target", "adb", "--baseline", "none", "--resume"),
        *("-o", "/dev/null"),
    )
    assert (code, err) == (
        1,
        "error: a run with -o '/dev/null' has no journal to resume; remove --resume, or name the "
        "results file of the interrupted run with -o\n",
    )
