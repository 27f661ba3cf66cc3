"""What an export costs in a metric on labelled data, and how much of that is allowed."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squeezebert_mobile import evaluation as accuracy
from squeezebert_mobile.artifact import Accuracy
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.models.threads import one_thread
from squeezebert_mobile.progress import StepProgress
from squeezebert_mobile.runtime import Pipeline

__all__ = ["Labelled"]

_ROUNDING = 1e-9  # 0.95 - 0.94 is a little more than 0.01


@dataclass(frozen=True)
class Labelled:
    """Labelled data, the checkpoint's answers to it, and how far an artifact may fall behind."""

    name: str
    data: accuracy.DataSet
    checkpoint: accuracy.Scores
    max_drop: float | None

    @classmethod
    def ask(
        cls, source: Checkpoint, path: Path, max_drop: float | None, report: StepProgress
    ) -> "Labelled":
        """Read the data, and have the checkpoint answer it.

        Raises:
            InputError: the data cannot be read, or is for another model.
        """
        pipeline = reference_pipeline(source)
        columns = accuracy.Columns(is_regression=accuracy.is_regression_model(pipeline))
        data = accuracy.read_data(accuracy.read_file(path), pipeline.spec.task, columns=columns)
        return cls(path.name, data, _score(pipeline, data, report), max_drop)

    def measure(self, pipeline: Pipeline[Any], precision: str, report: StepProgress) -> Accuracy:
        """The main metric of an artifact beside the checkpoint's.

        Raises:
            ParityError: it is worse by more than is allowed.
        """
        metric = next(iter(self.checkpoint.metrics))
        theirs = self.checkpoint.metrics[metric]
        ours = _score(pipeline, self.data, report).metrics[metric]
        higher = accuracy.METRICS[self.data.task][metric].higher_is_better
        drop = theirs - ours if higher else ours - theirs
        if self.max_drop is not None and not drop <= self.max_drop + _ROUNDING:
            raise ParityError(
                f"the {precision} model's {metric} on {self.name!r} is {ours:.4f} and the "
                f"checkpoint's {theirs:.4f}: {drop:.4f} worse, and --max-drop allows "
                f"{self.max_drop:g}; nothing was written; allow more, or use --precision fp32"
            )
        return Accuracy(
            data=self.name,
            examples=len(self.data.examples),
            metric=metric,
            checkpoint=round(theirs, 6),
            artifact=round(ours, 6),
        )


def _score(
    pipeline: Pipeline[Any], data: accuracy.DataSet, report: StepProgress
) -> accuracy.Scores:
    with one_thread():
        return accuracy.score(pipeline, data, workers=os.cpu_count() or 1, report=report)
