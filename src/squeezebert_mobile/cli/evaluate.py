"""The command `evaluate`."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from squeezebert_mobile.cli.checks import check_data, check_model
from squeezebert_mobile.cli.options import (
    ArtifactOrCheckpoint,
    DataFormat,
    Debug,
    Delimiter,
    Json,
    LabelColumn,
    LabelsAre,
    PairColumn,
    Revision,
    TextColumn,
)
from squeezebert_mobile.errors import InputError, require_extra
from squeezebert_mobile.formats import MAX_THREADS, is_artifact
from squeezebert_mobile.input_files import parse_delimiter
from squeezebert_mobile.progress import shown, silent
from squeezebert_mobile.streams import Console, print_json

if TYPE_CHECKING:
    from squeezebert_mobile.evaluation import NamedPipeline

__all__ = ["evaluate"]


def evaluate(
    name: ArtifactOrCheckpoint,
    data: Annotated[
        Path,
        typer.Argument(
            help="Labelled examples: a GLUE, SQuAD or CoNLL file as published; a table (CSV, TSV, "
            "JSONL) with text, text_pair and label; JSONL with text, choices and label; for "
            "fill-mask, one text per line."
        ),
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARTIFACT|CHECKPOINT",
            help="Second model, to compare with on the same data; give it several times for a "
            "table of models.",
        ),
    ] = None,
    revision: Revision = None,
    against_revision: Annotated[
        str | None, typer.Option(metavar="REV", help="The same for the checkpoint of --against.")
    ] = None,
    data_format: DataFormat = None,
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: LabelColumn = None,
    delimiter: Delimiter = None,
    labels_are: LabelsAre = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Examples per model call; 1 as on a phone.")
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_THREADS,
            help="Number of threads; does not affect the results (default: all cores).",
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Evaluate an artifact or a checkpoint on labelled data.

    With --against a second model is evaluated on the same data. The output then has the difference
    of each metric with its confidence interval, and the worst disagreements. With several --against
    it is a table with a row for each model.
    """
    require_extra("evaluate")
    check_data(data)
    separator = parse_delimiter(delimiter)
    check_model(name, revision)
    against = against or []
    if against_revision is not None and not against:
        raise InputError("--against-revision needs --against; add the checkpoint's Hub id")
    if against_revision is not None and len(against) > 1:
        raise InputError(
            f"--against-revision is for one --against, but {len(against)} were given; compare with "
            "that checkpoint alone, or give the folder of its revision"
        )
    for other in against:
        check_model(other, against_revision)
    from squeezebert_mobile import evaluation
    from squeezebert_mobile.cli.printing.evaluation import print_evaluation

    file = evaluation.read_file(data)
    progress = shown()
    # Elsewhere the time of loading would be a line above every error in the data.
    loading = progress if sys.stderr.isatty() else silent
    revision = _download(name, revision, as_json)
    with loading("load"):
        model = _open(name, revision)
    columns = evaluation.Columns(
        text_column,
        pair_column,
        label_column,
        is_regression=evaluation.is_regression_model(model.pipeline),
        delimiter=separator,
        labels_are=labels_are,
        model_labels=model.pipeline.spec.labels or (),
    )
    task = model.pipeline.spec.task
    labelled = evaluation.read_data(file, task, format=data_format, columns=columns)
    others = []
    for other in against:
        revision = _download(other, against_revision, as_json)
        with loading("load"):
            others.append(_open(other, revision, task))
    result = evaluation.evaluate(
        model,
        labelled,
        against=others,
        batch_size=batch_size,
        workers=workers or os.cpu_count() or 1,
        progress=progress,
    )
    if as_json:
        print_json(json.dumps({"data": str(data), **result.to_dict()}, indent=1))
    else:
        print_evaluation(result, Console())


def _download(name: str, revision: str | None, as_json: bool) -> str | None:
    """Download a checkpoint with a Hub id; returns the commit to open it by."""
    if is_artifact(Path(name)):
        return None
    from squeezebert_mobile.cli.printing.progress import download_progress
    from squeezebert_mobile.models.checkpoint import download_checkpoint

    return download_checkpoint(name, revision=revision, progress=download_progress(as_json))


def _open(name: str, revision: str | None, task: str | None = None) -> "NamedPipeline":
    from squeezebert_mobile.cli.printing.progress import print_note
    from squeezebert_mobile.evaluation import open_pipeline

    model = open_pipeline(name, task=task, revision=revision)
    for text in model.notes:
        print_note(text)
    if model.weights == "random":
        print_note(f"the weights of {name} are random; its metrics are meaningless")
    return model
