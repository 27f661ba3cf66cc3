"""The command `finetune`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from squeezebert_mobile.cli.checks import check_checkpoint, check_data
from squeezebert_mobile.cli.options import (
    DataFormat,
    Debug,
    Delimiter,
    Json,
    LabelColumn,
    LabelsAre,
    PairColumn,
    Revision,
    TaskName,
    TextColumn,
)
from squeezebert_mobile.errors import InputError, require_extra
from squeezebert_mobile.input_files import parse_delimiter
from squeezebert_mobile.streams import Console, print_json
from squeezebert_mobile.tasks import check_has_answers
from squeezebert_mobile.training.config import check_options, check_precision
from squeezebert_mobile.training.output_folder import check_output
from squeezebert_mobile.training.processes import check_processes, is_first_process

__all__ = ["finetune"]


def finetune(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="Checkpoint to start from: Hugging Face folder, Hub id, demo, demo-slots, "
            "demo-fill-mask, or preset:NAME (random weights)."
        ),
    ],
    data: Annotated[Path, typer.Argument(help="Training data, in a format that evaluate reads.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Checkpoint folder to write.")],
    task: Annotated[
        TaskName,
        typer.Option(metavar="TASK", help="Task to train for, e.g. text-classification."),
    ],
    dev: Annotated[
        Path | None,
        typer.Option(
            help="Development data, evaluated after each epoch; the best weights are kept."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of epochs (default: 3, or enough for 1,000 steps; at most 50)."
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Peak learning rate (default: 5e-5 for hidden size 768, higher if smaller)."
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Batch size per process (default: 16).")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=2**32 - 1,
            help="Random seed for head initialization, shuffling and dropout.",
        ),
    ] = 0,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Checkpoint to distill from (with --quantize the default is the first one).",
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="PRECISION",
            help="int8 or int4: train with the rounded weights of an export to it. DATA may be "
            "plain text, one a line (--data-format lines).",
        ),
    ] = None,
    revision: Revision = None,
    teacher_revision: Annotated[
        str | None, typer.Option(metavar="REV", help="The same for the checkpoint of --teacher.")
    ] = None,
    data_format: DataFormat = None,
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    delimiter: Delimiter = None,
    labels_are: LabelsAre = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume an interrupted training run.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an existing fine-tuned checkpoint.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fine-tune a checkpoint on labelled data.

    Several GPUs or machines: torchrun --nproc-per-node N -m squeezebert_mobile finetune ...
    """
    for extra in ("export", "evaluate", "finetune"):
        require_extra(extra, within="finetune")
    check_output(output, force=force)
    check_processes()
    check_options(epochs, learning_rate, batch_size)
    check_precision(quantize)
    if quantize is None:
        check_has_answers(task)
    check_data(data, dev)
    separator = parse_delimiter(delimiter)
    check_checkpoint(checkpoint, revision)
    if teacher_revision is not None and teacher is None:
        raise InputError("--teacher-revision needs --teacher; add the checkpoint's Hub id")
    check_checkpoint(teacher, teacher_revision)
    from squeezebert_mobile.cli.printing.progress import (
        download_progress,
        print_note,
        training_progress,
    )
    from squeezebert_mobile.cli.printing.training import print_training
    from squeezebert_mobile.evaluation import Columns
    from squeezebert_mobile.models.checkpoint import download_checkpoint
    from squeezebert_mobile.training.finetuning import finetune_checkpoint

    downloads = download_progress(as_json)
    revision = download_checkpoint(checkpoint, revision=revision, progress=downloads)
    if teacher is not None:
        teacher_revision = download_checkpoint(
            teacher, revision=teacher_revision, progress=downloads
        )
    console = Console(stderr=True)
    with training_progress(console) as report:
        results = finetune_checkpoint(
            checkpoint,
            data,
            output,
            task=task,
            dev=dev,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            seed=seed,
            teacher=teacher,
            quantize=quantize,
            revision=revision,
            teacher_revision=teacher_revision,
            resume=resume,
            force=force,
            data_format=data_format,
            columns=Columns(
                text_column,
                pair_column,
                label_column,
                delimiter=separator,
                labels_are=labels_are,
            ),
            report=report,
            note=print_note,
        )
    if not is_first_process():
        return
    if as_json:
        print_json(json.dumps(results, indent=1))
    else:
        print_training(results, output, Console())
