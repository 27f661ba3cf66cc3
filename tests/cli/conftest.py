"""A valid checkpoint and artifact, for tests that damage them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from squeezebert_mobile.benchmarks.measure.schedule import PRESETS, Preset


@pytest.fixture(autouse=True)
def _rapid_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many runs and blocks as always, but not six seconds of them."""
    monkeypatch.setitem(PRESETS, "rapid", Preset("rapid", 64, 0, 16, 1))


@pytest.fixture(scope="module")
def valid_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a valid checkpoint and the artifact exported from it."""
    folder = tmp_path_factory.mktemp("valid")
    tiny.write_checkpoint(folder / "checkpoint", task="text-classification")
    command = "export checkpoint -o artifact --precision fp32".split()
    subprocess.run(
        [sys.executable, "-m", "squeezebert_mobile", *command],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def workdir(valid_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `valid_folder` as the working directory."""
    shutil.copytree(valid_folder, tmp_path / "workdir")
    monkeypatch.chdir(tmp_path / "workdir")
    return tmp_path / "workdir"
