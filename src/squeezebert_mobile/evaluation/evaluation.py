"""A model on labelled data, by itself or beside another one."""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.answering import how_to_ask
from squeezebert_mobile.evaluation.comparing import Comparison, compare
from squeezebert_mobile.evaluation.readers.data import DataSet
from squeezebert_mobile.evaluation.scoring import Scores, score
from squeezebert_mobile.runtime.tasks.pipeline import Pipeline

__all__ = ["Evaluation", "Model", "evaluate"]

#: Shows the steps of an evaluation: `with progress("evaluate") as report: report(3, 200)`.
Progress = Callable[[str], contextlib.AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class Model:
    """A pipeline, and what its user calls it."""

    name: str
    pipeline: Pipeline[Any]


@dataclass(frozen=True)
class Evaluation:
    """How right a model is on a data set; and another one, and what tells them apart."""

    data: DataSet
    name: str
    scores: Scores
    other_name: str | None = None
    other: Scores | None = None
    comparison: Comparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """What is ready for JSON: metrics are fractions."""
        found = {
            **_facts(self.name, self.scores),
            "examples": len(self.data.examples),
            "left_out": self.data.left_out,
            "format": self.data.format,
            "task": self.data.task,
        }
        if self.other and self.comparison:
            found["against"] = _facts(str(self.other_name), self.other)
            found |= asdict(self.comparison)
        return found


def _facts(name: str, scores: Scores) -> dict[str, Any]:
    return {"model": name, "metrics": scores.metrics, "truncated": scores.truncated}


def evaluate(
    model: Model,
    data: DataSet,
    *,
    against: Model | None = None,
    batch_size: int = 1,
    workers: int = 1,
    progress: Progress,
) -> Evaluation:
    """Ask a model, and another one where it is given, for every example.

    Args:
        model: What is measured.
        data: What `read_data` gave.
        against: What it is compared with.
        batch_size: The most examples of one model call.
        workers: How many threads ask.
        progress: Called with the name of each step.

    Raises:
        InputError: the data or the models are not for each other.
    """
    models = [model, against] if against else [model]
    _check(models, data)
    found = []
    for each, step in zip(models, ("evaluate", "against"), strict=False):
        with progress(step) as report:
            found.append(
                score(each.pipeline, data, batch_size=batch_size, workers=workers, report=report)
            )
    if not against:
        return Evaluation(data, model.name, found[0])
    ours, theirs = found
    with progress("compare") as report:
        comparison = compare(ours, theirs, data, report=report)
    return Evaluation(data, model.name, ours, against.name, theirs, comparison)


def _check(models: list[Model], data: DataSet) -> None:
    """See that all models can be asked, before the first one is asked for long."""
    for model in models:
        try:
            how_to_ask(model.pipeline, data, 1)
        except InputError as error:
            raise InputError(f"{model.name!r}: {error}") from None
    if data.task != "fill-mask":
        return
    longest = [model.pipeline.max_length for model in models]
    if longest[0] != longest[-1]:  # where a text is cut decides what is masked
        raise InputError(
            f"{models[0].name!r} reads {longest[0]} tokens and {models[-1].name!r} {longest[-1]}, "
            "and their losses cannot be compared; export with the same --max-sequence-length, or "
            "measure each by itself"
        )
    vocabularies = [model.pipeline.tokenizer.get_vocab() for model in models]
    if vocabularies[0] != vocabularies[-1]:
        raise InputError(
            f"{models[0].name!r} and {models[-1].name!r} have different vocabularies, and their "
            "losses cannot be compared; measure each by itself"
        )
