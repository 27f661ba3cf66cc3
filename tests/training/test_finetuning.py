"""Fine-tuning from files to files: every task, resuming, several processes, and errors."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import transformers
from commands import Cli
from labelled import squad, write
from safetensors.torch import load_file, save_file

from squeezebert_mobile.errors import (
    CheckpointError,
    ExportError,
    InputError,
    SqueezeBertMobileError,
    TrainingError,
)
from squeezebert_mobile.evaluation import Columns, read_data, read_file, score
from squeezebert_mobile.models.checkpoint import demo_folder, open_checkpoint
from squeezebert_mobile.models.config import SqueezeBertConfig
from squeezebert_mobile.models.families import architecture_of
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.config import default_config
from squeezebert_mobile.training.demos.recipe import as_jsonl
from squeezebert_mobile.training.demos.sentences import INTENTS, sentences
from squeezebert_mobile.training.finetuning import finetune_checkpoint
from squeezebert_mobile.training.history import TrainingProgress

CONTEXT = "the clock is past six yes the dog is big at night"
TABLE = "".join(
    json.dumps({"text": text, "label": label}) + "\n"
    for text, label in (
        *(("wake me at six", "alarm"), ("is it cold", "weather"), ("set the alarm", "alarm")),
        *(("what rain at night", "weather"), ("wake me", "alarm"), ("sun is what", "weather")),
    )
)
FILES = {
    "text-classification": ("data.jsonl", TABLE),
    "token-classification": ("data.conll", "wake O\nme O\nat O\nsixing B-time\n\nstop O\n"),
    "question-answering": (
        "data.json",
        squad([{"question": "what is big", "answers": ["the dog"]}], CONTEXT),
    ),
    "multiple-choice": (
        "data.jsonl",
        '{"text": "it is cold", "choices": ["rain", "a song to play"], "label": 1}\n',
    ),
    "fill-mask": ("data.txt", "wake me at six\nis it cold\n"),
}
PARTS = {"config.json", "model.safetensors", "vocab.txt", "tokenizer.json"}
PARTS |= {"tokenizer_config.json", "README.md", "training.json", "learning_curve.svg"}


class Interrupted(Exception):
    """Stands for a power failure."""


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "headless"
    tiny.write_checkpoint(folder)
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path, "table.jsonl", TABLE)


def tune(checkpoint: Path | str, data: Path, folder: Path, **options: Any) -> dict[str, Any]:
    defaults = {"task": "text-classification", "epochs": 2, "batch_size": 2, "learning_rate": 1e-2}
    return finetune_checkpoint(checkpoint, data, folder, **(defaults | options))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    ours, theirs = weights(a), weights(b)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


# Every task ---------------------------------------------------------------------------------


@pytest.mark.parametrize("task", FILES)
def test_transformers_reads_the_checkpoint(task: str, headless: Path, tmp_path: Path) -> None:
    name, text = FILES[task]
    data, notes = write(tmp_path, name, text), list[str]()
    form = "lines" if task == "fill-mask" else None
    results = tune(
        headless, data, tmp_path / "out", task=task, dev=data, data_format=form, note=notes.append
    )
    assert notes == ["headless has no head that fits the data; a new one is initialized (seed 0)"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == PARTS
    assert {path.name for path in tmp_path.iterdir()} == {name, "out"}
    ours = open_checkpoint(tmp_path / "out")
    assert ours.model.task == task
    theirs_class = getattr(transformers, architecture_of(ours.model.config, task))
    theirs = theirs_class.from_pretrained(tmp_path / "out").eval()
    shape = (1, 2, 6) if task == "multiple-choice" else (2, 6)
    ids = torch.arange(12).reshape(shape)
    outputs = ("start_logits", "end_logits") if task == "question-answering" else ("logits",)
    with torch.no_grad():
        found, expected = ours.model(ids), theirs(ids)
    for output in outputs:
        torch.testing.assert_close(
            getattr(found, output), getattr(expected, output), rtol=0, atol=1e-5
        )
    # The reported score is the one that evaluation gives for the written folder.
    measured = read_data(read_file(data), task, format=form)
    metric = measured.metrics[0]
    again = score(reference_pipeline(ours), measured, batch_size=32).metrics[metric]
    assert results["best"][metric] == pytest.approx(again, abs=1e-6)
    assert json.loads((tmp_path / "out" / "training.json").read_text()) == results


def test_numbers_train_a_regression_model(headless: Path, tmp_path: Path) -> None:
    rows = [
        {"text": f"wake me at {word}", "label": value}
        for word, value in (("six", 0.5), ("seven", 2.5), ("noon", 1.0))
    ]
    data = write(tmp_path, "data.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    results = tune(headless, data, tmp_path / "out", dev=data, epochs=40)
    config = SqueezeBertConfig.from_pretrained(tmp_path / "out")
    assert (config.problem_type, config.num_labels) == ("regression", 1)
    assert results["best"]["pearson"] > 0.9


@pytest.mark.slow
def test_1200_short_texts_train_a_useful_model_by_default(tmp_path: Path) -> None:
    config = SqueezeBertConfig(
        vocab_size=2400,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    initialize("feature-extraction", config).save_pretrained(tmp_path / "random")
    SqueezeBertTokenizer.from_pretrained(demo_folder()).save_pretrained(tmp_path / "random")
    learned = sentences("training", per_intent=100, seed=5)
    data = write(tmp_path, "data.jsonl", as_jsonl(learned))
    finetune_checkpoint(tmp_path / "random", data, tmp_path / "out", task="text-classification")
    asked = write(tmp_path, "dev.jsonl", as_jsonl(sentences("development", per_intent=25)))
    found = score(
        reference_pipeline(open_checkpoint(tmp_path / "out")),
        read_data(read_file(asked), "text-classification"),
        batch_size=32,
    )
    print(f"accuracy {found.metrics['accuracy']:.1%}, chance is {1 / len(INTENTS):.1%}")
    assert found.metrics["accuracy"] > 3 / len(INTENTS)


@pytest.mark.parametrize(
    ("examples", "hidden", "epochs", "rate"),
    [
        (1200, 32, 14, 1e-3),
        (1200, 768, 14, 5e-5),
        (400_000, 768, 3, 5e-5),
        (8, 768, 50, 5e-5),
        (1200, 384, 14, 1e-4),
    ],
)
def test_default_hyperparameters(examples: int, hidden: int, epochs: int, rate: float) -> None:
    config = default_config(examples, hidden)
    assert (config.epochs, config.batch_size) == (epochs, 16)
    assert config.learning_rate == pytest.approx(rate)


# The initial head ---------------------------------------------------------------------------


def test_a_head_with_the_labels_is_kept(tmp_path: Path, table: Path) -> None:
    labels = {0: "weather", 1: "music", 2: "alarm"}
    ids = {name: place for place, name in labels.items()}
    theirs = tiny.write_checkpoint(
        tmp_path / "start", task="text-classification", id2label=labels, label2id=ids, num_labels=3
    )
    notes = list[str]()
    tune(tmp_path / "start", table, tmp_path / "out", learning_rate=1e-12, note=notes.append)
    config = SqueezeBertConfig.from_pretrained(tmp_path / "out")
    assert config.id2label == labels and not notes
    torch.testing.assert_close(
        weights(tmp_path / "out")["classifier.weight"], theirs.classifier.weight
    )


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"num_labels": 3}, '{"text": "wake me", "label": 0}\n{"text": "is it", "label": 1}\n'),
        (
            {"num_labels": 2, "problem_type": "multi_label_classification"},
            '{"text": "wake me", "label": "LABEL_0"}\n{"text": "is it", "label": "LABEL_1"}\n',
        ),
        (
            {"num_labels": 2, "problem_type": "regression"},
            '{"text": "wake me", "label": 0.5}\n{"text": "is it", "label": 1}\n',
        ),
    ],
)
def test_a_head_for_something_else_is_not_kept(
    changes: dict[str, Any], data: str, tmp_path: Path
) -> None:
    tiny.write_checkpoint(tmp_path / "start", task="text-classification", **changes)
    notes = list[str]()
    tune(
        tmp_path / "start",
        write(tmp_path, "data.jsonl", data),
        tmp_path / "out",
        note=notes.append,
    )
    assert len(notes) == 1


def test_a_regression_head_is_kept(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path / "start", task="text-classification", num_labels=1)
    data = write(tmp_path, "data.jsonl", '{"text": "wake me", "label": 0.5}\n')
    whole = write(tmp_path, "dev.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 2}\n')
    notes = list[str]()
    tune(tmp_path / "start", data, tmp_path / "out", dev=whole, note=notes.append)
    assert not notes


def test_a_head_with_other_labels_is_replaced(tmp_path: Path, table: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path / "start", task="text-classification", num_labels=2)
    notes = list[str]()
    options = {"learning_rate": 1e-12, "note": notes.append}
    tune(tmp_path / "start", table, tmp_path / "out", **options)
    found = weights(tmp_path / "out")
    assert SqueezeBertConfig.from_pretrained(tmp_path / "out").id2label == {
        0: "alarm",
        1: "weather",
    }
    assert len(notes) == 1
    name = "transformer.encoder.layers.1.output.conv1d.weight"
    torch.testing.assert_close(found[name], theirs.state_dict()[name])
    assert not torch.allclose(found["classifier.weight"], theirs.classifier.weight)
    tune(tmp_path / "start", table, tmp_path / "other", seed=1, **options)
    assert not torch.allclose(
        found["classifier.weight"], weights(tmp_path / "other")["classifier.weight"]
    )


def test_a_damaged_encoder_is_not_taken_for_a_missing_head(
    headless: Path, tmp_path: Path, table: Path
) -> None:
    tiny.write_checkpoint(tmp_path / "start")
    left = weights(tmp_path / "start")
    del left["encoder.layers.0.attention.key.weight"]
    save_file(left, tmp_path / "start" / "model.safetensors")
    with pytest.raises(CheckpointError, match="missing: .*layers.0.attention.key.weight"):
        tune(tmp_path / "start", table, tmp_path / "out")


def test_the_labels_of_glue_have_the_published_order(headless: Path, tmp_path: Path) -> None:
    text = "index\tsentence1\tsentence2\tlabel\n0\twake me\tis it cold\tnot_entailment\n"
    data = write(tmp_path, "rte.tsv", text + "1\twake me\tat six\tentailment\n")
    tune(headless, data, tmp_path / "out")
    labels = SqueezeBertConfig.from_pretrained(tmp_path / "out").id2label
    assert labels == {0: "entailment", 1: "not_entailment"}


def test_a_teacher_changes_what_is_learned(tmp_path: Path, headless: Path, table: Path) -> None:
    labels = {"id2label": {0: "alarm", 1: "weather"}, "label2id": {"alarm": 0, "weather": 1}}
    tiny.write_checkpoint(tmp_path / "teacher", "bert", "text-classification", **labels)
    results = tune(headless, table, tmp_path / "taught", teacher=tmp_path / "teacher")
    tune(headless, table, tmp_path / "alone")
    assert results["teacher"] == "teacher" and not same(tmp_path / "taught", tmp_path / "alone")
    assert "distilled from teacher" in (tmp_path / "taught" / "README.md").read_text()


# Resuming -----------------------------------------------------------------------------------


def stop_at(step: int) -> Any:
    def report(progress: TrainingProgress) -> None:
        if progress.step > step:
            raise Interrupted

    return report


def test_an_interrupted_training_is_resumed(headless: Path, table: Path, tmp_path: Path) -> None:
    out, options = tmp_path / "out", {"epochs": 3, "dev": table}
    with pytest.raises(Interrupted):
        tune(headless, table, out, report=stop_at(4), **options)  # in the second epoch of 3 steps
    assert not out.exists()
    assert [path.name for path in (tmp_path / "out.training").iterdir()] == ["state.pt"]
    with pytest.raises(
        TrainingError, match="has the state of an interrupted training; .* --resume, or sta"
    ):
        tune(headless, table, out, **options)
    with pytest.raises(
        TrainingError, match="had learning_rate 0.01, but this one has 0.02; use the s"
    ):
        tune(headless, table, out, **options, learning_rate=0.02, resume=True)
    found = tune(headless, table, out, **options, resume=True)
    expected = tune(headless, table, tmp_path / "whole", **options)
    assert found == expected and same(out, tmp_path / "whole")
    assert not (tmp_path / "out.training").exists()


def test_a_training_with_other_columns_is_not_resumed(headless: Path, tmp_path: Path) -> None:
    rows = "text,label,other\nwake me,alarm,a\nis it cold,weather,b\n"
    data, out = write(tmp_path, "data.csv", rows), tmp_path / "out"
    with pytest.raises(Interrupted):
        tune(headless, data, out, report=stop_at(1))
    with pytest.raises(
        TrainingError, match="had columns 'of the usual names', but this one has 'other'"
    ):
        tune(headless, data, out, columns=Columns(label="other"), resume=True)


def test_other_files_beside_the_state_are_kept(headless: Path, table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out.training"
    folder.mkdir()
    data = folder / "data.jsonl"
    data.write_bytes(table.read_bytes())
    tune(headless, data, tmp_path / "out", force=True)
    assert [path.name for path in folder.iterdir()] == ["data.jsonl"]


def test_force_starts_over(headless: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        tune(headless, table, tmp_path / "out", report=stop_at(4))
    tune(headless, table, tmp_path / "out", force=True)
    with pytest.raises(ExportError, match="exists; replace it with --force, or choose"):
        tune(headless, table, tmp_path / "out")
    tune(headless, table, tmp_path / "out", force=True, epochs=1)
    assert json.loads((tmp_path / "out" / "training.json").read_text())["training"]["epochs"] == 1


def test_a_folder_with_something_else_is_not_replaced(headless: Path, table: Path) -> None:
    with pytest.raises(ExportError, match="is not a fine-tuned checkpoint and was not"):
        tune(headless, table, headless, force=True)


def test_a_damaged_state_is_refused(headless: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training to resume: .*omit --resume"):
        tune(headless, table, tmp_path / "out", resume=True)
    with pytest.raises(Interrupted):
        tune(headless, table, tmp_path / "out", report=stop_at(4))
    state = tmp_path / "out.training" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="state.pt' is damaged .*; start over with --force"):
        tune(headless, table, tmp_path / "out", resume=True)


COMMAND = (sys.executable, "-m", "squeezebert_mobile", "finetune")
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
OPTIONS = ("--task", "text-classification", "--batch-size", "2", "--learning-rate", "0.01")


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights_when_resumed(
    headless: Path, table: Path, tmp_path: Path, cli: Cli
) -> None:
    options = (headless, table, "-o", tmp_path / "out", *OPTIONS, "--epochs", "24")
    state = tmp_path / "out.training" / "state.pt"
    with subprocess.Popen(
        [*COMMAND, *map(str, options)], env=ONE_THREAD, stderr=subprocess.DEVNULL
    ) as process:
        while not state.exists() and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    code, out, err = cli("finetune", *options, "--resume")
    assert code == 0, err
    assert err.count("\n") == 1 and err.startswith("note: ")  # no progress bar in a pipe
    assert "written to" in out
    tune(headless, table, tmp_path / "whole", epochs=24)
    assert same(tmp_path / "out", tmp_path / "whole")


# Several processes --------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_train_like_one(table: Path, tmp_path: Path) -> None:
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    tiny.write_checkpoint(tmp_path / "start", **still)
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    launch += ["--nproc-per-node=2", "-m", "squeezebert_mobile", "finetune"]
    options = [str(tmp_path / "start"), str(table), "-o", str(tmp_path / "two"), *OPTIONS]
    options += ["--epochs", "3", "--dev", str(table), "--json"]
    done = subprocess.run(
        [sys.executable, *launch, *options], env=ONE_THREAD, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    expected = tune(tmp_path / "start", table, tmp_path / "one", batch_size=4, epochs=3, dev=table)
    assert found["processes"] == 2 and expected["processes"] == 1
    for ours, theirs in zip(found["epochs"], expected["epochs"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, weight in one.items():
        # AdamW takes a full step for the smallest gradient, so rounding differences show.
        torch.testing.assert_close(two[name], weight, rtol=0, atol=1e-3, msg=name)


# Errors and notes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "--epochs 0 is too few; give 1 or more"),
        ({"batch_size": 0}, "--batch-size 0 is too few; give 1 or more"),
        (
            {"learning_rate": 0.0},
            "--learning-rate 0 is out of range; use a small value such as 5e",
        ),
        ({"learning_rate": float("nan")}, "--learning-rate nan is out of range"),
        ({"task": "fill-mask"}, "is jsonl data, which is for text-classification, but the mod"),
        ({"task": "feature-extraction"}, "feature-extraction outputs vectors"),
        ({"dev": "OTHER"}, "the data has the labels 'alarm, song', but the model has 'alarm, wea"),
        ({"teacher": "demo"}, "the teacher 'demo' has "),
        ({"data_format": "xml"}, "unknown data format 'xml'"),
    ],
)
def test_errors_are_one_line(
    headless: Path, table: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    if options.get("dev") == "OTHER":
        text = '{"text": "a", "label": "alarm"}\n{"text": "a", "label": "song"}\n'
        options = {"dev": write(tmp_path, "other.jsonl", text)}
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(SqueezeBertMobileError) as raised:
        tune(headless, table, tmp_path / "out", **options)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_truncated_texts_are_counted(headless: Path, tmp_path: Path) -> None:
    rows = [("wake me at six " * 20, "a"), ("is it", "b")]
    text = "".join(json.dumps({"text": t, "label": label}) + "\n" for t, label in rows)
    notes = list[str]()
    data = write(tmp_path, "data.jsonl", text)
    tune(headless, data, tmp_path / "out", note=notes.append)
    assert notes[1] == "1 of 2 examples are longer than the model's 40 tokens and are truncated"


def test_data_without_words_are_refused(headless: Path, tmp_path: Path) -> None:
    data = write(tmp_path, "data.txt", "\u0001\n")
    with pytest.raises(InputError, match="no example has a word in it; give other data"):
        tune(headless, data, tmp_path / "out", task="fill-mask", data_format="lines")


def test_the_learning_curve_is_reproducible(headless: Path, table: Path, tmp_path: Path) -> None:
    for name in ("once", "again"):
        tune(headless, table, tmp_path / name, dev=table)
    once, again = ((tmp_path / n / "learning_curve.svg").read_bytes() for n in ("once", "again"))
    assert once == again and b"accuracy on the development set" in once
