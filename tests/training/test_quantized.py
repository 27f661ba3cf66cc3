"""Training with rounded weights: it computes what the exported file will, learns, and resumes."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tiny
import torch
from labelled import write
from small_training import FILES, run_in_two_processes, same_weights, tune, weights
from torch.nn.utils import parametrize

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.quantize.preparation import (
    FILE,
    calibrated,
    read_preparation,
    write_preparation,
)
from squeezebert_mobile.models.checkpoint import open_checkpoint, shipped_texts
from squeezebert_mobile.models.rewriting import products, rewrite
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.tasks import TASKS
from squeezebert_mobile.training import plain_text
from squeezebert_mobile.training.examples import TrainingExample, some_inputs
from squeezebert_mobile.training.history import TrainingProgress
from squeezebert_mobile.training.quantized import student as student_module
from squeezebert_mobile.training.quantized.student import Student, make_student

#: Of 200; half of them are calibrated with.
TEXTS = shipped_texts()[::8]
LINES = "wake me at six\nis it cold\nset the alarm\nwhat rain at night\nwake me\nsun is what\n"


@pytest.fixture(autouse=True)
def _fewer_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (plain_text, student_module):
        monkeypatch.setattr(module, "shipped_texts", lambda: TEXTS)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write(tmp_path, "lines.txt", LINES)


def _checkpoint(folder: Path, task: str, family: str = "bert") -> Path:
    tiny.write_checkpoint(folder, family, task)
    return folder


def _quantized(checkpoint: Path, data: Path, folder: Path, **options: Any) -> dict[str, Any]:
    defaults = {"quantize": "int4", "data_format": "lines", "learning_rate": 1e-3, "batch_size": 32}
    return tune(checkpoint, data, folder, **(defaults | options))


@pytest.mark.parametrize(
    ("family", "task", "precision"),
    [
        ("bert", "text-classification", "int4"),  # whose last layer computes the first token
        ("bert", "feature-extraction", "int8"),
        ("squeezebert", "fill-mask", "int4"),
    ],
)
@torch.no_grad()
def test_the_exported_file_computes_what_was_trained(
    family: str, task: str, precision: str, tmp_path: Path
) -> None:
    source = open_checkpoint(_checkpoint(tmp_path / "tiny", task, family))
    student = make_student(source, precision, [])
    _starts_beside_the_unrounded_weights(student)
    generator = torch.Generator().manual_seed(0)
    for module in student.model.modules():  # as if it had been trained
        if parametrize.is_parametrized(module):
            latent = module.parametrizations.weight.original
            latent += 0.5 * latent.std() * torch.randn(latent.shape, generator=generator)
            if module.bias.requires_grad:
                module.bias += 0.1 * torch.randn(module.bias.shape, generator=generator)
    trained = [product.weight.clone() for product in products(student.model)]
    row = source.tokenizer.encode_rows("wake me at six", strategy="longest_first", max_length=9)
    ids = torch.tensor([row[0].ids])
    feed = ids, torch.ones_like(ids), torch.zeros_like(ids)
    expected = student.model(*feed)
    student.finish().save_pretrained(tmp_path / "trained")
    source.tokenizer.save_pretrained(tmp_path / "trained")
    write_preparation(tmp_path / "trained", student.preparation)

    notes: list[str] = []
    preparation = read_preparation(tmp_path / "trained", precision, task, notes.append)
    assert preparation and not notes
    again = rewrite(open_checkpoint(tmp_path / "trained").model)
    calibrated(again, [feed], precision, preparation)
    for product, weight in zip(products(again), trained, strict=True):
        torch.testing.assert_close(product.weight, weight, rtol=1e-5, atol=1e-7)

    options = {"precision": precision, "texts": TEXTS}
    manifest = export_checkpoint(tmp_path / "trained", tmp_path / "out", **options)
    assert "higher" not in str(manifest.quantization)
    with load_artifact(tmp_path / "out") as model:
        names = ("input_ids", "attention_mask", "token_type_ids")
        outputs = model.session.run({n: x.numpy() for n, x in zip(names, feed, strict=True)})
    found = outputs.values() if isinstance(outputs, dict) else outputs
    for ours, theirs in zip(found, expected, strict=True):
        size = theirs.abs().max().item()
        np.testing.assert_allclose(ours, theirs.numpy(), atol=0.02 * size, rtol=0)


def _starts_beside_the_unrounded_weights(student: Student) -> None:
    for module in products(student.model):
        weights = cast(Any, module).parametrizations.weight
        away = (weights.original - module.weight).abs() / weights[0].grid.steps
        assert 0.05 < away.mean() < 0.4 and away.max() < 0.41


@pytest.mark.parametrize(("size", "expected"), [(1, 1), (900, 450)])  # 900 have 18,000 tokens
def test_a_part_of_the_training_data_is_calibrated_with(
    size: int, expected: int, tmp_path: Path
) -> None:
    source = open_checkpoint(_checkpoint(tmp_path / "tiny", "feature-extraction"))
    rows = [np.full(20, 5 + place % 9, np.int32) for place in range(size)]
    examples = [TrainingExample((row,), (0 * row,), None, 20, False, False) for row in rows]
    feeds = list(some_inputs("feature-extraction", source.tokenizer, examples))
    found = torch.cat([ids for ids, _, _ in feeds])
    assert len(found) == expected
    assert len(set(found[:, 0].tolist())) == min(size, 9)  # evenly chosen
    without = make_student(source, "int4", []).feeds
    assert len(make_student(source, "int4", feeds).feeds) == len(without) + len(feeds)


@pytest.mark.parametrize("task", TASKS)
def test_plain_text_trains_every_task(task: str, lines: Path, tmp_path: Path) -> None:
    start = _checkpoint(tmp_path / "tiny", task)
    results = _quantized(start, lines, tmp_path / "out", task=task, epochs=1)
    assert results["quantize"] == "int4" and results["teacher"] == "tiny"
    assert results["examples"] == len(LINES.splitlines()) + len(TEXTS[::2])
    assert (tmp_path / "out" / FILE).is_file()
    assert open_checkpoint(tmp_path / "out").model.task == task


def test_training_comes_closer_to_the_checkpoint(lines: Path, tmp_path: Path) -> None:
    start = _checkpoint(tmp_path / "tiny", "feature-extraction")
    results = _quantized(start, lines, tmp_path / "out", task="feature-extraction", epochs=8)
    losses = [epoch["loss"] for epoch in results["epochs"]]
    assert losses[-1] < 0.9 * losses[0], losses


@pytest.mark.parametrize("task", ["text-classification", "question-answering"])
def test_labels_are_learned_as_well(task: str, headless: Path, tmp_path: Path) -> None:
    name, text = FILES[task]
    data = write(tmp_path, name, text)
    with pytest.raises(InputError, match="has no head that fits the data.*without --quantize fir"):
        tune(headless, data, tmp_path / "out", task=task, quantize="int4")
    tune(headless, data, tmp_path / "trained", task=task)
    results = tune(
        tmp_path / "trained", data, tmp_path / "out", task=task, quantize="int4", dev=data
    )
    assert results["dev_examples"] == results["examples"]


def test_a_precision_without_rounding_is_refused(lines: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--quantize fp16 rounds no weights; give int8 or int4"):
        _quantized(tmp_path / "tiny", lines, tmp_path / "out", quantize="fp16")


def test_an_interrupted_training_is_resumed(lines: Path, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stop(progress: TrainingProgress) -> None:
        if progress.step > progress.steps // 2:  # in the second epoch of three
            raise Interrupted

    start = _checkpoint(tmp_path / "tiny", "text-classification")
    with pytest.raises(Interrupted):
        _quantized(start, lines, tmp_path / "out", epochs=3, report=stop)
    resumed = _quantized(start, lines, tmp_path / "out", epochs=3, resume=True)
    assert resumed == _quantized(start, lines, tmp_path / "whole", epochs=3)
    assert same_weights(tmp_path / "out", tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_train_like_one(lines: Path, tmp_path: Path) -> None:
    start = _checkpoint(tmp_path / "tiny", "feature-extraction")
    options = "--task feature-extraction --quantize int4 --epochs 3 --batch-size 3".split()
    options += ["--learning-rate", "0.001"]
    results = run_in_two_processes(start, lines, tmp_path / "two", *options)
    expected = _quantized(
        start, lines, tmp_path / "one", task="feature-extraction", batch_size=6, epochs=3
    )
    assert results["processes"] == 2 and expected["processes"] == 1
    losses = [[epoch["loss"] for epoch in x["epochs"]] for x in (results, expected)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    for folder in (tmp_path / "one", tmp_path / "two"):
        assert read_preparation(folder, "int4", "feature-extraction", pytest.fail)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, weight in one.items():
        assert torch.cosine_similarity(weight.flatten(), two[name].flatten(), dim=0) > 0.99, name
