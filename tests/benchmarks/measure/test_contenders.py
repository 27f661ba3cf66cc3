import numpy as np
import pytest

from squeezebert_mobile.benchmarks.measure.contenders import (
    artifact_contender,
    artifact_contenders,
    file_contender,
    make_feed,
    open_model,
)
from squeezebert_mobile.errors import ArtifactError, BenchmarkError


def test_an_artifact_is_described_by_its_manifest(make_artifact):
    folder = make_artifact(precision="int8")
    facts = artifact_contender(folder).facts
    assert facts.label == "sentiment-int8"
    assert (facts.format, facts.precision, facts.weights) == ("onnx", "int8", "random")
    assert facts.task == "text-classification"
    assert facts.sequence_length is None
    assert facts.file_bytes == (folder / "model.onnx").stat().st_size


def test_external_data_counts_as_size(make_artifact, tiny_file):
    (tiny_file.parent / "tiny.onnx.data").write_bytes(bytes(1000))
    contender = file_contender(tiny_file, label="x", precision="fp32", vocab_size=100)
    assert contender.file_bytes == tiny_file.stat().st_size + 1000


def test_an_artifact_runs(make_artifact):
    model = open_model(artifact_contender(make_artifact()), threads=1)
    outputs = model(make_feed(vocab_size=100, sequence_length=16))
    assert outputs["logits"].shape == (1, 2)


def test_a_multiple_choice_artifact_runs_with_two_choices(make_artifact):
    contender = artifact_contender(make_artifact(task="multiple-choice"))
    assert contender.has_choices
    feed = make_feed(vocab_size=100, sequence_length=16, choices=2)
    assert open_model(contender, threads=1)(feed)["logits"].shape == (1, 2, 2)


def test_a_plain_file_runs_and_gives_what_an_artifact_of_it_gives(make_artifact, tiny_contender):
    feed = make_feed(vocab_size=100, sequence_length=16)
    (theirs,) = open_model(tiny_contender, threads=1)(feed)
    ours = open_model(artifact_contender(make_artifact()), threads=1)(feed)["logits"]
    np.testing.assert_array_equal(ours, theirs)


def test_a_plain_file_that_cannot_be_loaded_prints_nothing(tiny_file, capfd):
    """An operator whose name is not UTF-8: ONNX Runtime would print its error, and try again."""
    data = tiny_file.read_bytes()
    assert b"Gather" in data
    tiny_file.write_bytes(data.replace(b"Gather", b"Gath\xb2r"))
    contender = file_contender(tiny_file, label="x", precision="fp32", vocab_size=100)
    with pytest.raises(Exception, match="utf-8"):
        open_model(contender, threads=1)
    assert capfd.readouterr() == ("", "")


def test_a_fixed_length_is_known(make_artifact):
    assert artifact_contender(make_artifact(sequence_length=32)).sequence_length == 32


def test_labels_of_folders_with_one_name_are_unique(make_artifact):
    folders = [make_artifact(name) for name in ("a/int8", "b/int8", "c/fp32")]
    labels = [each.label for each in artifact_contenders(folders)]
    assert labels == ["a/int8", "b/int8", "fp32"]


def test_a_folder_given_twice(make_artifact):
    folder = make_artifact()
    with pytest.raises(BenchmarkError, match="is given twice"):
        artifact_contenders([folder, folder / ".." / folder.name])


def test_a_baseline_has_its_role_and_a_label_of_its_own(make_artifact):
    ours, theirs = make_artifact("a/int8"), make_artifact("b/int8")
    found = artifact_contenders([ours], baselines=[theirs])
    assert [(each.label, each.role) for each in found] == [
        ("a/int8", "contender"),
        ("b/int8", "baseline"),
    ]
    with pytest.raises(BenchmarkError, match="given twice; name each artifact and baseline once"):
        artifact_contenders([ours], baselines=[ours])


def test_not_an_artifact(tmp_path):
    with pytest.raises(ArtifactError, match="is not an artifact"):
        artifact_contender(tmp_path)


def test_no_such_file(tmp_path):
    with pytest.raises(BenchmarkError, match="no such model file"):
        file_contender(tmp_path / "x.onnx", label="x", precision="fp32", vocab_size=100)
