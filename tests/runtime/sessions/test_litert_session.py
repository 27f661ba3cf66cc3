"""LiteRT sessions: lengths, damaged and foreign files, what is printed."""

import json
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from commands import Cli
from mappings import resident_kib

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
    assert manifest.sequence_lengths == (16, 32, longest)
    assert [each.dtype for each in manifest.inputs] == ["int32"] * 3
    assert manifest.inputs[0].axes == (1, "sequence")
    written = json.loads((artifact / "manifest.json").read_text("utf-8"))
    assert written["sequence_lengths"] == [16, 32, longest]


def test_an_answer_does_not_depend_on_the_padding(artifact: Path) -> None:
    with load_artifact(artifact) as model:
        longest = model.manifest.max_sequence_length
        for length in (1, 16, 17, 32, 33, longest):
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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_file_leaves_the_process_when_its_weights_are_packed(artifact: Path) -> None:
    with load_artifact(artifact):
        assert resident_kib(artifact / "model.tflite") == [0]


def test_a_closed_session(artifact: Path) -> None:
    model = load_artifact(artifact)
    model.close()
    model.close()
    with pytest.raises(InputError, match="this session is closed; load the artifact again"):
        model.session.run({"input_ids": [[2, 3]]})


@pytest.mark.parametrize("keep", [0, 7, 1000, -100])
def test_a_damaged_file(artifact: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes((artifact / "model.tflite").read_bytes()[:keep])
    with pytest.raises(ArtifactError) as caught:
        open_model(path, "litert", read_manifest(artifact).spec, threads=1)
    assert str(caught.value).startswith("ai-edge-litert ")
    assert f"cannot load {str(path)!r}: " in str(caught.value)
    assert str(caught.value).endswith("; upgrade ai-edge-litert, or export the checkpoint again")
    assert "\n" not in str(caught.value)


_MUTATE = """
import random, sys
from pathlib import Path
import numpy as np
from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.runtime.sessions import open_model

def mutated(data, seed):
    drawn, data = random.Random(seed), bytearray(data)
    for _ in range(drawn.choice([1, 1, 3])):
        # Tables are after the weights.
        place = drawn.randrange(len(data) // 2 if drawn.random() < 0.5 else 0, len(data) - 8)
        kind = drawn.choice(["bit", "bytes", "word", "zeros", "swap", "end"])
        if kind == "bit":
            data[place] ^= 1 << drawn.randrange(8)
        elif kind == "bytes":
            data[place : place + 4] = drawn.randbytes(4)
        elif kind == "word":
            number = drawn.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, drawn.randrange(5000)])
            place -= place % 4
            data[place : place + 4] = number.to_bytes(4, "little")
        elif kind == "zeros":
            data[place : place + 8] = bytes(8)
        elif kind == "swap":
            other = drawn.randrange(len(data) - 8)
            data[place : place + 4], data[other : other + 4] = (
                data[other : other + 4], data[place : place + 4])
        else:
            del data[drawn.randrange(len(data) * 9 // 10, len(data)) :]
            break
    return bytes(data)

folder, path = Path(sys.argv[1]), Path(sys.argv[2])
data, spec = (folder / "model.tflite").read_bytes(), read_manifest(folder).spec
for seed in range(int(sys.argv[3])):
    path.write_bytes(mutated(data, seed))
    try:
        session = open_model(path, "litert", spec, threads=1)
        for length in spec.sequence_lengths:
            session.run({"input_ids": np.ones((1, length), np.int64)})
        print("ran", flush=True)
    except SqueezeBertMobileError as error:
        assert "\\n" not in str(error)
        print("refused", flush=True)
"""


def test_no_damage_ends_the_process(artifact: Path, tmp_path: Path) -> None:
    """LiteRT's own reader crashes on many of these files."""
    command = [sys.executable, "-c", _MUTATE, artifact, tmp_path / "model.tflite", "300"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    ends = done.stdout.split()
    assert done.returncode == 0, f"number {len(ends)}: {done.stderr[-1000:]}"
    assert len(ends) == 300 and ends.count("refused") > 50 and ends.count("ran") > 20


def test_another_makers_file(artifact: Path) -> None:
    spec = read_manifest(artifact).spec
    for other in (
        replace(spec, sequence_lengths=(32, 48)),
        replace(spec, outputs=(replace_name(spec.outputs[0], "scores"),)),
    ):
        with pytest.raises(ArtifactError) as caught:
            open_model(artifact / "model.tflite", "litert", other, threads=1)
        assert "has the signatures ['length_16', 'length_32', 'length_" in str(caught.value)
        assert str(caught.value).endswith("; export the checkpoint again")


def test_the_manifest_counts_what_xnnpack_runs(artifact: Path) -> None:
    manifest = read_manifest(artifact)
    left = {
        name: count - manifest.delegated.get(name, 0)
        for name, count in manifest.operators.items()
        if count != manifest.delegated.get(name)
    }
    # The lookups, and the mask made of numbers.
    assert left["EMBEDDING_LOOKUP"] == 3
    assert left.keys() <= {"EMBEDDING_LOOKUP", "EQUAL", "SELECT_V2", "RESHAPE"}
    assert manifest.delegated.keys() <= manifest.operators.keys()


def test_inspect_shows_them_side_by_side(cli: Cli, artifact: Path) -> None:
    code, out, _ = cli("inspect", artifact)
    assert code == 0 and "run by XNNPACK" in out and "each of 3 lengths" in out
    assert re.search(r"EMBEDDING_LOOKUP\W+3\W+0", out)
    assert re.search(r"FULLY_CONNECTED\W+(\d+)\W+\1\b", out)
    assert re.search(r"padded to\s+16, 32, \d+ tokens", out)
    folder = artifact.with_name("fixed")
    shutil.copytree(artifact, folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"delegated": {}}))
    assert "not counted" in cli("inspect", folder)[1]  # an artifact of an earlier version


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


def test_a_session_that_another_thread_closes_between_two_rows(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_artifact(artifact)

    def closing(*args: Any) -> Any:
        model.close()
        return run_padded(*args)

    monkeypatch.setattr("squeezebert_mobile.runtime.sessions.litert.run_padded", closing)
    with pytest.raises(InputError, match="this session is closed; load the artifact again"):
        model.session.run({"input_ids": [[2, 3]]})
