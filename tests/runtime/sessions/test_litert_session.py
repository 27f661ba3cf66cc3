"""LiteRT sessions: lengths, damaged and foreign files, what is printed."""

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import ArtifactError, InputError, MissingExtraError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.runtime.sessions import open_model
from squeezebert_mobile.runtime.sessions.padding import run_padded

TEXTS = ["wake me at six", "play music", "what time is it", "is it cold"] * 2


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("litert") / "checkpoint"
    tiny.write_checkpoint(folder, task="token-classification")
    return folder


@pytest.fixture(scope="module")
def artifact(checkpoint: Path) -> Path:
    folder = checkpoint.with_name("artifact")
    export_checkpoint(checkpoint, folder, format="litert", precision="fp32", texts=TEXTS)
    return folder


def test_the_manifest_lists_the_lengths(artifact: Path) -> None:
    manifest = read_manifest(artifact)
    longest = manifest.max_sequence_length
    assert manifest.sequence_lengths == (32, longest)
    assert [each.dtype for each in manifest.inputs] == ["int32"] * 3
    assert manifest.inputs[0].axes == (1, "sequence")
    written = json.loads((artifact / "manifest.json").read_text("utf-8"))
    assert written["sequence_lengths"] == [32, longest]


def test_an_answer_does_not_depend_on_the_padding(artifact: Path) -> None:
    with load_artifact(artifact) as model:
        longest = model.manifest.max_sequence_length
        for length in (1, 31, 32, 33, longest):
            ids = np.random.RandomState(length).randint(1, 20, (2, length))
            outputs = model.session.run({"input_ids": ids})["logits"]
            assert outputs.shape[:2] == (2, length)
            masked = np.pad(ids, [(0, 0), (0, longest - length)])
            mask = (np.arange(longest) < length).astype(np.int64) + np.zeros_like(masked)
            longer = model.session.run({"input_ids": masked, "attention_mask": mask})["logits"]
            assert np.abs(outputs - longer[:, :length]).max() < 1e-5


def test_the_shortest_length_that_fits_is_run(artifact: Path) -> None:
    spec = replace(read_manifest(artifact).spec, sequence_lengths=(4, 9))
    seen = []

    def run(row: dict) -> dict:
        seen.append(row["input_ids"].shape)
        assert row["attention_mask"].sum() == len(text)
        return {"logits": np.zeros((1, row["input_ids"].shape[-1], 3), np.float32)}

    for text in ([1], [1] * 4, [1] * 5, [1] * 9):
        row = {"input_ids": np.array([text]), "attention_mask": np.ones((1, len(text)), int)}
        assert run_padded(spec, row, run)["logits"].shape == (1, len(text), 3)
    assert seen == [(1, 4), (1, 4), (1, 9), (1, 9)]


def test_threads_share_a_session(artifact: Path) -> None:
    with load_artifact(artifact) as model:
        ids = [np.full((1, length), 5) for length in (3, 20, 34)] * 4
        expected = [model.session.run({"input_ids": each})["logits"] for each in ids]
        found: dict[int, np.ndarray] = {}

        def run(place: int) -> None:
            found[place] = model.session.run({"input_ids": ids[place]})["logits"]

        threads = [threading.Thread(target=run, args=(place,)) for place in range(len(ids))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(np.array_equal(found[place], each) for place, each in enumerate(expected))


def test_nothing_is_printed(artifact: Path) -> None:
    code = (
        "import sys; from squeezebert_mobile.runtime import load_artifact\n"
        "for _ in range(2):\n"
        "    model = load_artifact(sys.argv[1]); model('wake me'); model.close()\n"
        "print('done', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, artifact], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "done\n")


def test_a_closed_session(artifact: Path) -> None:
    model = load_artifact(artifact)
    model.close()
    model.close()
    with pytest.raises(InputError, match="this session is closed; load the artifact again"):
        model.session.run({"input_ids": [[2, 3]]})


@pytest.mark.parametrize(("keep", "said"), [(0, ""), (7, ""), (1000, ""), (-100, "")])
def test_a_damaged_file(artifact: Path, tmp_path: Path, keep: int, said: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes((artifact / "model.tflite").read_bytes()[:keep])
    with pytest.raises(ArtifactError) as caught:
        open_model(path, "litert", read_manifest(artifact).spec, threads=1)
    assert str(caught.value).startswith("ai-edge-litert ")
    assert f"cannot load {str(path)!r}: " in str(caught.value)
    assert str(caught.value).endswith("; upgrade ai-edge-litert, or export the checkpoint again")
    assert "\n" not in str(caught.value)


def test_another_makers_file(artifact: Path) -> None:
    spec = read_manifest(artifact).spec
    for other in (
        replace(spec, sequence_lengths=(32, 48)),
        replace(spec, outputs=(replace_name(spec.outputs[0], "scores"),)),
    ):
        with pytest.raises(ArtifactError) as caught:
            open_model(artifact / "model.tflite", "litert", other, threads=1)
        assert "has the signatures ['length_32', 'length_" in str(caught.value)
        assert str(caught.value).endswith("; export the checkpoint again")


def replace_name(tensor, name):
    return tensor.model_copy(update={"name": name})


def test_a_longer_input_is_refused(artifact: Path) -> None:
    with load_artifact(artifact) as model:
        longest = model.manifest.max_sequence_length
        with pytest.raises(InputError, match=f"takes at most {longest}"):
            model.session.run({"input_ids": np.ones((1, longest + 1), np.int64)})


def test_a_missing_extra_is_one_line(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.compiled_model", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(MissingExtraError, match=r"squeezebert-mobile\[litert\]"):
        load_artifact(artifact)
