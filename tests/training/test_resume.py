"""Interrupted trainings: saved, resumed with the same result, or started over."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from commands import Cli
from labelled import write
from small_training import same_weights, tune

from squeezebert_mobile.errors import ExportError, TrainingError
from squeezebert_mobile.evaluation import Columns
from squeezebert_mobile.training.history import TrainingProgress


class Interrupted(Exception):
    """Stands for a power failure."""


def stop_at(step: int) -> Any:
    def report(progress: TrainingProgress) -> None:
        if progress.step > step:
            raise Interrupted

    return report


def test_an_interrupted_training_is_resumed(headless: Path, table: Path, tmp_path: Path) -> None:
    out, options = tmp_path / "out", {"epochs": 3, "dev": table}
    with pytest.raises(Interrupted):
        tune(headless, table, out, report=stop_at(4), **options)  # in the second epoch of 3 steps
    assert not out.exists()
    assert [path.name for path in (tmp_path / "out.training").iterdir()] == ["state.pt"]
    with pytest.raises(
        TrainingError, match="has the state of an interrupted training; .* --resume, or sta"
    ):
        tune(headless, table, out, **options)
    with pytest.raises(
        TrainingError, match="had learning_rate 0.01, but this one has 0.02; use the s"
    ):
        tune(headless, table, out, **options, learning_rate=0.02, resume=True)
    resumed = tune(headless, table, out, **options, resume=True)
    expected = tune(headless, table, tmp_path / "whole", **options)
    assert resumed == expected and same_weights(out, tmp_path / "whole")
    assert not (tmp_path / "out.training").exists()


def test_a_training_with_other_columns_is_not_resumed(headless: Path, tmp_path: Path) -> None:
    rows = "text,label,other\nwake me,alarm,a\nis it cold,weather,b\n"
    data, out = write(tmp_path, "data.csv", rows), tmp_path / "out"
    with pytest.raises(Interrupted):
        tune(headless, data, out, report=stop_at(1))
    with pytest.raises(
        TrainingError, match="had columns 'of the usual names', but this one has 'other'"
    ):
        tune(headless, data, out, columns=Columns(label="other"), resume=True)


def test_other_files_beside_the_state_are_kept(headless: Path, table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out.training"
    folder.mkdir()
    data = folder / "data.jsonl"
    data.write_bytes(table.read_bytes())
    tune(headless, data, tmp_path / "out", force=True)
    assert [path.name for path in folder.iterdir()] == ["data.jsonl"]


def test_force_starts_over(headless: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        tune(headless, table, tmp_path / "out", report=stop_at(4))
    tune(headless, table, tmp_path / "out", force=True)
    with pytest.raises(ExportError, match="exists; replace it with --force, or choose"):
        tune(headless, table, tmp_path / "out")
    tune(headless, table, tmp_path / "out", force=True, epochs=1)
    assert json.loads((tmp_path / "out" / "training.json").read_text())["training"]["epochs"] == 1


def test_a_folder_with_something_else_is_not_replaced(headless: Path, table: Path) -> None:
    with pytest.raises(ExportError, match="is not a fine-tuned checkpoint and was not"):
        tune(headless, table, headless, force=True)


def test_a_damaged_state_is_refused(headless: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training to resume: .*omit --resume"):
        tune(headless, table, tmp_path / "out", resume=True)
    with pytest.raises(Interrupted):
        tune(headless, table, tmp_path / "out", report=stop_at(4))
    state = tmp_path / "out.training" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="state.pt' is damaged .*; start over with --force"):
        tune(headless, table, tmp_path / "out", resume=True)


COMMAND = (sys.executable, "-m", "squeezebert_mobile", "finetune")
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
OPTIONS = ("--task", "text-classification", "--batch-size", "2", "--learning-rate", "0.01")


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights_when_resumed(
    headless: Path, table: Path, tmp_path: Path, cli: Cli
) -> None:
    options = (headless, table, "-o", tmp_path / "out", *OPTIONS, "--epochs", "24")
    state = tmp_path / "out.training" / "state.pt"
    with subprocess.Popen(
        [*COMMAND, *map(str, options)], env=ONE_THREAD, stderr=subprocess.DEVNULL
    ) as process:
        while not state.exists() and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    code, out, err = cli("finetune", *options, "--resume")
    assert code == 0, err
    note, *epochs = err.splitlines()  # no progress bar in a pipe
    assert note.startswith("note: ") and epochs[-1].startswith("epoch 24  loss ")
    assert all(re.fullmatch(r"epoch \d+  loss .* \d+\.\d s", line) for line in epochs)
    assert "written to" in out
    tune(headless, table, tmp_path / "whole", epochs=24)
    assert same_weights(tmp_path / "out", tmp_path / "whole")
