"""A pipeline's answers to a data set, and its metrics."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.answering import Ask, Prediction, how_to_ask
from squeezebert_mobile.evaluation.metrics import METRICS
from squeezebert_mobile.evaluation.readers.data import DataSet, Example
from squeezebert_mobile.runtime.tasks.pipeline import Pipeline
from squeezebert_mobile.runtime.tasks.scores import Numbers

__all__ = ["Scores", "score"]

_BATCHES = 8  # that are asked for together, so that batches hold texts of like length


@dataclass(frozen=True)
class Scores:
    """How right a model is."""

    metrics: dict[str, float]  # fractions; the main one first
    predictions: tuple[Prediction, ...]  # one for each example

    @property
    def truncated(self) -> int:
        """How many examples were longer than the model takes."""
        return sum(prediction.truncated for prediction in self.predictions)

    @property
    def evidence(self) -> Numbers:
        """What the metrics are computed from, a row for each example."""
        return np.array([prediction.evidence for prediction in self.predictions], float)


def score(
    pipeline: Pipeline[Any],
    data: DataSet,
    *,
    batch_size: int = 1,
    workers: int = 1,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Scores:
    """Ask `pipeline` for every example. The same figures however many workers there are.

    Args:
        pipeline: What `load_artifact` gave, or a checkpoint that `export.reference` wrapped.
        data: What `read_data` gave.
        batch_size: The most examples of one model call. In int8 an answer depends a little on its
            company; a phone asks one by one.
        workers: How many threads ask.
        report: Called with the number of examples done, and of all.

    Raises:
        InputError: the data is for another model, or an example cannot be read.
    """
    ask = how_to_ask(pipeline, data, batch_size)
    size = batch_size * _BATCHES
    parts = [data.examples[i : i + size] for i in range(0, len(data.examples), size)]
    predictions: list[Prediction] = []
    with ThreadPoolExecutor(workers) as pool:
        for answered in pool.map(lambda part: _asked(ask, part), parts):
            predictions += answered
            report(len(predictions), len(data.examples))
    evidence = np.array([prediction.evidence for prediction in predictions], float)
    metrics = {name: METRICS[data.task][name].of(evidence) for name in data.metrics}
    return Scores(metrics, tuple(predictions))


def _asked(ask: Ask, examples: Sequence[Example]) -> list[Prediction]:
    try:
        return ask(examples)
    except InputError as error:
        raise InputError(f"in the examples from {examples[0].place} on: {error}") from None
