"""From a checkpoint and labelled data to a fine-tuned checkpoint: read, train, write."""

import importlib.metadata
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.errors import InputError, TrainingError
from squeezebert_mobile.evaluation.metrics import METRICS
from squeezebert_mobile.evaluation.predictions import make_predictor
from squeezebert_mobile.evaluation.readers.data import DataSet, read_file
from squeezebert_mobile.evaluation.readers.formats import Columns, read_data
from squeezebert_mobile.evaluation.scoring import score
from squeezebert_mobile.files import atomic_folder, check_replaceable
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.tasks import TASKS
from squeezebert_mobile.training.distillation import Teacher, open_teacher
from squeezebert_mobile.training.examples import Lesson, Reader, make_lessons
from squeezebert_mobile.training.initial_head import Start, open_start
from squeezebert_mobile.training.learning_curve import draw_learning_curve
from squeezebert_mobile.training.loop import (
    History,
    Progress,
    Score,
    Training,
    finetune,
    open_accelerator,
)
from squeezebert_mobile.training.resume import StateFile

__all__ = ["CURVE_FILE", "RESULTS_FILE", "finetune_checkpoint", "usual_training"]

RESULTS_FILE = "training.json"
CURVE_FILE = "learning_curve.svg"
_KIND = {"marker": RESULTS_FILE, "what": "a fine-tuned checkpoint"}
_MEASURED_TOGETHER = 32

# Defaults: docs/finetune.md has what was tried.
_BATCH_SIZE = 16
_EPOCHS, _MOST_EPOCHS = 3, 50
_LEAST_STEPS = 1000  # fewer leave a new head, and a small encoder, where they were
_RATE, _AT_WIDTH, _HIGHEST_RATE = 5e-5, 768, 1e-3  # a narrower encoder takes a higher rate


def usual_training(lessons: int, hidden_size: int, *, batch_size: int | None = None) -> Training:
    """How to train where nothing is said.

    Args:
        lessons: How many there are.
        hidden_size: The width of the encoder.
        batch_size: Of all processes together, where something is said about that.
    """
    steps = -(-lessons // (batch_size or _BATCH_SIZE))
    return Training(
        epochs=min(_MOST_EPOCHS, max(_EPOCHS, -(-_LEAST_STEPS // steps))),
        batch_size=_BATCH_SIZE,
        learning_rate=min(_HIGHEST_RATE, _RATE * _AT_WIDTH / hidden_size),
    )


def finetune_checkpoint(
    checkpoint: str | Path,
    data: str | Path,
    folder: str | Path,
    *,
    task: str,
    dev: str | Path | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    teacher: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    data_format: str | None = None,
    columns: Columns | None = None,
    report: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Fine-tune a checkpoint on labelled data.

    Args:
        checkpoint: A folder in Hugging Face layout, a Hub id, a demo, or ``preset:NAME``.
        data: The file to learn, in one of the formats that evaluate reads.
        folder: Where the new checkpoint goes; nothing is there until it is whole.
        task: What the data are for.
        dev: A file to measure with after each epoch; the best weights are kept.
        epochs: None is 3, or as many as make 1,000 steps, at most 50.
        learning_rate: The highest; None is 5e-5 for a width of 768, and more for less, up to 1e-3.
        batch_size: Of one process; None is 16.
        seed: Of a new head, of the order and of dropout.
        teacher: A checkpoint of the same vocabulary and labels whose answers are learned as well.
        resume: Whether to go on with a training into `folder` that broke off.
        force: Whether to replace an older fine-tuned checkpoint, and to forget a broken-off one.
        data_format: Of both files; None finds out.
        columns: The names of a table's columns.
        report: Called after every step.
        note: Called with what there is to be said.

    Returns:
        What training.json holds.

    Raises:
        CheckpointError: the checkpoint or the teacher cannot be used.
        ExportError: the folder cannot be written.
        InputError: the data or an option cannot be used.
        TrainingError: the training cannot go on.
    """
    folder = Path(folder)
    check_replaceable(folder, force=force, **_KIND)
    _check_options(epochs, learning_rate, batch_size)
    accelerator = open_accelerator()
    say = note if accelerator.is_main_process else lambda text: None
    learned = read_data(read_file(Path(data)), task, format=data_format, columns=columns)
    _check_data(learned, data)
    start = open_start(checkpoint, learned, seed=seed)
    source = start.checkpoint
    if start.is_new:
        say(f"{source.name} has no head that fits the data; a new one is drawn (seed {seed})")
    measured = None
    if dev is not None:
        same = replace(columns or Columns(), is_regression=learned.is_regression)
        measured = read_data(read_file(Path(dev)), task, format=data_format, columns=same)
        make_predictor(
            reference_pipeline(source), measured, _MEASURED_TOGETHER
        )  # refuses other labels
    tutor = open_teacher(teacher, source) if teacher is not None else None
    lessons = _lessons(start, learned, say)
    training = _training(lessons, source, accelerator, epochs, learning_rate, batch_size, seed)
    facts = _facts(start, learned, measured, tutor, training, accelerator)
    files = [data] if dev is None else [data, dev]
    recipe = {
        **_flat(facts),
        "data": "".join(sha256_of(Path(each)) for each in files),
        "columns": _names(columns or Columns()),
        "data format": learned.format,
        "labels": ", ".join(learned.classes),
        "teacher's weights": tutor.sha256 if tutor else None,
    }
    state_file = StateFile(folder, recipe)
    state = _broken_off(state_file, resume=resume, force=force)
    if accelerator.is_main_process and state is None:
        state_file.remove()

    def save(state: dict[str, Any]) -> None:
        if accelerator.is_main_process:
            state_file.save(state)

    history = finetune(
        source.model,
        source.tokenizer,
        lessons,
        training,
        accelerator=accelerator,
        teacher=tutor,
        measure=_measure(source, measured) if measured else None,
        state=state,
        save=save,
        report=report,
    )
    results = facts | _outcome(history)
    if accelerator.is_main_process:
        _write(folder, source, results, history, force=force)
        state_file.remove()
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return results


def _names(columns: Columns) -> str:
    named = (columns.text, columns.pair, columns.label)
    return ", ".join(name for name in named if name) or "of the usual names"


# Before -------------------------------------------------------------------------------------


def _check_options(epochs: int | None, learning_rate: float | None, batch_size: int | None) -> None:
    for option, count in (("--epochs", epochs), ("--batch-size", batch_size)):
        if count is not None and count < 1:
            raise InputError(f"{option} {count} is too few; give 1 or more")
    if learning_rate is not None and not 0 < learning_rate <= 1:
        raise InputError(
            f"--learning-rate {learning_rate:g} is out of range; give a small one as 5e-5, or "
            "leave it out"
        )


def _check_data(data: DataSet, name: str | Path) -> None:
    """See that there is something to be learned."""
    name = repr(str(name))
    if TASKS[data.task].has_labels and not data.is_regression:
        if len(data.classes) < 2:
            raise InputError(
                f"{name} has one label, {data.classes[0]!r}, for everything, so there is nothing "
                "to learn; give examples of two labels or more"
            )
    if TASKS[data.task].has_choices:
        first, *others = data.examples
        for other in others:
            if len(other.texts) != len(first.texts):
                raise InputError(
                    f"{name} has {len(other.texts) - 1} choices at {other.location}, and "
                    f"{len(first.texts) - 1} at {first.location}; give all as many"
                )


def _lessons(start: Start, data: DataSet, say: Callable[[str], None]) -> list[Lesson]:
    source = start.checkpoint
    reader = Reader(source.tokenizer, source.max_sequence_length, start.label_ids)
    lessons = make_lessons(data.task, reader, data.examples)
    if not lessons:
        raise InputError("no example has a word in it; give other data")
    if cut := sum(lesson.is_cut for lesson in lessons):
        say(
            f"{cut:,} of {len(lessons):,} examples are longer than the "
            f"{source.max_sequence_length} tokens that the model reads, and are cut"
        )
    return lessons


def _training(
    lessons: list[Lesson],
    source: Checkpoint,
    accelerator: Accelerator,
    epochs: int | None,
    learning_rate: float | None,
    batch_size: int | None,
    seed: int,
) -> Training:
    """What was asked for, and the usual for the rest."""
    together = (batch_size or _BATCH_SIZE) * accelerator.num_processes
    usual = usual_training(len(lessons), source.model.config.hidden_size, batch_size=together)
    return replace(
        usual,
        epochs=epochs or usual.epochs,
        batch_size=batch_size or usual.batch_size,
        learning_rate=learning_rate or usual.learning_rate,
        seed=seed,
    )


def _broken_off(file: StateFile, *, resume: bool, force: bool) -> dict[str, Any] | None:
    """The state to go on with; None to start at the beginning."""
    if not file.exists():
        if resume:
            raise TrainingError(
                f"there is no training to go on with: {str(file.folder)!r} has no state; "
                "leave --resume out"
            )
        return None
    if resume:
        return file.load()
    if force:
        return None
    raise TrainingError(
        f"{str(file.folder)!r} holds a training that broke off; go on with it by --resume, or "
        "start anew with --force"
    )


def _measure(source: Checkpoint, dev: DataSet) -> Callable[[], Score]:
    """What asks the model as it is for the answers to `dev`, as evaluate does."""
    pipeline, name = reference_pipeline(source), dev.metrics[0]
    sign = 1 if METRICS[dev.task][name].higher_is_better else -1

    def measure() -> Score:
        value = score(pipeline, dev, batch_size=_MEASURED_TOGETHER).metrics[name]
        return Score(name, value, sign * value)

    return measure


# What is written ----------------------------------------------------------------------------


def _facts(
    start: Start,
    data: DataSet,
    dev: DataSet | None,
    teacher: Teacher | None,
    training: Training,
    accelerator: Accelerator,
) -> dict[str, Any]:
    """What is known before the first step."""
    source = start.checkpoint
    return {
        "task": data.task,
        "checkpoint": {
            "name": source.name,
            "sha256": source.sha256,
            "head": "new" if start.is_new else "its own",
        },
        "teacher": teacher.name if teacher else None,
        "examples": len(data.examples),
        "dev_examples": len(dev.examples) if dev else 0,
        "training": asdict(training),
        "processes": accelerator.num_processes,
        "mixed_precision": accelerator.mixed_precision,
        "versions": {"squeezebert-mobile": __version__}
        | {tool: importlib.metadata.version(tool) for tool in ("torch", "accelerate")},
    }


def _flat(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts without levels, by the last of their names."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        found |= _flat(value) if isinstance(value, dict) else {name: value}
    return found


def _outcome(history: History) -> dict[str, Any]:
    def shown(score: Score | None) -> dict[str, Any]:
        return {score.name: score.value} if score else {}

    epochs = [
        {"epoch": each.epoch, "step": each.step, "loss": each.loss} | shown(each.score)
        for each in history.epochs
    ]
    return {"epochs": epochs, "best": epochs[history.best.epoch - 1]}


def _write(
    folder: Path, source: Checkpoint, results: dict[str, Any], history: History, *, force: bool
) -> None:
    with atomic_folder(folder, force=force, **_KIND) as partial:
        source.model.save_pretrained(partial)
        source.tokenizer.save_pretrained(partial)
        draw_learning_curve(history, partial / CURVE_FILE)
        for name, text in (
            (RESULTS_FILE, json.dumps(results, indent=1) + "\n"),
            ("README.md", _readme(folder.name, source, results)),
        ):
            (partial / name).write_bytes(text.encode())


def _readme(name: str, source: Checkpoint, results: Mapping[str, Any]) -> str:
    """A model card."""
    license = f"license: {source.license}\n" if source.license else ""
    teacher = f", with the answers of {results['teacher']}" if results["teacher"] else ""
    best = results["best"]
    measured = "".join(
        f"On {results['dev_examples']:,} examples of a development set its {metric} is "
        f"{value:.4f}, the best of {len(results['epochs'])} epochs.\n"
        for metric, value in best.items()
        if metric not in {"epoch", "step", "loss"}
    )
    return f"""---
{license}base_model: {source.name}
pipeline_tag: {results["task"]}
---
# {name}

{source.name}, fine-tuned for {results["task"]} on {results["examples"]:,} examples{teacher}.
{measured}training.json has the recipe and every epoch.

![The loss of each step]({CURVE_FILE})
"""
