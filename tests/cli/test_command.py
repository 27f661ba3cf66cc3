"""Help, completion and the suggestions for unknown options."""

import os
import re
import subprocess
import sys
from typing import get_args

import pytest
from commands import Cli

from squeezebert_mobile.cli.command import similar_options
from squeezebert_mobile.formats import Precision

EXPORT = (
    *("-o", "--output", "--task", "--format", "--precision", "--sequence-length", "--data"),
    *("--max-sequence-length", "--engine", "--texts", "--max-drop", "--force", "--json", "--debug"),
)


@pytest.mark.parametrize("words", [(), ("export",), ("run",), ("bench",), ("report",)])
def test_h_is_help(cli: Cli, words: tuple[str, ...]) -> None:
    help = cli(*words, "--help")
    assert help[0] == 0 and "-h, --help" in help[1]
    assert cli(*words, "-h") == help


@pytest.mark.parametrize("columns", [40, 60, 79, 200])
def test_summaries_are_whole_at_every_width(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", str(columns))
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = cli("--help")
    commands = " ".join(out.partition("Commands:\n")[2].split())
    assert code == 0 and "..." not in commands
    assert "evaluate Evaluate an artifact or a checkpoint on labelled data. bench" in commands


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("--presision", ["--precision"]),
        ("--Precision", ["--precision"]),
        ("--seq", ["--sequence-length"]),
        ("--length", ["--max-sequence-length", "--sequence-length"]),
        ("--max_sequence_length", ["--max-sequence-length", "--sequence-length"]),
        ("--out", ["--output"]),
        ("--text", ["--texts"]),
        ("--tasks", ["--task"]),
        ("--batch", []),
        ("--dtype", []),
        ("--device", []),
        ("--qty", []),
        ("--verbose", []),
        ("--quantize", []),
        ("-p", ["--precision"]),
        ("-x", []),
        ("--", []),
    ],
)
def test_suggestions(typed: str, suggested: list[str]) -> None:
    assert similar_options(typed, EXPORT) == suggested


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (("export", "demo", "-o", "x", "--dtype", "fp16"), "No such option: --dtype"),
        (
            ("export", "demo", "-o", "x", "--quantization", "int8"),
            "No such option: --quantization",
        ),
        (
            ("run", "x", "--topk", "3"),
            "No such option: --topk (Possible options: --top-k)",
        ),
        (
            ("bench", "x", "--seq", "3"),
            "No such option: --seq (Possible options: --sequence-length)",
        ),
        (("bench", "x", "--outpt=3"), "No such option: --outpt (Possible options: --output)"),
    ],
)
def test_an_unknown_option(cli: Cli, words: tuple[str, ...], end: str) -> None:
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert err.rstrip().endswith(end)


def test_help_of_precision_says_which_to_take(cli: Cli) -> None:
    help = " ".join(cli("export", "--help")[1].split())
    text = help.partition("--precision <")[2].partition("--sequence-length")[0]
    assert "Take int8" in text
    assert all(precision in text.partition(">")[2] for precision in get_args(Precision))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("squeezebert-mobile ", {"export", "run", "bench"}),
        ("squeezebert-mobile export demo --pre", {"--precision"}),
        ("squeezebert-mobile export demo --precision i", {"int8", "int4"}),
        ("squeezebert-mobile export demo --task t", {"text-classification"}),
    ],
)
def test_completion(words: str, expected: set[str]) -> None:
    script = "import sys; sys.argv = ['squeezebert-mobile']; " + (
        "from squeezebert_mobile.cli import main; main()"
    )
    request = {
        "_SQUEEZEBERT_MOBILE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(re.split(" +", words)) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | request,
        capture_output=True,
        text=True,
        check=False,
    )
    assert expected <= set(done.stdout.split()), done.stderr
