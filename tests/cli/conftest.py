"""A valid checkpoint and artifact, for tests that damage them."""

import shutil
from pathlib import Path

import pytest
import tiny

from squeezebert_mobile.benchmarks.measure.schedule import PRESETS, Preset
from squeezebert_mobile.export import convert, export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts


@pytest.fixture(autouse=True)
def _rapid_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many runs and blocks as always, but not six seconds of them."""
    monkeypatch.setitem(PRESETS, "rapid", Preset("rapid", 64, 0, 16, 1))


@pytest.fixture(autouse=True)
def _fewer_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eighth of them is enough where an export's limits are not what is tested."""
    monkeypatch.setattr(convert, "shipped_texts", lambda: shipped_texts()[::8])


@pytest.fixture(scope="session")
def valid_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a valid checkpoint and the artifact exported from it."""
    folder = tmp_path_factory.mktemp("valid")
    tiny.write_checkpoint(folder / "checkpoint", task="text-classification")
    export_checkpoint(
        folder / "checkpoint", folder / "artifact", precision="fp32", texts=shipped_texts()[::8]
    )
    return folder


@pytest.fixture
def workdir(valid_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `valid_folder` as the working directory."""
    shutil.copytree(valid_folder, tmp_path / "workdir")
    monkeypatch.chdir(tmp_path / "workdir")
    return tmp_path / "workdir"
