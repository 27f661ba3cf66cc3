"""`run --query`, and what `export` and `inspect` print of sentence vectors."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from artifacts import rewrite_manifest
from commands import Cli
from forks import Forks
from sentence_folder import write_modules

from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import load_artifact

LINES = ["wake me at six", "", "play a song", "the cat sat on the mat", "  ", "what is the weather"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact in fp32 whose checkpoint is one of sentence-transformers."""
    folder = tmp_path_factory.mktemp("vectors")
    tiny.write_checkpoint(folder / "checkpoint", "bert")
    write_modules(folder / "checkpoint", {"pooling_mode": "cls"}, lengths={"max_seq_length": 16})
    texts = shipped_texts()[::8]
    export_checkpoint(folder / "checkpoint", folder / "out", precision="fp32", texts=texts)
    return folder / "out"


def test_the_python_code_of_the_page(vectors: Path, forks: Forks) -> None:
    page = (Path(__file__).parents[2] / "docs/sentence-vectors.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^    from (?:.*\n|\n)+?(?=\S)", page, flags=re.MULTILINE)
    code = textwrap.dedent(code).replace('"minilm"', repr(str(vectors)))
    assert "model.search(" in code
    done = forks.run(vectors, program=f"{code}\nprint(model.similarity(texts[:1], vectors).shape)")
    assert (done.returncode, done.stdout) == (0, b"(1, 3)\n"), done.stderr


Search = Callable[..., tuple[list[str], str]]


@pytest.fixture
def search(vectors: Path, forks: Forks) -> Search:
    """Gives the lines of stdout, and stderr, for lines on stdin."""

    def search(lines: bytes, *options: str, code: int = 0) -> tuple[list[str], str]:
        done = forks.run(vectors, "run", ".", *options, stdin=lines)
        assert done.returncode == code, done.stderr
        return done.stdout.decode().splitlines(), done.stderr.decode()

    return search


def _stdin() -> bytes:
    return "\n".join(LINES).encode() + b"\n"


def test_the_nearest_lines(vectors: Path, search: Search) -> None:
    with load_artifact(vectors) as model:
        result = model.search("play music", [line for line in LINES if line.strip()])
    found, err = search(_stdin(), "--query", "play music", "--json")
    assert err == ""
    records = [json.loads(line) for line in found]
    assert [record["text"] for record in records] == [hit.text for hit in result.hits]
    for record, hit in zip(records, result.hits, strict=True):
        assert record.keys() == {"text", "score", "line"}
        assert record["text"] == LINES[record["line"] - 1]
        assert record["score"] == pytest.approx(hit.score, abs=1e-6)
    shown, _ = search(_stdin(), "--query", "play music", "--top-k", "2")
    assert shown == [f"{hit.score:.4f}  {hit.text}" for hit in result.hits[:2]]


def test_the_similarity_of_two_texts(cli: Cli, vectors: Path) -> None:
    code, out, err = cli("run", vectors, "play a song", "--query", "play music", "--json")
    assert (code, err) == (0, "")
    with load_artifact(vectors) as model:
        score = model.similarity("play music", "play a song").item()
    record = json.loads(out)
    assert record == {"text": "play a song", "score": pytest.approx(score, abs=1e-6), "line": 1}
    assert len(str(record["score"])) <= 12  # the digits of float32


def test_the_prompts_of_a_search(cli: Cli, vectors: Path, tmp_path: Path) -> None:
    target = Path(shutil.copytree(vectors, tmp_path / "out"))
    prompts = {"query": "what is the ", "passage": "a big "}
    vector = {"pooling": ["cls"], "normalize": True, "prompts": prompts}
    rewrite_manifest(target, sentence_vector=vector)
    _, out, _ = cli("run", target, "cat", "--query", "song", "--json")
    with load_artifact(vectors) as model:
        want = model.similarity("what is the song", "a big cat").item()
    assert json.loads(out)["score"] == pytest.approx(want, abs=1e-6)


def test_truncated_lines_are_noted(cli: Cli, vectors: Path) -> None:
    code, out, err = cli("run", vectors, "wake me " * 20, "cat", "--query", "song")
    assert code == 0 and len(out.splitlines()) == 2
    assert err == "note: 1 text is longer than this model takes, and cut there\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"", "--query has no texts to search in; give them as lines of stdin, or as arguments"),
        (b"\n  \n", "--query has no texts to search in;"),
        (b"wake me\n\n\xff\n", "line 3: "),
    ],
)
def test_lines_that_cannot_be_searched(search: Search, lines: bytes, message: str) -> None:
    out, err = search(lines, "--query", "play music", code=1)
    assert out == [] and err.startswith(f"error: {message}") and err.count("\n") == 1


def test_an_empty_query(search: Search) -> None:
    out, err = search(b"wake me\n", "--query", "", code=1)
    assert out == [] and "query" in err and "line" not in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text-pair", "x"], "--text-pair does not apply to a search with --query"),
        (["--prompt-name", "x"], "does not apply to a search with --query; remove it\n"),
        (["--candidate-label", "x"], "--candidate-label does not apply to feature-extraction"),
    ],
)
def test_options_that_do_not_go_with_a_query(
    cli: Cli, vectors: Path, options: list[str], message: str
) -> None:
    code, _, err = cli("run", vectors, "wake me", "--query", "x", *options)
    assert code == 1 and message in err


def test_a_query_is_for_sentence_vectors(cli: Cli, assistant: Path) -> None:
    code, _, err = cli("run", assistant, "wake me", "--query", "x")
    assert code == 1
    assert err == (
        "error: --query does not apply to text-classification; use a feature-extraction artifact\n"
    )


def test_a_bar_for_many_lines(vectors: Path, tmp_path: Path) -> None:
    """stdout is a terminal too, as the answers come last."""
    texts = tmp_path / "texts"
    texts.write_text("".join(f"wake me at {n}\n" for n in range(2000)), encoding="utf-8")
    command = [sys.executable, "-m", "squeezebert_mobile", "run", str(vectors), "--query", "six"]
    ours, theirs = pty.openpty()
    answers, out = pty.openpty()
    with texts.open("rb") as stdin:
        subprocess.run(command, stdin=stdin, stdout=out, stderr=theirs, check=True)
    for end in (theirs, out):
        os.close(end)
    assert b"lines" in os.read(ours, 65536)
    assert os.read(answers, 65536).count(b"\n") == 10
    for end in (ours, answers):
        os.close(end)


def test_the_longest_input_is_shown(cli: Cli, vectors: Path, tmp_path: Path) -> None:
    checkpoint = vectors.parent / "checkpoint"
    texts = tmp_path / "texts"
    texts.write_text("\n".join(shipped_texts()[::8]), encoding="utf-8")
    shown: list[Any] = [
        cli("inspect", checkpoint),
        cli("inspect", vectors),
        cli("export", checkpoint, "-o", tmp_path / "out", "--precision", "fp32", "--texts", texts),
    ]
    for code, out, _ in shown:
        assert code == 0
        words = " ".join(out.split())
        assert "longest input 16 tokens" in words
        assert "sentence vector cls, normalized" in words
    record = json.loads(cli("inspect", checkpoint, "--json")[1])
    assert record["max_sequence_length"] == 16
    assert record["sentence_vector"]["pooling"] == ["cls"]
