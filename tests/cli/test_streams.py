"""Standard streams that are closed, full, or of another encoding: no traceback in any command."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from commands import without_steps
from forks import Forks
from labelled import write

from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")

BENCH = "bench artifact --baseline none --preset rapid --sequence-length 8"
SLOW = [
    "run artifact 'wake me' --json",
    "inspect artifact --json",
    "inspect checkpoint",
    "verify artifact",
    "evaluate artifact data.csv",
    "evaluate artifact data.csv --json",
    BENCH,
    f"{BENCH} --json",
    "push artifact --zip a.zip",
    "--version",
    "run --help",
]
COMMANDS = [
    "run artifact 'wake me'",
    "inspect artifact",
    "--help",
    *(pytest.param(command, marks=pytest.mark.slow) for command in SLOW),
]
FULL = (
    "error: cannot write to standard output: No space left on device; free some space, or redirect "
    "it to another file\n"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("streams")
    tiny.write_checkpoint(place / "checkpoint", task="text-classification", num_labels=2)
    write(place, "data.csv", "text,label\nwake me,LABEL_0\nstop,LABEL_1\n")
    options = {"precision": "fp32", "texts": shipped_texts()[::8]}
    export_checkpoint(place / "checkpoint", place / "artifact", **options)
    return place


def _run(place: Path, command: str, redirection: str = "", unbuffered: str = "") -> tuple[int, str]:
    """The exit code, and what was printed to a stderr that is not redirected."""
    program = shlex.join([sys.executable, "-m", "squeezebert_mobile"])
    done = subprocess.run(
        ["bash", "-c", f"{program} {command} {redirection}"],
        cwd=place,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_stdout(place: Path, command: str) -> None:
    for unbuffered in ("", "1"):
        code, err = _run(place, command, ">/dev/full", unbuffered)
        assert (code, without_steps(err)) == (1, FULL)


@pytest.mark.parametrize("command", COMMANDS)
def test_closed_streams(place: Path, command: str) -> None:
    """What is printed to a closed stream is discarded; the command does its work."""
    assert _run(place, command, "<&- >&-")[0] == 0
    assert _run(place, command, "<&- >&- 2>&-")[0] == 0


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "redirection",
    [
        pytest.param("2>/dev/full", marks=_SLOW),
        pytest.param("2>&-", marks=_SLOW),
        pytest.param("<&- 2>&-", marks=_SLOW),
    ],
)
def test_a_stderr_that_takes_nothing(place: Path, redirection: str) -> None:
    assert _run(place, "run artifact 'wake me'", redirection)[0] == 0
    assert _run(place, "run nowhere 'wake me'", redirection)[0] == 1
    assert _run(place, "inspect checkpoint", redirection)[0] == 0
    assert _run(place, "report none.json -o r.md", redirection)[0] == 1
    assert _run(place, "run artifact 'wake me'", f">/dev/full {redirection}")[0] == 1


def test_an_export(place: Path, forks: Forks) -> None:
    """The artifact is complete, though its summary cannot be printed."""
    command = "export checkpoint -o new --precision fp32".split()
    done = forks.run(place, *command, stdout="/dev/full")
    assert (done.returncode, without_steps(done.stderr.decode())) == (1, FULL)
    done = forks.run(place, "verify", "new")
    assert (done.returncode, done.stderr) == (0, b"")


@_SLOW
@pytest.mark.parametrize("redirection", [">/dev/full", "<&- >&- 2>&-", "2>/dev/full"])
def test_an_export_in_a_new_process(place: Path, redirection: str) -> None:
    command = "export checkpoint -o other --precision fp32 --force"
    assert _run(place, command, redirection)[0] == int(redirection == ">/dev/full")
    assert _run(place, "verify other") == (0, "")


def test_stdin(place: Path) -> None:
    give = "give the texts as arguments, or pipe them, one per line\n"
    assert _run(place, "run artifact", "<&-") == (1, f"error: standard input is closed; {give}")
    code, err = _run(place, "run artifact", "0>written")
    reason = "error: standard input cannot be read: not readable"
    assert code == 1 and err in {f"{reason}; {give}", _bad_descriptor(give)}
    assert _run(place, "run artifact", "</dev/null") == (0, "")
    assert _run(place, "run artifact 'wake me'", "<&-") == (0, "")


def _bad_descriptor(give: str) -> str:
    return f"error: standard input cannot be read: Bad file descriptor; {give}"


@_SLOW
def test_the_next_file_does_not_become_stderr(place: Path) -> None:
    """A library that prints to descriptor 2 does not write into a file of the command."""
    code, _ = _run(place, f"{BENCH} -o results.json", "<&- >&- 2>&-")
    assert code == 0
    assert _run(place, "report results.json -o r.md")[0] == 0


@pytest.mark.parametrize(
    "encoding",
    ["ascii", *(pytest.param(each, marks=_SLOW) for each in ("latin-1", "cp437", "cp850"))],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_other_encodings(
    place: Path, command: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setenv("PYTHONUTF8", "0")
    assert _run(place, command, ">/dev/null")[0] == 0


def test_a_reader_that_leaves(place: Path) -> None:
    write(place, "many.txt", "wake me\n" * 2000)
    code, err = _run(place, "run artifact", "<many.txt | head -1; exit ${PIPESTATUS[0]}")
    assert (code, err) == (1, "")
