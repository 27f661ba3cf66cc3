"""Score a pipeline on a data set: its predictions and their metrics."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.metrics import METRICS
from squeezebert_mobile.evaluation.predictions import Prediction, Predictor, make_predictor
from squeezebert_mobile.evaluation.readers.data import DataSet, Example
from squeezebert_mobile.runtime.tasks.pipeline import Pipeline
from squeezebert_mobile.runtime.tasks.scores import Numbers

__all__ = ["Scores", "score"]

_BATCHES_PER_CALL = 8  # sorted together, so that a batch holds texts of similar length


@dataclass(frozen=True)
class Scores:
    """The metrics of a model on a data set, and its predictions."""

    metrics: dict[str, float]  # fractions; the main metric first
    predictions: tuple[Prediction, ...]  # one per example

    @property
    def truncated(self) -> int:
        """The number of examples longer than the model's maximum length."""
        return sum(prediction.truncated for prediction in self.predictions)

    @property
    def evidence(self) -> Numbers:
        """What the metrics are computed from, one row per example."""
        return np.array([prediction.evidence for prediction in self.predictions], float)


def score(
    pipeline: Pipeline[Any],
    data: DataSet,
    *,
    batch_size: int = 1,
    workers: int = 1,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Scores:
    """Run `pipeline` on every example. The scores do not depend on the number of workers.

    Args:
        pipeline: From `load_artifact`, or from `reference_pipeline` for a checkpoint.
        data: A data set from `read_data`.
        batch_size: Largest number of examples per model call. In int8 an answer depends slightly
            on the other texts of its batch; a phone runs one text at a time.
        workers: Number of threads that call the pipeline.
        report: Called with the number of examples done, and their total.

    Raises:
        InputError: the data does not match the model, or an example cannot be encoded.
    """
    predict = make_predictor(pipeline, data, batch_size)
    size = batch_size * _BATCHES_PER_CALL
    parts = [data.examples[i : i + size] for i in range(0, len(data.examples), size)]
    predictions: list[Prediction] = []
    with ThreadPoolExecutor(workers) as pool:
        for predicted in pool.map(lambda part: _predict(predict, part), parts):
            predictions += predicted
            report(len(predictions), len(data.examples))
    evidence = np.array([prediction.evidence for prediction in predictions], float)
    metrics = {name: METRICS[data.task][name].compute(evidence) for name in data.metrics}
    return Scores(metrics, tuple(predictions))


def _predict(predict: Predictor, examples: Sequence[Example]) -> list[Prediction]:
    try:
        return predict(examples)
    except InputError as error:
        raise InputError(f"in the examples from {examples[0].location} on: {error}") from None
