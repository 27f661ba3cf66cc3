"""Evaluate a model on labelled data, alone or compared with other models."""

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

__all__ = ["Evaluation", "OtherModel", "evaluate"]


@dataclass(frozen=True)
class OtherModel:
    """The scores of a model to compare with, and the comparison.

    With one other model, `comparison` is the evaluated one minus this one; with several, this one
    minus the evaluated one, which is then the baseline of a table.
    """

    model: NamedPipeline
    scores: Scores
    comparison: Comparison


@dataclass(frozen=True)
class Evaluation:
    """A model's scores on a data set, and those of the models it was compared with."""

    data: DataSet
    model: NamedPipeline
    scores: Scores
    others: tuple[OtherModel, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON-compatible values; metrics are fractions."""
        result = {
            **_summary(self.model, self.scores),
            "examples": len(self.data.examples),
            "left_out": self.data.left_out,
            "format": self.data.format,
            "task": self.data.task,
        }
        against = [_summary(other.model, other.scores) for other in self.others]
        comparisons = [asdict(other.comparison) for other in self.others]
        if len(against) == 1:
            return result | {"against": against[0]} | comparisons[0]
        if against:
            pairs = zip(against, comparisons, strict=True)
            result["against"] = [model | comparison for model, comparison in pairs]
        return result


def _summary(model: NamedPipeline, scores: Scores) -> dict[str, Any]:
    return {"model": model.name, "metrics": scores.metrics, "truncated": scores.truncated}


def evaluate(
    model: NamedPipeline,
    data: DataSet,
    *,
    against: Sequence[NamedPipeline] = (),
    batch_size: int = 1,
    workers: int = 1,
    progress: Progress | bool = False,
) -> Evaluation:
    """Score a model on every example, and compare it with others if given.

    Args:
        model: The model to evaluate.
        data: A data set from `read_data`.
        against: The models to compare with.
        batch_size: Largest number of examples per model call.
        workers: Number of threads that call the model.
        progress: As in `export_checkpoint`.

    Raises:
        InputError: the data or the models do not match each other.
    """
    progress = as_progress(progress)
    _check_models([model, *against], data)

    def scores_of(named: NamedPipeline, step: str) -> Scores:
        with progress(step) as report:
            return score(
                named.pipeline, data, batch_size=batch_size, workers=workers, report=report
            )

    ours = scores_of(model, "evaluate")
    others = []
    for other in against:
        theirs = scores_of(other, "against")
        with progress("compare") as report:
            pair = (ours, theirs) if len(against) == 1 else (theirs, ours)
            others.append(OtherModel(other, theirs, compare(*pair, data, report=report)))
    return Evaluation(data, model, ours, tuple(others))


def _check_models(models: Sequence[NamedPipeline], data: DataSet) -> None:
    """Refuse models that do not match the data before the first one runs for long."""
    for model in models:
        make_predictor(model.pipeline, data, 1, name=repr(model.name))
    if TASKS[data.task].predicts_masks:
        for model in models[1:]:
            _check_same_masks(models[0], model)


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
