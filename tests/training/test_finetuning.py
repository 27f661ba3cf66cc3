"""Fine-tuning from files to files: every task, distillation, several processes, and errors."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import transformers
from labelled import write
from small_training import FILES, run_in_two_processes, same_weights, tune, weights

from squeezebert_mobile.errors import (
    InputError,
    SqueezeBertMobileError,
)
from squeezebert_mobile.evaluation import read_data, read_file, score
from squeezebert_mobile.models.checkpoint import demo_folder, open_checkpoint
from squeezebert_mobile.models.config import SqueezeBertConfig
from squeezebert_mobile.models.families import architecture_of
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.demos.recipe import as_jsonl
from squeezebert_mobile.training.demos.sentences import INTENTS, sentences
from squeezebert_mobile.training.finetuning import finetune_checkpoint

PARTS = {"config.json", "model.safetensors", "vocab.txt", "tokenizer.json"}
PARTS |= {"tokenizer_config.json", "README.md", "training.json", "learning_curve.svg"}

OPTIONS = ("--task", "text-classification", "--batch-size", "2", "--learning-rate", "0.01")


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
        actual, expected = ours.model(ids), theirs(ids)
    for output in outputs:
        torch.testing.assert_close(
            getattr(actual, output), getattr(expected, output), rtol=0, atol=1e-5
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
    dev = write(tmp_path, "dev.jsonl", as_jsonl(sentences("development", per_intent=25)))
    scores = score(
        reference_pipeline(open_checkpoint(tmp_path / "out")),
        read_data(read_file(dev), "text-classification"),
        batch_size=32,
    )
    print(f"accuracy {scores.metrics['accuracy']:.1%}, chance is {1 / len(INTENTS):.1%}")
    assert scores.metrics["accuracy"] > 3 / len(INTENTS)


def test_a_teacher_changes_what_is_learned(tmp_path: Path, headless: Path, table: Path) -> None:
    labels = {"id2label": {0: "alarm", 1: "weather"}, "label2id": {"alarm": 0, "weather": 1}}
    tiny.write_checkpoint(tmp_path / "teacher", "bert", "text-classification", **labels)
    results = tune(headless, table, tmp_path / "taught", teacher=tmp_path / "teacher")
    tune(headless, table, tmp_path / "alone")
    assert results["teacher"] == "teacher" and not same_weights(
        tmp_path / "taught", tmp_path / "alone"
    )
    assert "distilled from teacher" in (tmp_path / "taught" / "README.md").read_text()


# Several processes --------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_train_like_one(table: Path, tmp_path: Path) -> None:
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    tiny.write_checkpoint(tmp_path / "start", **still)
    options = ["--epochs", "3", "--dev", str(table), *OPTIONS]
    results = run_in_two_processes(tmp_path / "start", table, tmp_path / "two", *options)
    expected = tune(tmp_path / "start", table, tmp_path / "one", batch_size=4, epochs=3, dev=table)
    assert results["processes"] == 2 and expected["processes"] == 1
    for ours, theirs in zip(results["epochs"], expected["epochs"], strict=True):
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
        ({"dev": "OTHER"}, "other.jsonl' has the label 'song' at line 2, but the training data '"),
        ({"dev": "OTHER"}, "table.jsonl' has 'alarm, weather'; correct the file, or add such exam"),
        ({"dev": "NUMBERS"}, "numbers.jsonl' has numbers ('0.5' at line 2), but the model trained"),
        ({"dev": "TAGS"}, "tags' is conll data, which is for token-classification"),
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
    if options.get("dev") == "NUMBERS":
        text = '{"text": "a", "label": 1}\n{"text": "a", "label": 0.5}\n'
        options = {"dev": write(tmp_path, "numbers.jsonl", text)}
    if options.get("dev") == "TAGS":
        options = {"dev": write(tmp_path, "tags", "wake O\nme B-PER\n")}
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(SqueezeBertMobileError) as raised:
        tune(headless, table, tmp_path / "out", **options)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("task", "name", "train", "dev", "message"),
    [
        (
            "token-classification",
            "data.conll",
            "wake O\nme O\nsix B-time\n",
            "wake O\n\nis O\nsix B-date\n",
            "has the label 'B-date' in the sentence at line 3, but the training data ",
        ),
        (
            "text-classification",
            "data.tsv",
            "sentence\tlabel\nis it\t0\nyes\t1\n",
            "index\tsentence1\tsentence2\tlabel\n0\tis it\tcold\tentailment\n",
            "has the labels 'entailment, not_entailment' (the first at line 2), but the training "
            "data ",
        ),
        (
            "text-classification",
            "data.csv",
            "text,label\nis it,0.5\nyes,1.5\n",
            "text,label\nis it,0.5\nyes,high\n",
            "has labels ('high' at line 3), but the model trained on ",
        ),
        (
            "text-classification",
            "data.csv",
            "text,label\nis it,0\nyes,1\n",
            "text,label\nis it,0\nyes,2\n",
            "has the label '2' at line 3, but the training data ",
        ),
    ],
)
def test_labels_that_only_the_dev_file_has(
    headless: Path, tmp_path: Path, task: str, name: str, train: str, dev: str, message: str
) -> None:
    data, other = write(tmp_path, name, train), write(tmp_path, f"dev.{name}", dev)
    with pytest.raises(InputError) as raised:
        tune(headless, data, tmp_path / "out", task=task, dev=other)
    assert str(raised.value).startswith(f"{str(other)!r} {message}{str(data)!r} ")


def test_truncated_texts_are_counted(headless: Path, tmp_path: Path) -> None:
    rows = [("wake me at six " * 20, "a"), ("is it", "b")]
    text = "".join(json.dumps({"text": t, "label": label}) + "\n" for t, label in rows)
    notes = list[str]()
    data = write(tmp_path, "data.jsonl", text)
    tune(headless, data, tmp_path / "out", note=notes.append)
    assert notes[1] == "1 of 2 examples are longer than the model's 40 tokens and are truncated"


def test_data_without_words_are_refused(headless: Path, tmp_path: Path) -> None:
    data = write(tmp_path, "data.txt", "\u0001\n")
    with pytest.raises(InputError, match="no example contains a word; use other data"):
        tune(headless, data, tmp_path / "out", task="fill-mask", data_format="lines")


def test_the_learning_curve_is_reproducible(headless: Path, table: Path, tmp_path: Path) -> None:
    for name in ("once", "again"):
        tune(headless, table, tmp_path / name, dev=table)
    once, again = ((tmp_path / n / "learning_curve.svg").read_bytes() for n in ("once", "again"))
    assert once == again and b"accuracy on the development set" in once
