"""The course of a training as a picture: the loss of every step, the score of every epoch."""

from pathlib import Path
from typing import Any

import numpy as np

from squeezebert_mobile.errors import require
from squeezebert_mobile.training.loop import History

__all__ = ["draw_learning_curve"]

_POINTS = 200  # of the loss, each the mean of as many steps
_SETTINGS = {
    "font.size": 9,
    "font.family": "DejaVu Sans",  # it comes with matplotlib: the same file everywhere
    "axes.spines.top": False,
    "svg.hashsalt": "squeezebert-mobile",  # the same file for the same training
}
_LOSS, _SCORE = "#9aa5b1", "#0b6e4f"


def draw_learning_curve(history: History, path: Path) -> None:
    """Write the picture to `path`, an .svg or .png file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = require("matplotlib.figure", "finetune")
    matplotlib = require("matplotlib", "finetune")
    with matplotlib.rc_context(_SETTINGS):
        page = figures.Figure(figsize=(7, 3.6), layout="constrained")
        axes = page.subplots()
        _draw_loss(axes, history)
        if any(epoch.score for epoch in history.epochs):
            _draw_scores(axes.twinx(), history)
        else:
            axes.spines["right"].set_visible(False)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        page.savefig(path, facecolor="white", metadata=metadata)


def _draw_loss(axes: Any, history: History) -> None:
    losses = np.array(history.losses)
    parts = np.array_split(np.arange(1, len(losses) + 1), min(_POINTS, len(losses)))
    axes.plot([part.mean() for part in parts], [losses[part - 1].mean() for part in parts], _LOSS)
    axes.set_xlabel("step")
    axes.set_ylabel("loss on what is learned")
    axes.set_ylim(bottom=0)


def _draw_scores(axes: Any, history: History) -> None:
    points = [(epoch.step, epoch.score) for epoch in history.epochs if epoch.score]
    axes.plot(
        [step for step, _ in points], [score.value for _, score in points], _SCORE, marker="o"
    )
    best, score = history.best, history.best.score
    assert score is not None
    axes.annotate(
        f"{score.value:.3f}",
        (best.step, score.value),
        textcoords="offset points",
        xytext=(0, 6),
        ha="center",
        color=_SCORE,
    )
    axes.set_ylabel(f"{score.name} on the development set", color=_SCORE)
    axes.margins(y=0.15)
