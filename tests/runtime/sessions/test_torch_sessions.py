"""Sessions that run in torch: kernel backends, and threads shared by the process."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from squeezebert_mobile.artifact import file_facts
from squeezebert_mobile.errors import ArtifactError, InputError, MissingExtraError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.backends.torchscript import TORCHSCRIPT
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.runtime.sessions.executorch import Program

TEXTS = ["wake me at six", "play music", "what time is it", "is it cold"] * 2
FEED = {"input_ids": np.array([[2, 7, 9, 3]])}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torch") / "checkpoint"
    tiny.write_checkpoint(folder, task="text-classification")
    return folder


@pytest.fixture(scope="module")
def artifact(checkpoint: Path) -> Path:
    folder = checkpoint.with_name("artifact")
    export_checkpoint(checkpoint, folder, format="torchscript", texts=TEXTS)
    return folder


@pytest.mark.parametrize("engine", TORCHSCRIPT.facts.engines)
def test_a_model_runs_with_its_own_engine(checkpoint: Path, tmp_path: Path, engine: str) -> None:
    manifest = export_checkpoint(
        checkpoint, tmp_path / "out", format="torchscript", engine=engine, texts=TEXTS
    )
    assert manifest.quantization is not None and manifest.quantization.engine == engine
    before = torch.backends.quantized.engine
    answer = load_artifact(tmp_path / "out").session.run(FEED)
    assert torch.backends.quantized.engine == before
    fp32 = torch.from_numpy(FEED["input_ids"])
    theirs = tiny.tiny_theirs(task="text-classification")(fp32).logits.detach().numpy()
    assert np.abs(answer["logits"] - theirs).max() < 0.2


def _edited(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["files"]["model.pt"] = file_facts(folder / "model.pt").model_dump()
    data["quantization"] |= changes
    path.write_text(json.dumps(data), encoding="utf-8")


def test_an_unavailable_engine(checkpoint: Path, tmp_path: Path) -> None:
    export_checkpoint(checkpoint, tmp_path / "out", format="torchscript", texts=TEXTS)
    _edited(tmp_path / "out", engine="abacus")
    with pytest.raises(ArtifactError, match="packed for torch's engine 'abacus', but this torch"):
        load_artifact(tmp_path / "out")


def test_a_model_that_torch_cannot_read(checkpoint: Path, tmp_path: Path) -> None:
    export_checkpoint(checkpoint, tmp_path / "out", format="torchscript", texts=TEXTS)
    model = tmp_path / "out" / "model.pt"
    model.write_bytes(model.read_bytes()[:5000])
    _edited(tmp_path / "out")
    with pytest.raises(ArtifactError, match=r"^torch .* cannot load .*; upgrade torch, or export"):
        load_artifact(tmp_path / "out")


def test_threads_are_shared_by_the_process(artifact: Path) -> None:
    before = torch.get_num_threads()
    try:
        first = load_artifact(artifact, threads=2)
        assert torch.get_num_threads() == 2
        with pytest.raises(InputError, match="threads=1 is not possible: torch has one"):
            load_artifact(artifact, threads=1)
        with load_artifact(artifact, threads=2), load_artifact(artifact):
            pass
        first.close()
        first.close()  # has no effect
        with load_artifact(artifact, threads=1):
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_closed_session(artifact: Path) -> None:
    model = load_artifact(artifact)
    model.close()
    with pytest.raises(InputError, match="this session is closed"):
        model.session.run(FEED)


def test_the_file_contains_no_local_path(artifact: Path) -> None:
    content = (artifact / "model.pt").read_bytes()
    assert str(Path(tiny.__file__).parents[2]).encode() not in content


def test_it_is_quiet(artifact: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_artifact(artifact)("wake me at six")
    assert capfd.readouterr() == ("", "")


def test_executorch_without_torch_names_the_extra_that_has_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"squeezebert-mobile\[executorch\]"):
        Program("model.pte", threads=1)
