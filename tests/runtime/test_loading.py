import re
import shutil
from pathlib import Path
from typing import Any

import artifacts
import pytest

from squeezebert_mobile import artifact
from squeezebert_mobile.errors import ArtifactError
from squeezebert_mobile.runtime import PIPELINES, load_artifact
from squeezebert_mobile.tasks import TASKS


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loading")
    return artifacts.write_artifact(folder, "text-classification")[1]


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    shutil.copytree(exported, tmp_path / "copy")
    return tmp_path / "copy"


def test_every_task_has_a_pipeline() -> None:
    assert PIPELINES.keys() == TASKS.keys()


def test_parts(folder: Path) -> None:
    with load_artifact(str(folder)) as model:
        assert repr(model) == "<TextClassification tiny onnx fp32>"
        assert model.manifest == artifact.read_manifest(folder)
        assert model.session.run({"input_ids": [[2, 3]]})["logits"].shape == (1, 5)
        assert model.tokenizer("wake me")["input_ids"] == [2, 42, 19, 3]


def test_a_changed_byte(folder: Path) -> None:
    model = folder / "model.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match="model.onnx' has changed since the export"):
        load_artifact(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such artifact folder"):
        load_artifact(tmp_path / "none")


def test_an_unknown_task(folder: Path) -> None:
    artifacts.rewrite_manifest(folder, task="text-clasification")
    message = "names an unknown task 'text-clasification'; did you mean 'text-classification'"
    with pytest.raises(ArtifactError, match=message):
        load_artifact(folder)


@pytest.mark.parametrize("task", ["fill-mask", "multiple-choice", "question-answering"])
def test_another_task(folder: Path, task: str) -> None:
    artifacts.rewrite_manifest(folder, task=task)
    with pytest.raises(ArtifactError, match=f"does not have the inputs and outputs of {task}"):
        load_artifact(folder)


@pytest.mark.parametrize("axes", [["batch", 2**31], [2**31, "sequence"], [2**11, 2**11], [0, 8]])
def test_an_impossible_shape(folder: Path, axes: list[int | str]) -> None:
    """The pipelines would allocate it."""
    inputs = artifact.read_manifest(folder).model_dump(mode="json")["inputs"]
    artifacts.rewrite_manifest(folder, inputs=[{**tensor, "axes": axes} for tensor in inputs])
    message = f"gives 'input_ids' an impossible shape, [{axes[0]}, {axes[1]}]; export the check"
    with pytest.raises(ArtifactError, match=re.escape(message)):
        load_artifact(folder)


def test_a_tokenizer_larger_than_the_model(folder: Path) -> None:
    manifest = artifact.read_manifest(folder)
    artifacts.rewrite_manifest(
        folder, model=manifest.model.model_dump(mode="json") | {"vocab_size": 63}
    )
    with pytest.raises(ArtifactError, match="has 64 tokens, but its model has only 63"):
        load_artifact(folder)


def list_files(folder: Path) -> None:
    files = {
        name: artifact.file_facts(folder / name).model_dump()
        for name in artifact.read_manifest(folder).files
        if (folder / name).exists()
    }
    artifacts.rewrite_manifest(folder, files=files)


def test_a_damaged_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    list_files(folder)
    with pytest.raises(ArtifactError, match="holds no WordPiece vocabulary.*; export the check"):
        load_artifact(folder)


@pytest.mark.parametrize("cased", [False, True])
def test_tokenizer_json_says_all(cased: bool, tmp_path: Path) -> None:
    """A phone reads tokenizer.json alone; files that the manifest does not list are not read."""
    options: Any = {} if not cased else {"do_lower_case": False}
    _, folder = artifacts.write_artifact(tmp_path, "text-classification")
    from squeezebert_mobile.runtime import SqueezeBertTokenizer

    vocab = SqueezeBertTokenizer.from_pretrained(folder).get_vocab()
    SqueezeBertTokenizer(vocab, **options).save_pretrained(folder)
    (folder / "tokenizer_config.json").unlink()
    list_files(folder)
    (folder / "tokenizer_config.json").write_text(f'{{"do_lower_case": {str(cased).lower()}}}')
    (folder / "added_tokens.json").write_text('{"wake": 3}')
    (folder / "config.json").write_text('{"vocab_size": 3}')
    ids = load_artifact(folder).tokenizer("WAKE me")["input_ids"]
    assert ids == ([2, 1, 19, 3] if cased else [2, 42, 19, 3])
