"""The shared recipe of the demos: fine-tune, measure and describe them, with the same bytes."""

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
from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.models.config import SqueezeBertConfig
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime import Pipeline
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.streams import print_line
from squeezebert_mobile.training.config import TrainingConfig
from squeezebert_mobile.training.demos.sentences import INTENTS, Sentence
from squeezebert_mobile.training.finetuning import finetune_checkpoint
from squeezebert_mobile.training.history import TrainingProgress

__all__ = [
    "LICENSE",
    "SEED",
    "as_data",
    "as_jsonl",
    "measure_and_describe",
    "reproducible",
    "train_demo",
    "training_facts",
    "versions",
    "write_results",
    "write_untrained",
]

LICENSE = "apache-2.0"
SEED = 0
_MAX_TOKENS = 128
#: The files of a checkpoint, among those that fine-tuning writes.
_CHECKPOINT_FILES = (
    *("config.json", "model.safetensors"),
    *("vocab.txt", "tokenizer.json", "tokenizer_config.json"),
)


@contextlib.contextmanager
def reproducible() -> Iterator[None]:
    """Make torch compute the same bits every time; its settings are restored afterwards."""
    threads = torch.get_num_threads()
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)  # a fixed order of sums; models this small gain little from threads
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(was_deterministic)


def as_jsonl(sentences: Sequence[Sentence]) -> str:
    """The sentences as a JSONL table of labelled data."""
    rows = ({"text": sentence.text, "label": sentence.intent} for sentence in sentences)
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_untrained(folder: Path, vocab: dict[str, int], sizes: Mapping[str, Any]) -> None:
    """Write a checkpoint with random weights.

    Args:
        folder: The checkpoint's folder.
        vocab: Its tokens, and the id of each.
        sizes: The fields of SqueezeBertConfig that say how large it is.
    """
    config = SqueezeBertConfig(
        vocab_size=len(vocab),
        max_position_embeddings=_MAX_TOKENS,
        problem_type="single_label_classification",
        extra={"license": LICENSE},
        **sizes,
    )
    initialize("text-classification", config.with_labels(INTENTS), seed=SEED).save_pretrained(
        folder
    )
    SqueezeBertTokenizer(vocab, model_max_length=_MAX_TOKENS).save_pretrained(folder)


def train_demo(
    checkpoint: str | Path,
    data: str,
    name: str,
    folder: Path,
    *,
    task: str,
    config: TrainingConfig,
) -> None:
    """Fine-tune `checkpoint` as the finetune command does, and write the result into `folder`.

    Args:
        checkpoint: The checkpoint to start from.
        data: The contents of the training data file.
        name: The name of that file.
        folder: The folder of the new checkpoint; files of the same names are replaced.
        task: The task to train for.
        config: The hyperparameters.
    """
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / name
        file.write_text(data, encoding="utf-8")
        finetune_checkpoint(
            checkpoint,
            file,
            Path(temporary) / "out",
            task=task,
            epochs=config.epochs,
            learning_rate=config.learning_rate,
            batch_size=config.batch_size,
            seed=config.seed,
            report=_print_progress,
        )
        folder.mkdir(parents=True, exist_ok=True)
        for file_name in _CHECKPOINT_FILES:
            shutil.copyfile(Path(temporary) / "out" / file_name, folder / file_name)


def as_data(text: str, name: str, task: str) -> DataSet:
    """The data set of a file called `name` that contains `text`."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / name
        file.write_text(text, encoding="utf-8")
        return read_data(read_file(file), task, format="lines" if task == "fill-mask" else None)


def measure_and_describe(
    folder: Path,
    measure: Callable[[Pipeline[Any], str, int], dict[str, Any]],
    config: TrainingConfig,
    sentences: int,
    model_card: Callable[[dict[str, Any]], str],
    start: str,
) -> dict[str, Any]:
    """Measure a trained checkpoint; write its results and model card.

    Args:
        folder: The checkpoint's folder.
        measure: Measures a pipeline on sentences of a split, which are generated with a seed.
        config: The hyperparameters that it was trained with.
        sentences: The number of sentences that it was trained on.
        model_card: Makes the model card from the results.
        start: What the training started from.

    Returns:
        The contents of results.json.
    """
    checkpoint = open_checkpoint(folder)
    pipeline = reference_pipeline(checkpoint)
    results = {
        "held_out": measure(pipeline, "held_out", SEED),
        # New sentences from the words and templates of the training split.
        "known_words": measure(pipeline, "training", SEED + 1),
        "training": {"from": start, **training_facts(config, sentences)},
        "parameters": sum(parameter.numel() for parameter in checkpoint.model.parameters()),
        "vocabulary": len(checkpoint.tokenizer),
        "versions": versions(),
    }
    write_results(folder, results, model_card(results))
    return results


def training_facts(config: TrainingConfig, sentences: int) -> dict[str, Any]:
    """What results.json says about the training."""
    facts = asdict(config)
    del facts["patience"]  # applies to a development set only, and there is none
    return {"sentences": sentences, **facts}


def versions() -> dict[str, str]:
    """The versions of the libraries that the bytes depend on."""
    return {name: version(name) for name in ("torch", "tokenizers")}


def write_results(folder: Path, results: Mapping[str, Any], model_card: str) -> None:
    """Write results.json and the model card."""
    text = json.dumps(results, indent=2) + "\n"
    (folder / "results.json").write_bytes(text.encode("utf-8"))
    (folder / "README.md").write_bytes(model_card.encode("utf-8"))


def _print_progress(progress: TrainingProgress) -> None:
    if progress.step % 100 == 0 or progress.step == progress.steps:
        print_line(
            f"step {progress.step:>5} of {progress.steps}  epoch {progress.epoch}  "
            f"loss {progress.loss:.3f}"
        )
