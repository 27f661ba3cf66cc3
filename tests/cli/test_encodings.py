"""Every command on a stdout and stderr that are not UTF-8: escapes, and never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from commands import Cli
from forks import Forks
from labelled import write

TEXT = "réveille-moi ✓ 天 😀"
LABELS = {0: "météo ☂", 1: "天气"}
#: What each encoding shows of TEXT.
SHOWN = {
    "cp1252": r"réveille-moi \u2713 \u5929 \ud83d\ude00",
    "latin-1": r"réveille-moi \u2713 \u5929 \ud83d\ude00",
    "ascii": r"r\u00e9veille-moi \u2713 \u5929 \ud83d\ude00",
    "cp437": r"réveille-moi \u2713 \u5929 \ud83d\ude00",
    "utf-8": TEXT,
    "utf-16": TEXT,
}


def _output(forks: Forks, folder: Path, encoding: str, *words: str, code: int = 0) -> str:
    """stdout, decoded."""
    done = forks.run(folder, *words, encoding=encoding)
    err = done.stderr.decode(encoding)
    assert "Traceback" not in err and "UnicodeEncodeError" not in err, err
    assert done.returncode == code, err
    return done.stdout.decode(encoding)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Path:
    """A checkpoint and its artifact, with labels that few encodings have."""
    folder = tmp_path_factory.mktemp("encodings")
    tiny.write_checkpoint(
        folder / "café ☕", task="text-classification", num_labels=2, id2label=LABELS
    )
    words = "export --precision fp32 -o artifact".split()
    _output(forks, folder, "cp1252", *words, "café ☕")
    write(folder, "données.csv", f"text,label\n{TEXT},天气\nwake me at six,météo ☂\n")
    return folder


@pytest.mark.parametrize("encoding", SHOWN)
def test_run(folder: Path, forks: Forks, encoding: str) -> None:
    out = _output(forks, folder, encoding, "run", "artifact", TEXT)
    words = ("run", "artifact", TEXT, "--top-k", "2", "--json")
    answer = json.loads(_output(forks, folder, encoding, *words))
    assert out.splitlines()[0] == SHOWN[encoding]
    assert answer["text"] == TEXT  # the escapes are JSON's
    assert {label["label"] for label in answer["labels"]} == set(LABELS.values())


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "artifact"),
        ("inspect", "artifact", "--json"),
        ("inspect", "café ☕"),
        ("verify", "artifact"),
        ("evaluate", "artifact", "données.csv"),
        ("evaluate", "artifact", "données.csv", "--against", "artifact"),
        ("evaluate", "artifact", "données.csv", "--json"),
        ("bench", "artifact", "--baseline", "none", "--preset", "rapid", "--sequence-length", "8"),
        ("doctor", "--adb-server", "localhost:1"),
        ("--help",),
        ("run", "--help"),
    ],
    ids=" ".join,
)
def test_other_commands(folder: Path, forks: Forks, words: tuple[str, ...]) -> None:
    code = int(words[0] == "doctor")
    out = _output(forks, folder, "ascii", *words, code=code)
    assert out.isascii() and out
    if "--json" in words:
        values = json.dumps(json.loads(out), ensure_ascii=False)
        assert "天气" in values or "données.csv" in values


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "☕", "text"), 1),
        (("inspect", "☕"), 1),
        (("evaluate", "artifact", "☕.csv"), 1),
        (("export", "demo", "-o", "x", "--task", "☕"), 2),
        (("☕",), 2),
    ],
    ids=str,
)
def test_an_error_shows_escapes(
    folder: Path, forks: Forks, words: tuple[str, ...], code: int
) -> None:
    done = forks.run(folder, *words, encoding="cp1252")
    err = done.stderr.decode("cp1252")
    assert "Traceback" not in err and "UnicodeEncodeError" not in err, err
    assert (done.returncode, done.stdout) == (code, b"") and r"\u2615" in err
    assert code == 2 or err.count("\n") == 1


def test_a_name_that_is_not_unicode_is_escaped(folder: Path, forks: Forks) -> None:
    """An argument with an invalid byte, on a stdout that is UTF-8."""
    (folder / "caf\udce9.csv").write_text("text,label\nwake,天气\n", encoding="utf-8")
    words = ("evaluate", "artifact", "caf\udce9.csv", "--json")
    assert json.loads(_output(forks, folder, "utf-8", *words))["data"] == "caf\udce9.csv"
    done = forks.run(folder, "run", "caf\udce9", "text")
    assert done.returncode == 1 and rb"caf\udce9" in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_new_process(folder: Path, encoding: str) -> None:
    """The forks above change the encoding of their streams themselves."""
    done = subprocess.run(
        [sys.executable, "-m", "squeezebert_mobile", "run", "☕\udce9", TEXT],
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    err = done.stderr.decode(encoding)
    assert done.returncode == 1 and err.startswith("error: no such artifact folder: '")
    assert err.count("\n") == 1 and r"\udce9" in err


def test_output_without_an_encoding_of_its_own(cli: Cli, folder: Path) -> None:
    """`main` leaves a stdout that is not a file as it is."""
    code, out, _ = cli("run", folder / "artifact", TEXT)
    assert code == 0 and out.startswith(TEXT)
