"""Evaluate a model on labelled data, alone or compared with another model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.comparison import Comparison, compare
from squeezebert_mobile.evaluation.named_pipeline import NamedPipeline
from squeezebert_mobile.evaluation.predictions import make_predictor
from squeezebert_mobile.evaluation.readers.data import DataSet
from squeezebert_mobile.evaluation.scoring import Scores, score
from squeezebert_mobile.progress import Progress, as_progress
from squeezebert_mobile.tasks import TASKS

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """A model's scores on a data set; with `against`, also another model's and the comparison."""

    data: DataSet
    name: str
    scores: Scores
    other_name: str | None = None
    other: Scores | None = None
    comparison: Comparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON-compatible values; metrics are fractions."""
        result = {
            **_summary(self.name, self.scores),
            "examples": len(self.data.examples),
            "left_out": self.data.left_out,
            "format": self.data.format,
            "task": self.data.task,
        }
        if self.other and self.comparison:
            result["against"] = _summary(str(self.other_name), self.other)
            result |= asdict(self.comparison)
        return result


def _summary(name: str, scores: Scores) -> dict[str, Any]:
    return {"model": name, "metrics": scores.metrics, "truncated": scores.truncated}


def evaluate(
    model: NamedPipeline,
    data: DataSet,
    *,
    against: NamedPipeline | None = None,
    batch_size: int = 1,
    workers: int = 1,
    progress: Progress | bool = False,
) -> Evaluation:
    """Score a model on every example, and compare it with another one if given.

    Args:
        model: The model to evaluate.
        data: A data set from `read_data`.
        against: The model to compare with.
        batch_size: Largest number of examples per model call.
        workers: Number of threads that call the model.
        progress: As in `export_checkpoint`.

    Raises:
        InputError: the data or the models do not match each other.
    """
    progress = as_progress(progress)
    models = [model, against] if against else [model]
    _check_models(models, data)
    scores = []
    for named, step in zip(models, ("evaluate", "against"), strict=False):
        with progress(step) as report:
            scores.append(
                score(named.pipeline, data, batch_size=batch_size, workers=workers, report=report)
            )
    if not against:
        return Evaluation(data, model.name, scores[0])
    ours, theirs = scores
    with progress("compare") as report:
        comparison = compare(ours, theirs, data, report=report)
    return Evaluation(data, model.name, ours, against.name, theirs, comparison)


def _check_models(models: Sequence[NamedPipeline], data: DataSet) -> None:
    """Refuse models that do not match the data before the first one runs for long."""
    for model in models:
        make_predictor(model.pipeline, data, 1, name=repr(model.name))
    if TASKS[data.task].predicts_masks:
        _check_same_masks(models[0], models[-1])


def _check_same_masks(ours: NamedPipeline, theirs: NamedPipeline) -> None:
    """Refuse fill-mask models that would see other masks: their losses mean different things."""
    lengths = ours.pipeline.max_length, theirs.pipeline.max_length
    if lengths[0] != lengths[1]:  # the masks depend on where a text is truncated
        raise InputError(
            f"{ours.name!r} reads {lengths[0]} tokens and {theirs.name!r} {lengths[1]}, so their "
            "losses cannot be compared; export with the same --max-sequence-length, or evaluate "
            "each on its own"
        )
    if ours.pipeline.tokenizer.get_vocab() != theirs.pipeline.tokenizer.get_vocab():
        raise InputError(
            f"{ours.name!r} and {theirs.name!r} have different vocabularies, so their losses "
            "cannot be compared; evaluate each on its own"
        )
