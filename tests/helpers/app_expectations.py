"""Writes artifacts with readable answers for the app's tests, and Python's answers with them.

python tests/helpers/app_expectations.py    writes tests/golden/app (make app-assets)

<task>/       for each task but text-classification, whose artifact is the demo: a tiny artifact
              with words of the demo's vocabulary. Its weights are random, as its manifest says
answers.json  a list of the pipelines' answers
    artifact  name of the folder, or "demo-intents" for the demo's artifact in the app's assets
    task      the artifact's task
    call      arguments of the Python pipeline, by parameter name
    ids       the model's input rows, a list of ids each: one row per text, per choice, or per
              window of the context (question-answering)
    result    the pipeline's result, as given by `to_dict`; `start` and `end` count characters
              (code points, not UTF-16 units)
    tolerance maximum difference of a score or of an element of a vector. Ids, labels, words,
              offsets and their order must be equal
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tiny
import torch
from runner_expectations import DEMO, ROOT, export_random, record_call, write_json

from squeezebert_mobile.models.checkpoint import demo_folder
from squeezebert_mobile.runtime import SqueezeBertTokenizer, load_artifact

FOLDER = ROOT / "tests/golden/app"
#: On another processor or ONNX Runtime version, int8 differs in the third digit.
TOLERANCE = 0.01

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
#: Small enough to be checked in. The vocabulary, most of the size, is the start of the demo's.
SIZES: dict[str, Any] = {
    "vocab_size": 1600,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
}

LONG = "remind me to call my mother about the weather in Paris and the music at the party " * 5
#: Plain; with an accent and an emoji; right to left; longer than the models' maximum.
TEXTS = (
    "wake me at half past six",
    "tell Zoë I'm at the café \U0001f389 \u2615",
    "ما هو الطقس في القاهرة غدا؟",
    "שלום, will it rain in Tel Aviv?",
    LONG,
)
_CONTEXT = "Zoë \U0001f389 lives in Paris. Her brother Omar, عمر, plays music at the café at seven."

CALLS: dict[str, list[dict[str, Any]]] = {
    "demo-intents": [{"texts": text, "top_k": None} for text in TEXTS],
    "feature-extraction": [{"texts": text} for text in TEXTS],
    "fill-mask": [
        {"texts": "what is the [MASK] in Paris tomorrow?"},
        {"texts": "play [MASK] by Beyoncé \U0001f3b5 in the [MASK]"},
        {"texts": "ما هو [MASK] غدا؟"},
    ],
    "multiple-choice": [
        {"texts": "how long to the airport?", "choices": ["two hours", "a café \u2615", "نعم"]},
        {"texts": TEXTS[1], "choices": ["see you there", "call my mother", "\U0001f44d", "no"]},
        {"texts": "will it rain", "choices": [LONG, "take an umbrella"]},
    ],
    "token-classification": [
        {"texts": text, "aggregation_strategy": strategy, "ignore_labels": ["O"]}
        for text in TEXTS[:4]
        for strategy in ("none", "first")
    ],
    "question-answering": [
        {"question": "who plays music?", "context": _CONTEXT, "top_k": 3},
        {"question": "أين تعيش Zoë؟", "context": _CONTEXT, "top_k": 3},
        {"question": "where?", "context": LONG, "top_k": 3},
    ],
}


def write(folder: Path) -> None:
    """Write all files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for task in export_all(folder):
        print(f"exported {task}", flush=True)
    write_json(list(answers(folder)), folder / "answers.json")


def export_all(folder: Path) -> Iterator[str]:
    """Export the artifacts of all tasks but the demo's, and yield each task."""
    for task in sorted(CALLS.keys() - {DEMO.name}):
        _export(folder, task)
        yield task


def _export(folder: Path, task: str) -> None:
    labels = {"num_labels": len(LABELS), "id2label": dict(enumerate(LABELS))}
    changes = labels if task == "token-classification" else {}
    theirs = tiny.tiny_theirs("squeezebert", task, **SIZES, **changes)
    words = (demo_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    words = words[: theirs.config.vocab_size]
    _spread_answers(theirs)
    if task == "fill-mask":
        _prefer_words(theirs, words)
    checkpoint = folder / "tiny"
    theirs.save_pretrained(checkpoint)
    vocab = {word: number for number, word in enumerate(words)}
    SqueezeBertTokenizer(vocab).save_pretrained(checkpoint)
    export_random(checkpoint, folder / task, task=task)
    shutil.rmtree(checkpoint)


def _spread_answers(theirs: Any) -> None:
    """Scale weights so that rounding on another processor cannot change the order of answers."""
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if parameter.dim() > 1 and "embeddings" not in name:
                parameter *= 3


def _prefer_words(theirs: Any, words: list[str]) -> None:
    """Add a bias so that masks are filled with words, not with pieces and punctuation."""
    is_word = torch.tensor([len(word) > 3 and word.isalpha() for word in words])
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if name.endswith("bias") and len(parameter) == len(words):
                parameter += 8.0 * is_word


def answers(folder: Path) -> Iterator[dict[str, Any]]:
    """The answers of the artifacts in `folder`, and of the demo, to CALLS."""
    for name, calls in CALLS.items():
        pipeline = load_artifact(DEMO if name == DEMO.name else folder / name, threads=1)
        for call in calls:
            result, runs = record_call(pipeline, call)
            yield {
                "artifact": name,
                "task": pipeline.manifest.task,
                "call": call,
                "ids": [row for run in runs for row in _rows(run)],
                "result": result,
                "tolerance": TOLERANCE,
            }


def _rows(run: dict[str, Any]) -> list[list[int]]:
    """The input ids of a run, without padding."""
    length = run["shape"][-1]
    ids, mask = (
        np.reshape(run["inputs"][name], (-1, length)) for name in ("input_ids", "attention_mask")
    )
    return [row[kept == 1].tolist() for row, kept in zip(ids, mask, strict=True)]


if __name__ == "__main__":
    write(FOLDER)
