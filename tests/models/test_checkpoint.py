"""Checkpoints by name: folders, the demos, presets; their licenses and vocabularies."""

from pathlib import Path

import pytest
import tiny

from squeezebert_mobile.errors import CheckpointError, ExportError
from squeezebert_mobile.models.checkpoint import (
    DEMOS,
    PRESETS,
    demo_folder,
    open_checkpoint,
    preset_config,
    read_license,
    resolve_folder,
)
from squeezebert_mobile.models.weight_files import weights_sha256
from squeezebert_mobile.tasks import TASKS


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("task", TASKS)
def test_a_folder_is_opened_with_the_head_that_its_config_names(
    family: str, task: str, tmp_path: Path
) -> None:
    tiny.write_checkpoint(tmp_path / "mine", family, task)
    checkpoint = open_checkpoint(tmp_path / "mine")
    assert (checkpoint.name, checkpoint.weights, checkpoint.license) == ("mine", "trained", None)
    assert checkpoint.model.task == task
    assert checkpoint.max_sequence_length == 40  # of the model; the tokenizer accepts more
    assert checkpoint.sha256 == weights_sha256(tmp_path / "mine")


@pytest.mark.parametrize("name", DEMOS)
def test_demos_are_opened_by_name(name: str) -> None:
    checkpoint = open_checkpoint(name)
    assert (checkpoint.name, checkpoint.weights) == (name, "trained")
    assert resolve_folder(name) == demo_folder(name)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_published_architectures(name: str) -> None:
    config = preset_config(name)
    assert (config.num_hidden_layers, config.hidden_size) == (12, 768)


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="unknown preset 'preset:bert-bas'; did you mean"):
        open_checkpoint("preset:bert-bas")
    with pytest.raises(ExportError, match="unknown task 'fil-mask'"):
        open_checkpoint("demo", task="fil-mask")
    with pytest.raises(CheckpointError, match="no such folder"):
        open_checkpoint(tmp_path / "nowhere")


def test_the_license_is_read_from_config_or_readme(tmp_path: Path) -> None:
    config = tiny.tiny_config()
    assert read_license(tmp_path, config) is None
    readme = tmp_path / "README.md"
    readme.write_text("---\nlanguage: en\nlicense: mit\ntags: []\n---\n# Title\n")
    assert read_license(tmp_path, config) == "mit"
    assert read_license(tmp_path, tiny.tiny_config(extra={"license": "apache-2.0"})) == "apache-2.0"
    readme.write_text("# Title\n\nlicense: mit\n")
    assert read_license(tmp_path, config) is None


def test_a_vocabulary_that_is_larger_than_the_model(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, task="fill-mask", vocab_size=60)
    with pytest.raises(
        CheckpointError, match="is too large: .* but vocab_size in config.json is 60"
    ):
        open_checkpoint(tmp_path)
