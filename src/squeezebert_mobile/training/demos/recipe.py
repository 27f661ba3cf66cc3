"""What the demos have in common: they are made by the finetune command, to the same bytes."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from squeezebert_mobile.evaluation.readers.data import DataSet, read_file
from squeezebert_mobile.evaluation.readers.formats import read_data
from squeezebert_mobile.models.checkpoint import DEMO, open_checkpoint
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime import Pipeline
from squeezebert_mobile.training.demos.sentences import Sentence
from squeezebert_mobile.training.finetuning import finetune_checkpoint
from squeezebert_mobile.training.loop import Progress, Training

__all__ = [
    "LICENSE",
    "SEED",
    "as_data",
    "as_jsonl",
    "finish",
    "recipe_of",
    "reproducible",
    "train",
    "versions",
    "write_results",
]

LICENSE = "apache-2.0"
SEED = 0
#: What a checkpoint is, of what finetune writes.
_FILES = (
    *("config.json", "model.safetensors"),
    *("vocab.txt", "tokenizer.json", "tokenizer_config.json"),
)


@contextlib.contextmanager
def reproducible() -> Iterator[None]:
    """Have torch compute the same bits each time; its settings are put back afterwards."""
    threads = torch.get_num_threads()
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)  # sums in one order; products this small gain nothing from threads
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(was_deterministic)


def as_jsonl(sentences: Sequence[Sentence]) -> str:
    """The sentences as labelled data."""
    rows = ({"text": sentence.text, "label": sentence.intent} for sentence in sentences)
    return "".join(json.dumps(row) + "\n" for row in rows)


def train(
    checkpoint: str | Path, data: str, name: str, folder: Path, *, task: str, training: Training
) -> None:
    """Fine-tune `checkpoint` by the finetune command, and write the new one into `folder`.

    Args:
        checkpoint: Where to start.
        data: What the file to learn holds.
        name: How that file is called.
        folder: Where the checkpoint goes; files of the same names are replaced.
        task: Of the head.
        training: How.
    """
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / name
        file.write_text(data, encoding="utf-8")
        finetune_checkpoint(
            checkpoint,
            file,
            Path(place) / "out",
            task=task,
            epochs=training.epochs,
            learning_rate=training.learning_rate,
            batch_size=training.batch_size,
            seed=training.seed,
            report=_report,
        )
        folder.mkdir(parents=True, exist_ok=True)
        for each in _FILES:
            shutil.copyfile(Path(place) / "out" / each, folder / each)


def as_data(text: str, name: str, task: str) -> DataSet:
    """The data set of a file called `name` that holds `text`."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / name
        file.write_text(text, encoding="utf-8")
        return read_data(read_file(file), task, format="lines" if task == "fill-mask" else None)


def finish(
    folder: Path,
    measure: Callable[[Pipeline[Any], str, int], dict[str, Any]],
    training: Training,
    sentences: int,
    readme: Callable[[dict[str, Any]], str],
) -> dict[str, Any]:
    """Measure a checkpoint that was trained from the demo, and write down what came of it.

    Args:
        folder: Where it is.
        measure: Asks a pipeline for sentences of a split, drawn with a seed.
        training: How it was trained.
        sentences: On how many.
        readme: Its card, of the results.

    Returns:
        What results.json holds.
    """
    made = open_checkpoint(folder)
    pipeline = reference_pipeline(made)
    results = {
        "held_out": measure(pipeline, "held_out", SEED),
        # Sentences drawn anew, of words and templates that were read.
        "known_words": measure(pipeline, "training", SEED + 1),
        "training": {"from": DEMO, **recipe_of(training, sentences)},
        "parameters": sum(parameter.numel() for parameter in made.model.parameters()),
        "vocabulary": len(made.tokenizer),
        "versions": versions(),
    }
    write_results(folder, results, readme(results))
    return results


def recipe_of(training: Training, sentences: int) -> dict[str, Any]:
    """What results.json says of the training."""
    used = asdict(training)
    del used["patience"]  # of a development set, and there is none
    return {"sentences": sentences, **used}


def versions() -> dict[str, str]:
    """Of what decides the bytes."""
    return {name: version(name) for name in ("torch", "tokenizers")}


def write_results(folder: Path, results: Mapping[str, Any], readme: str) -> None:
    """Write what was measured, and what is to be said of it."""
    text = json.dumps(results, indent=2) + "\n"
    (folder / "results.json").write_bytes(text.encode("utf-8"))
    (folder / "README.md").write_bytes(readme.encode("utf-8"))


def _report(progress: Progress) -> None:
    if progress.step % 100 == 0 or progress.step == progress.steps:
        print(
            f"step {progress.step:>5} of {progress.steps}  epoch {progress.epoch}  "
            f"loss {progress.loss:.3f}",
            flush=True,
        )
