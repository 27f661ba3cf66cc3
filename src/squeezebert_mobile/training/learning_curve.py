"""The learning curve as a picture: the loss of the steps and the score of each epoch."""

from pathlib import Path
from typing import Any

import numpy as np

from squeezebert_mobile.errors import require
from squeezebert_mobile.training.history import History

__all__ = ["draw_learning_curve"]

_MAX_POINTS = 200  # of the loss curve; each is the mean over an equal number of steps
_SETTINGS = {
    "font.size": 9,
    "font.family": "DejaVu Sans",  # shipped with matplotlib: the same file on every machine
    "axes.spines.top": False,
    "svg.hashsalt": "squeezebert-mobile",  # the same file for the same training
}
_LOSS_COLOR, _SCORE_COLOR = "#9aa5b1", "#0b6e4f"


def draw_learning_curve(history: History, path: Path) -> None:
    """Write the picture to `path`, an .svg or .png file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = require("matplotlib.figure", "finetune")
    matplotlib = require("matplotlib", "finetune")
    with matplotlib.rc_context(_SETTINGS):
        figure = figures.Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.subplots()
        _draw_loss(axes, history)
        if any(epoch.score for epoch in history.epochs):
            _draw_scores(axes.twinx(), history)
        else:
            axes.spines["right"].set_visible(False)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, facecolor="white", metadata=metadata)


def _draw_loss(axes: Any, history: History) -> None:
    losses = np.array(history.losses)
    parts = np.array_split(np.arange(1, len(losses) + 1), min(_MAX_POINTS, len(losses)))
    steps = [part.mean() for part in parts]
    axes.plot(steps, [losses[part - 1].mean() for part in parts], _LOSS_COLOR)
    axes.set_xlabel("step")
    axes.set_ylabel("training loss")
    axes.set_ylim(bottom=0)


def _draw_scores(axes: Any, history: History) -> None:
    points = [(epoch.step, epoch.score.value) for epoch in history.epochs if epoch.score]
    axes.plot(*zip(*points, strict=True), _SCORE_COLOR, marker="o")
    best, score = history.best, history.best.score
    assert score is not None
    axes.annotate(
        f"{score.value:.3f}",
        (best.step, score.value),
        textcoords="offset points",
        xytext=(0, 6),
        ha="center",
        color=_SCORE_COLOR,
    )
    axes.set_ylabel(f"{score.name} on the development set", color=_SCORE_COLOR)
    axes.margins(y=0.15)
