"""From a checkpoint to a verified artifact: every task of both families in every precision."""

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from every_format import FORMATS, paired

from squeezebert_mobile.artifact import read_artifact, read_golden
from squeezebert_mobile.errors import CheckpointError, ExportError, ParityError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.backends.onnx import backend
from squeezebert_mobile.export.verify.limits import LIMITS, Limit
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.tasks import INPUT_NAMES, TASKS

TEXTS = shipped_texts()[::8]  # 25


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny-classifier"
    tiny.write_checkpoint(folder, task="text-classification", num_labels=3)
    return folder


@pytest.mark.parametrize(
    ("format", "precision", "task", "family"), paired(tuple(TASKS), tiny.FAMILIES)
)
def test_every_task_agrees_with_transformers(
    format: str, task: str, family: str, precision: str, tmp_path: Path
) -> None:
    theirs = tiny.write_checkpoint(tmp_path / "checkpoint", family, task, num_hidden_layers=2)
    manifest = export_checkpoint(
        tmp_path / "checkpoint", tmp_path / "out", format=format, precision=precision, texts=TEXTS
    )
    for name, output in manifest.parity.outputs.items():
        print(f"{family} {task} {precision} {name}: {output}")
    assert manifest.task == task
    session = load_artifact(tmp_path / "out").session
    for batch, length in ((1, 40), (3, 7), (2, 1)):
        shape = (batch, 2, length) if task == "multiple-choice" else (batch, length)
        ids = np.random.default_rng(length).integers(5, 60, shape)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids % 3}
        feed["attention_mask"][0, ..., length // 2 + 1 :] = 0
        with torch.inference_mode():
            found = theirs(**{name: torch.from_numpy(feed[name]) for name in INPUT_NAMES})
        for name, ours in session.run(feed).items():
            theirs_output = found[name].numpy()
            if "sequence" in TASKS[task].outputs[name]:  # outputs at padding do not count
                real = feed["attention_mask"].astype(bool)
                ours, theirs_output = ours[real], theirs_output[real]
            difference = np.abs(ours - theirs_output).max()
            assert (
                difference <= {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.2, "int4": 1.5}[precision]
            ), (name, difference)


def test_the_manifest_describes_the_artifact(checkpoint: Path, tmp_path: Path) -> None:
    made = export_checkpoint(checkpoint, tmp_path / "out", texts=TEXTS)
    manifest = read_artifact(tmp_path / "out")
    assert manifest == made
    assert manifest.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert (manifest.weights, manifest.source.name) == ("trained", "tiny-classifier")
    assert manifest.max_sequence_length == 40
    assert manifest.sequence_length is None
    assert manifest.outputs[0].axes == ("batch", 3)
    assert manifest.parity.texts == 25
    assert manifest.parity.top1_agreement == 1
    answered = manifest.parity.answers + manifest.parity.answers_undecided
    assert 75 <= answered <= 75 + 3 * 2  # at three lengths; a last batch of 3 wraps around
    assert sum(part.parameters for part in manifest.parts.values()) == manifest.model.parameters
    kinds = {"golden.json", "model.onnx", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}
    assert manifest.files.keys() == kinds


@pytest.mark.parametrize("format", FORMATS)
def test_golden_outputs_are_the_artifacts_own(
    checkpoint: Path, tmp_path: Path, format: str
) -> None:
    export_checkpoint(checkpoint, tmp_path / "out", format=format, texts=TEXTS)
    golden, model = read_golden(tmp_path / "out"), load_artifact(tmp_path / "out")
    assert len(golden.texts) == 8
    for text in golden.texts:
        feed = {name: np.array(getattr(text, name)) for name in INPUT_NAMES}
        for name, array in model.session.run(feed).items():
            expected = text.outputs[name]
            assert array.shape == expected.shape
            ours = array.ravel()[list(expected.indices)]
            np.testing.assert_allclose(ours, expected.values, atol=1e-5)
            assert array.argmax(-1).ravel().tolist() == list(expected.top)
        encoded = model.tokenizer(*text.texts[0], truncation=True, max_length=40)
        assert tuple(encoded["input_ids"]) == text.input_ids[0]
    assert (tmp_path / "out" / "golden.json").stat().st_size <= 200_000


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_checkpoint_gives_the_same_bytes(
    checkpoint: Path, tmp_path: Path, format: str
) -> None:
    for name in ("a", "b"):
        export_checkpoint(checkpoint, tmp_path / name, format=format, texts=TEXTS)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("length", [8, 40])
@pytest.mark.parametrize("format", FORMATS)
def test_a_fixed_length(checkpoint: Path, tmp_path: Path, format: str, length: int) -> None:
    manifest = export_checkpoint(
        checkpoint, tmp_path / "out", format=format, sequence_length=length, texts=TEXTS
    )
    assert manifest.sequence_length == manifest.max_sequence_length == length
    model = load_artifact(tmp_path / "out")
    assert model("wake me at seven").label.startswith("LABEL_")


def test_several_lengths_of_a_file_of_fixed_shapes(checkpoint: Path, tmp_path: Path) -> None:
    manifest = export_checkpoint(
        checkpoint,
        tmp_path / "out",
        format="litert",
        precision="fp32",
        sequence_length=[24, 8, 24],
        texts=TEXTS,
    )
    assert manifest.sequence_lengths == (8, 24)
    assert (manifest.max_sequence_length, manifest.sequence_length) == (24, None)
    with load_artifact(tmp_path / "out") as model:
        assert model("wake me at seven").label.startswith("LABEL_")


def test_a_shorter_maximum(checkpoint: Path, tmp_path: Path) -> None:
    manifest = export_checkpoint(checkpoint, tmp_path / "o", max_sequence_length=20, texts=TEXTS)
    assert (manifest.max_sequence_length, manifest.sequence_length) == (20, None)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"task": "classify"}, ExportError, "unknown task 'classify'.*text-classification"),
        ({"format": "onxx"}, ExportError, "unknown format 'onxx'; did you mean 'onnx'"),
        ({"engine": "x87"}, ExportError, "unknown engine 'x87'; did you mean 'x86'"),
        (
            {"format": "torchscript", "precision": "int4"},
            ExportError,
            "--precision int4 is for --format onnx; torchscript comes in fp32 and int8",
        ),
        ({"engine": "x86"}, ExportError, "--engine x86 is for --format torchscript --precision i"),
        ({"precision": "int9"}, ExportError, "unknown precision 'int9'; did you mean 'int8'"),
        ({"sequence_length": 0}, ExportError, "--sequence-length 0 is too short"),
        ({"sequence_length": 41}, ExportError, "the model reads up to 40 tokens"),
        ({"max_sequence_length": 41}, ExportError, "--max-sequence-length 41 is too long"),
        ({"sequence_length": 8, "max_sequence_length": 16}, ExportError, "contradicts"),
        (
            {"format": "litert", "sequence_length": [8, 41]},
            ExportError,
            "--sequence-length 41 is too long; the model reads up to 40 tokens",
        ),
        (
            {"format": "litert", "sequence_length": [8, 16], "max_sequence_length": 24},
            ExportError,
            "--max-sequence-length 24 contradicts --sequence-length 16",
        ),
        ({"task": "fill-mask"}, CheckpointError, "predictions"),
        ({"texts": TEXTS[:1]}, ExportError, "1 text is too few to verify with; give at least 8"),
        ({"texts": TEXTS[:7]}, ExportError, "7 texts are too few to verify with; give at least 8"),
    ],
)
def test_a_wrong_option_writes_nothing(
    checkpoint: Path,
    tmp_path: Path,
    options: dict[str, object],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        export_checkpoint(checkpoint, tmp_path / "out", **({"texts": TEXTS} | options))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_model_with_other_outputs_is_not_written(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(graph: object, precision: str, overrides: dict[str, str]) -> object:
        quantized, record = correct(graph, precision, overrides)  # type: ignore[arg-type]
        for tensor in quantized.graph.initializer:
            if "layers.1" in tensor.name and tensor.name.endswith(".scale"):
                tensor.raw_data = bytes(len(tensor.raw_data))  # the products of one layer give 0
        return quantized, record

    correct = backend.quantize
    monkeypatch.setattr(backend, "quantize", wrong)
    with pytest.raises(ParityError, match="(?s)does not answer as the checkpoint does.*logits"):
        export_checkpoint(checkpoint, tmp_path / "out", texts=TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_the_limit_of_fp32_is_checked(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "fp32", Limit(max_abs_diff=1e-12))
    with pytest.raises(ParityError, match="fp32 model does not answer") as raised:
        export_checkpoint(checkpoint, tmp_path / "out", precision="fp32", texts=TEXTS)
    (table,) = raised.value.__notes__
    assert "max_abs_diff <= 1e-12" in table


def test_no_texts_are_not_replaced_by_others(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="text"):
        export_checkpoint(checkpoint, tmp_path / "out", texts=[])
    assert not (tmp_path / "out").exists()
