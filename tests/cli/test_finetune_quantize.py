"""finetune --quantize and the export of what it wrote, as commands."""

import json
from pathlib import Path

import pytest
from commands import Cli

LINES = "wake me at six\nis it cold\nset the alarm\n"
TASK = ("--task", "text-classification")


@pytest.fixture
def lines(workdir: Path) -> str:
    (workdir / "lines.txt").write_text(LINES)
    return "lines.txt"


def test_plain_text_to_an_artifact(cli: Cli, workdir: Path, lines: str) -> None:
    words = "--data-format lines --quantize int8 --epochs 1 --json".split()
    code, out, err = cli("finetune", "checkpoint", lines, "-o", "tuned", *TASK, *words)
    assert (code, err.count("Traceback")) == (0, 0), err
    results = json.loads(out)
    assert results["quantize"] == "int8" and results["teacher"] == "checkpoint"
    assert (workdir / "tuned" / "quantization.safetensors").is_file()
    code, _, err = cli("export", "tuned", "-o", "int8")
    assert code == 0 and "rounded" not in err, err
    code, _, err = cli("export", "tuned", "-o", "int4", "--precision", "int4")
    assert code == 0 and "the weights were trained to be rounded to int8" in err, err


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("\n \n", (), "'lines.txt' is empty; give a file with"),
        (LINES, ("--dev", "lines.txt"), "lines"),
        (LINES, ("--teacher", "demo"), "the teacher 'demo' has "),
    ],
)
def test_errors_are_one_line(
    cli: Cli, workdir: Path, content: str, options: tuple[str, ...], expected: str
) -> None:
    (workdir / "lines.txt").write_text(content)
    words = ("--data-format", "lines", "--quantize", "int4", *options)
    code, out, err = cli("finetune", "checkpoint", "lines.txt", "-o", "tuned", *TASK, *words)
    assert (code, out) == (1, ""), err
    assert expected in err and err.count("\n") == 1, err
    assert not list(workdir.glob("*tuned*"))


def test_vectors_have_no_labels_to_learn(cli: Cli, workdir: Path) -> None:
    (workdir / "data.jsonl").write_text('{"text": "wake me", "label": "alarm"}\n')
    words = "--task feature-extraction --data-format jsonl --quantize int4".split()
    code, _, err = cli("finetune", "checkpoint", "data.jsonl", "-o", "tuned", *words)
    assert code == 1 and err.count("\n") == 1, err
    assert "feature-extraction learns no labels; give plain text, a text on each line, with" in err
