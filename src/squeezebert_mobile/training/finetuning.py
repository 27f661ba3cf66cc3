"""Fine-tune a checkpoint on labelled data, from files to files; loop.py has the training loop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.labels import describe_labels, list_labels, unknown_labels
from squeezebert_mobile.evaluation.metrics import METRICS
from squeezebert_mobile.evaluation.predictions import make_predictor
from squeezebert_mobile.evaluation.readers.columns import Columns
from squeezebert_mobile.evaluation.readers.data import DataSet, read_file
from squeezebert_mobile.evaluation.readers.formats import read_data
from squeezebert_mobile.evaluation.readers.tables import SHAPES
from squeezebert_mobile.evaluation.scoring import score
from squeezebert_mobile.models.checkpoint import Checkpoint, download_checkpoint, open_checkpoint
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.tasks import TASKS
from squeezebert_mobile.training.config import (
    DEFAULT_BATCH_SIZE,
    TrainingConfig,
    check_options,
    check_precision,
    default_config,
)
from squeezebert_mobile.training.distillation import (
    HiddenStateTeacher,
    Targets,
    Teacher,
    open_teacher,
)
from squeezebert_mobile.training.examples import (
    Encoder,
    TrainingExample,
    check_trainable,
    encode_examples,
    some_inputs,
)
from squeezebert_mobile.training.history import DevScore, TrainingProgress
from squeezebert_mobile.training.initial_head import (
    InitialCheckpoint,
    labels_of,
    open_initial_checkpoint,
)
from squeezebert_mobile.training.loop import open_accelerator, train
from squeezebert_mobile.training.output import training_outcome, training_setup, write_output
from squeezebert_mobile.training.output_folder import check_output
from squeezebert_mobile.training.plain_text import LINES, encode_lines, read_lines
from squeezebert_mobile.training.quantized.student import make_student
from squeezebert_mobile.training.resume import StateFile

__all__ = ["finetune_checkpoint"]

_EVALUATION_BATCH_SIZE = 32
_DEFAULT_COLUMNS = "of the usual names"  # in saved states: another text could not be resumed


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
    quantize: str | None = None,
    revision: str | None = None,
    teacher_revision: str | None = None,
    resume: bool = False,
    force: bool = False,
    data_format: str | None = None,
    columns: Columns | None = None,
    report: Callable[[TrainingProgress], None] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Fine-tune a checkpoint on labelled data, or prepare it for an export to int8 or int4.

    Args:
        checkpoint: A folder in Hugging Face layout, a Hub id, a demo, or ``preset:NAME``.
        data: The training data, in any format that `read_data` reads.
        folder: The folder of the new checkpoint; it appears only when complete.
        task: The task to train for.
        dev: Data to evaluate on after each epoch; the best weights are kept.
        epochs: None means 3, or as many as give 1,000 steps, at most 50.
        learning_rate: The peak. None means 5e-5 for a hidden size of 768, and more for smaller
            ones, at most 1e-3.
        batch_size: Batch size per process; None means 16.
        seed: Random seed for head initialization, shuffling and dropout.
        teacher: A checkpoint with the same vocabulary and labels to distill from.
        quantize: "int8" or "int4": train with the rounded weights of an export to this precision,
            towards the teacher, which is `checkpoint` by default. `data` may be plain text.
        revision: A branch, a tag or a commit of a checkpoint with a Hub id; None is its default
            branch.
        teacher_revision: The same for the teacher.
        resume: Whether to continue an interrupted training into `folder`.
        force: Whether to replace an older fine-tuned checkpoint, and to discard the state of an
            interrupted training.
        data_format: The format of both files; None detects it.
        columns: The column names of a table.
        report: Called after every step.
        note: Called with each note for the user.

    Returns:
        The contents of training.json.

    Raises:
        CheckpointError: the checkpoint or the teacher cannot be used.
        ExportError: the folder cannot be written.
        InputError: the data or an option cannot be used.
        TrainingError: the training cannot start or continue.
    """
    folder = Path(folder)
    check_output(folder, force=force)
    check_options(epochs, learning_rate, batch_size)
    check_precision(quantize)
    accelerator = open_accelerator()
    main_note = note if accelerator.is_main_process else lambda text: None
    columns = columns or Columns()
    revision = download_checkpoint(checkpoint, revision=revision)
    if quantize is not None and (data_format == LINES or not TASKS[task].has_answers):
        if data_format not in {None, LINES}:
            raise InputError(
                f"{task} learns no labels; give plain text, a text on each line, with "
                f"--data-format {LINES}"
            )
        train_data = read_lines(read_file(Path(data)), task)
        initial = InitialCheckpoint(
            open_checkpoint(checkpoint, task=task, revision=revision), False, {}
        )
    else:
        own_labels = partial(labels_of, checkpoint, revision=revision)
        train_data = _read_training_data(data, own_labels, task, data_format, columns)
        check_trainable(train_data, data)
        initial = open_initial_checkpoint(checkpoint, train_data, seed=seed, revision=revision)
    source = initial.checkpoint
    if quantize is not None:
        _check_quantizable(initial, quantize, dev)
    for text in source.notes:
        main_note(text)
    if initial.has_new_head:
        main_note(_new_head_note(source.name, train_data, columns, seed))
    dev_data = None
    if dev is not None:
        dev_data = _read_dev(dev, source, train_data, data_format, columns)
    opened_teacher, student = None, None
    if quantize is not None and teacher is None:
        teacher, teacher_revision = checkpoint, revision
    if teacher is not None:
        opened_teacher = open_teacher(teacher, source, revision=teacher_revision)
    examples = _encode(initial, train_data, main_note)
    config = _config(examples, source, accelerator, epochs, learning_rate, batch_size, seed)
    setup = training_setup(
        initial, train_data, dev_data, opened_teacher, config, accelerator, quantize
    )
    files = [data] if dev is None else [data, dev]
    recipe = _recipe(setup, files, train_data, columns, opened_teacher)
    state_file = StateFile(folder, recipe)
    state = state_file.to_resume(resume=resume, force=force)
    if accelerator.is_main_process and state is None:
        state_file.remove()

    targets: Targets | None = opened_teacher
    trained = source
    if quantize is not None and opened_teacher is not None:
        own_feeds = some_inputs(task, source.tokenizer, examples)
        student = make_student(source, quantize, own_feeds)
        targets = HiddenStateTeacher(opened_teacher, student.model, student.feeds)
        trained = replace(source, model=student.model.model)

    def save(state: dict[str, Any]) -> None:
        if accelerator.is_main_process:
            state_file.save(state)

    history = train(
        trained.model,
        source.tokenizer,
        examples,
        config,
        accelerator=accelerator,
        teacher=targets,
        measure=_dev_scorer(trained, dev_data) if dev_data else None,
        state=state,
        save=save,
        report=report,
    )
    results = setup | training_outcome(history)
    if student is not None:
        source = replace(source, model=student.finish())
    if accelerator.is_main_process:
        preparation = student.preparation if student else None
        write_output(folder, source, results, history, preparation, force=force)
        state_file.remove()
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return results


def _read_training_data(
    path: str | Path,
    own_labels: Callable[[], tuple[str, ...]],
    task: str,
    data_format: str | None,
    columns: Columns,
) -> DataSet:
    """The training data; numbers are classes if they are the checkpoint's labels."""
    file = read_file(Path(path))
    data = read_data(file, task, format=data_format, columns=columns)
    if not data.is_regression or columns.labels_are:
        return data
    columns = replace(columns, model_labels=own_labels())
    return read_data(file, task, format=data_format, columns=columns)


def _check_quantizable(initial: InitialCheckpoint, quantize: str, dev: str | Path | None) -> None:
    name, task = initial.checkpoint.name, initial.checkpoint.model.task
    if initial.has_new_head:
        raise InputError(
            f"{name} has no head that fits the data, so it has nothing to keep in {quantize}; "
            "train it without --quantize first"
        )
    if dev is not None and not TASKS[task].has_answers:
        raise InputError(f"{task} outputs vectors, which cannot be scored; omit --dev")


def _new_head_note(name: str, data: DataSet, columns: Columns, seed: int) -> str:
    note = f"{name} has no head that fits the data; a new one is initialized (seed {seed})"
    if data.is_regression and data.format in SHAPES and not columns.labels_are:
        note += (
            ", which outputs a number (regression), because labels have fractions; for classes "
            "add --labels-are classes"
        )
    return note


def _read_dev(
    path: str | Path,
    source: Checkpoint,
    train_data: DataSet,
    data_format: str | None,
    columns: Columns,
) -> DataSet:
    """The development set; its labels must be those that are trained."""
    pipeline = reference_pipeline(source)
    labels = pipeline.spec.labels or ()
    columns = replace(
        columns,
        is_regression=train_data.is_regression,
        model_labels=() if train_data.is_regression else labels,
    )
    task = source.model.task
    data = read_data(read_file(Path(path)), task, format=data_format, columns=columns)
    # Raises for other labels now, and not only after the first epoch.
    if data.classes and train_data.classes and (unknown := unknown_labels(labels, data)):
        raise InputError(
            f"{describe_labels(data, unknown)}, but the training data {train_data.source} has "
            f"{list_labels(labels)}; correct the file, or add such examples to the training data"
        )
    name = f"the model trained on {train_data.source}"
    make_predictor(pipeline, data, _EVALUATION_BATCH_SIZE, name=name)
    return data


def _encode(
    initial: InitialCheckpoint, data: DataSet, note: Callable[[str], None]
) -> list[TrainingExample]:
    source = initial.checkpoint
    encoder = Encoder(source.tokenizer, source.max_sequence_length, initial.label_ids)
    encode = encode_lines if data.format == LINES else encode_examples
    examples = encode(data.task, encoder, data.examples)
    if not examples:
        raise InputError("no example contains a word; use other data")
    if truncated := sum(example.is_truncated for example in examples):
        note(
            f"{truncated:,} of {len(examples):,} examples are longer than the model's "
            f"{source.max_sequence_length} tokens and are truncated"
        )
    return examples


def _config(
    examples: list[TrainingExample],
    source: Checkpoint,
    accelerator: Accelerator,
    epochs: int | None,
    learning_rate: float | None,
    batch_size: int | None,
    seed: int,
) -> TrainingConfig:
    """The given hyperparameters, and defaults for the others."""
    total_batch_size = (batch_size or DEFAULT_BATCH_SIZE) * accelerator.num_processes
    default = default_config(
        len(examples), source.model.config.hidden_size, batch_size=total_batch_size
    )
    return replace(
        default,
        epochs=epochs or default.epochs,
        batch_size=batch_size or default.batch_size,
        learning_rate=learning_rate or default.learning_rate,
        seed=seed,
    )


def _dev_scorer(source: Checkpoint, dev: DataSet) -> Callable[[], DevScore]:
    """A function that scores the model in its current state on `dev`, as evaluate does."""
    pipeline, name = reference_pipeline(source), dev.metrics[0]
    sign = 1 if METRICS[dev.task][name].higher_is_better else -1

    def measure() -> DevScore:
        value = score(pipeline, dev, batch_size=_EVALUATION_BATCH_SIZE).metrics[name]
        return DevScore(name, value, sign * value)

    return measure


def _recipe(
    setup: Mapping[str, Any],
    files: Sequence[str | Path],
    data: DataSet,
    columns: Columns,
    teacher: Teacher | None,
) -> dict[str, Any]:
    """Everything that must be the same to resume a training, by the name that messages use."""
    names = (columns.text, columns.pair, columns.label, columns.delimiter)
    return {
        **_flat(setup),
        "data": "".join(sha256_of(Path(file)) for file in files),
        "columns": ", ".join(name for name in names if name) or _DEFAULT_COLUMNS,
        "data format": data.format,
        "labels": ", ".join(data.classes),
        "teacher's weights": teacher.sha256 if teacher else None,
    }


def _flat(setup: Mapping[str, Any]) -> dict[str, Any]:
    """The nested values in one dict, by the innermost key."""
    flat: dict[str, Any] = {}
    for name, value in setup.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat
