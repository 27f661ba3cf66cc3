"""The course of a training: the progress of a step, the result of an epoch, the best epoch."""

import math
from dataclasses import dataclass, field

__all__ = ["DevScore", "EpochResult", "History", "TrainingProgress"]


@dataclass(frozen=True)
class DevScore:
    """The model's score on the development set."""

    name: str
    value: float  # as displayed
    rank: float  # higher is better


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of a training after a step."""

    step: int  # from 1
    steps: int
    epoch: int  # from 1
    loss: float  # of this step
    score: DevScore | None = None  # of the last epoch


@dataclass(frozen=True)
class EpochResult:
    """The result of a finished epoch."""

    epoch: int
    step: int  # the last step of the epoch
    loss: float  # mean over its steps
    score: DevScore | None


@dataclass
class History:
    """The losses and scores of a training so far."""

    epochs: list[EpochResult] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # of every step

    @property
    def best(self) -> EpochResult:
        """The epoch whose weights are kept: the first with the best score, else the last."""
        scored = [epoch for epoch in self.epochs if epoch.score]
        return max(scored, key=_rank) if scored else self.epochs[-1]

    @property
    def epochs_without_improvement(self) -> int:
        """The number of epochs since the best one."""
        return self.epochs[-1].epoch - self.best.epoch if self.epochs else 0


def _rank(epoch: EpochResult) -> float:
    return epoch.score.rank if epoch.score else -math.inf
