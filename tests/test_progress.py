"""Steps on a terminal and elsewhere, `progress=True` in Python, epochs and lines of stdin."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from commands import STEP_LINE, steps, without_steps

from squeezebert_mobile.cli.printing.progress import training_progress
from squeezebert_mobile.export import export_checkpoint, verify_against
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.progress import Progress, as_progress, shown, silent
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.streams import Console
from squeezebert_mobile.training.history import DevScore, TrainingProgress

TEXTS = shipped_texts()[::8]


def _export_steps(progress: Progress) -> None:
    with progress("load"):
        pass
    with progress("raise precision") as report:
        report(3, 200)


def test_a_line_for_each_step_without_a_terminal() -> None:
    file = io.StringIO()
    _export_steps(shown(Console(file=file)))
    lines = file.getvalue().splitlines(keepends=True)
    assert len(lines) == 2 and all(STEP_LINE.fullmatch(line) for line in lines)
    assert steps(file.getvalue()) == ["load", "raise precision"]


def test_a_line_is_there_as_soon_as_the_step_ends() -> None:
    file = io.StringIO()
    progress = shown(Console(file=file))
    with progress("load"):
        assert file.getvalue() == ""
    assert steps(file.getvalue()) == ["load"]


def test_a_failed_step_has_no_line_without_a_terminal() -> None:
    file = io.StringIO()
    with pytest.raises(ValueError, match="no"), shown(Console(file=file))("verify"):
        raise ValueError("no")
    assert file.getvalue() == ""


@pytest.mark.parametrize(
    ("encoding", "ok", "failed"), [("utf-8", "✓", "✗"), ("cp1252", "ok", "failed")]
)
def test_marks_on_a_terminal(encoding: str, ok: str, failed: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    progress = shown(Console(file=file, force_terminal=True, color_system=None, width=80))
    _export_steps(progress)
    with pytest.raises(ValueError, match="no"), progress("verify"):
        raise ValueError("no")
    text = file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    for mark, name in ((ok, "load"), (ok, "raise precision"), (failed, "verify")):
        assert re.search(rf"{mark} {name} +\d+\.\d s", text), text


def test_progress_as_a_flag_or_a_function(capfd: pytest.CaptureFixture[str]) -> None:
    assert as_progress(False) is silent and as_progress(silent) is silent
    _export_steps(as_progress(False))
    assert capfd.readouterr().err == ""
    _export_steps(as_progress(True))
    assert steps(capfd.readouterr().err) == ["load", "raise precision"]


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("fp32", ["load", "rewrite", "export", "verify"]),
        ("fp16", ["load", "rewrite", "export", "verify"]),
        ("int8", ["load", "rewrite", "calibrate", "export", "quantize", "verify"]),
    ],
)
def test_an_export_from_python(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], precision: str, expected: list[str]
) -> None:
    tiny.write_checkpoint(tmp_path / "checkpoint", task="text-classification")
    options = {"precision": precision, "texts": TEXTS}
    export_checkpoint(tmp_path / "checkpoint", tmp_path / "out", **options, progress=True)
    out, err = capfd.readouterr()
    assert (out, steps(err), without_steps(err)) == ("", expected, "")
    with load_artifact(tmp_path / "out") as model:
        verify_against(model, tmp_path / "checkpoint", texts=TEXTS, progress=True)
        assert steps(capfd.readouterr().err) == ["load", "verify"]
        verify_against(model, tmp_path / "checkpoint", texts=TEXTS)
    assert capfd.readouterr().err == ""


def test_an_export_with_a_function(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path / "checkpoint", task="text-classification")
    names = []

    def record(name: str) -> object:
        names.append(name)
        return silent(name)

    options = {"precision": "fp32", "texts": TEXTS}
    export_checkpoint(tmp_path / "checkpoint", tmp_path / "out", **options, progress=record)
    assert names == ["load", "rewrite", "export", "verify"]


def test_epochs_of_a_training_without_a_terminal() -> None:
    file = io.StringIO()
    with training_progress(Console(file=file)) as report:
        for step in range(6):
            epoch = step // 2
            score = DevScore("accuracy", epoch / 4, epoch) if epoch else None
            report(TrainingProgress(step + 1, 6, epoch + 1, 1 / (step + 1), score))
    lines = [re.sub(r"\d+\.\d s$", "TIME", line) for line in file.getvalue().splitlines()]
    assert lines == [
        "epoch 1  loss 0.500  accuracy 0.250  TIME",
        "epoch 2  loss 0.250  accuracy 0.500  TIME",
        "epoch 3  loss 0.167  TIME",
    ]


def test_a_bar_for_the_lines_of_stdin(assistant: Path, tmp_path: Path) -> None:
    """stderr is a terminal, stdin and stdout are files."""
    (tmp_path / "texts").write_text("wake me\n" * 30, encoding="utf-8")
    shown_text = _run_on_a_terminal(assistant, tmp_path, "run --json < texts > answers")
    assert (tmp_path / "answers").read_text(encoding="utf-8").count("\n") == 30
    assert "30 lines" in shown_text and "error" not in shown_text
    shown_text = _run_on_a_terminal(assistant, tmp_path, "run --json < texts | cat > answers")
    assert (tmp_path / "answers").read_text(encoding="utf-8").count("\n") == 30
    assert "30 lines" in shown_text
    shown_text = _run_on_a_terminal(assistant, tmp_path, "run --json < texts 2> errors")
    assert "lines" not in shown_text and (tmp_path / "errors").read_bytes() == b""


def _run_on_a_terminal(assistant: Path, folder: Path, command: str) -> str:
    """What a shell command prints on a terminal."""
    program = f"{sys.executable} -m squeezebert_mobile"
    words = command.replace("run", f"{program} run {assistant}", 1)
    ours, theirs = pty.openpty()
    with subprocess.Popen(["bash", "-c", words], cwd=folder, stdout=theirs, stderr=theirs) as run:
        os.close(theirs)
        shown_bytes = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # Linux: the other side is closed
                break
            if not read:
                break
            shown_bytes += read
    os.close(ours)
    assert run.returncode == 0
    return shown_bytes.decode()
