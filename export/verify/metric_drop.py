"""The drop of a metric on labelled data from the checkpoint to the artifact, and its limit."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squeezebert_mobile import evaluation
from squeezebert_mobile.artifact import Accuracy
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.models.threads import one_thread
from squeezebert_mobile.progress import StepProgress
from squeezebert_mobile.runtime import Pipeline

__all__ = ["LabelledData", "MetricDrop"]

_ROUNDING = 1e-9  # 0.95 - 0.94 is slightly more than 0.01


@dataclass(frozen=True)
class MetricDrop:
    """The main metric of a checkpoint and of its artifact on one data file."""

    data: str  # file name
    examples: int
    metric: str
    checkpoint: float
    artifact: float
    drop: float  # by how much the artifact is worse
    max_drop: float | None  # None: no limit

    @property
    def is_violation(self) -> bool:
        """Whether the artifact is worse by more than the limit."""
        return self.max_drop is not None and not self.drop <= self.max_drop + _ROUNDING

    def error(self, precision: str) -> ParityError:
        """The error that names a violation."""
        return ParityError(
            f"the {precision} model's {self.metric} on {self.data!r} is {self.artifact:.4f} and "
            f"the checkpoint's {self.checkpoint:.4f}: {self.drop:.4f} worse, and --max-drop allows "
            f"{self.max_drop:g}; nothing was written; allow more, or use --precision fp32"
        )

    def accuracy(self) -> Accuracy:
        """The manifest's record."""
        return Accuracy(
            data=self.data,
            examples=self.examples,
            metric=self.metric,
            checkpoint=round(self.checkpoint, 6),
            artifact=round(self.artifact, 6),
        )


@dataclass(frozen=True)
class LabelledData:
    """Labelled data with the checkpoint's scores, and how much worse an artifact may be."""

    name: str
    data: evaluation.DataSet
    checkpoint: evaluation.Scores
    max_drop: float | None

    @classmethod
    def load(
        cls, source: Checkpoint, path: Path, max_drop: float | None, report: StepProgress
    ) -> "LabelledData":
        """Read the data and run the checkpoint on it.

        Raises:
            InputError: the data cannot be read, or is for another model.
        """
        pipeline = reference_pipeline(source)
        columns = evaluation.Columns(
            is_regression=evaluation.is_regression_model(pipeline),
            model_labels=pipeline.spec.labels or (),
        )
        rows = evaluation.read_file(path)
        data = evaluation.read_data(rows, pipeline.spec.task, columns=columns)
        return cls(path.name, data, _score(pipeline, data, report), max_drop)

    def measure(self, pipeline: Pipeline[Any], report: StepProgress) -> MetricDrop:
        """Run the artifact on the data and compare its main metric with the checkpoint's."""
        metric = next(iter(self.checkpoint.metrics))
        theirs = self.checkpoint.metrics[metric]
        ours = _score(pipeline, self.data, report).metrics[metric]
        higher_is_better = evaluation.METRICS[self.data.task][metric].higher_is_better
        drop = theirs - ours if higher_is_better else ours - theirs
        examples = len(self.data.examples)
        return MetricDrop(self.name, examples, metric, theirs, ours, drop, self.max_drop)


def _score(
    pipeline: Pipeline[Any], data: evaluation.DataSet, report: StepProgress
) -> evaluation.Scores:
    with one_thread():
        return evaluation.score(pipeline, data, workers=os.cpu_count() or 1, report=report)
