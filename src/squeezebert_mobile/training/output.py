"""The files of a fine-tuned checkpoint: model, tokenizer, training.json, card, learning curve."""

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from squeezebert_mobile import __version__
from squeezebert_mobile.evaluation.readers.data import DataSet
from squeezebert_mobile.export.quantize.preparation import Preparation, write_preparation
from squeezebert_mobile.files import atomic_folder
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.training.config import TrainingConfig
from squeezebert_mobile.training.distillation import Teacher
from squeezebert_mobile.training.history import DevScore, History
from squeezebert_mobile.training.initial_head import InitialCheckpoint
from squeezebert_mobile.training.learning_curve import draw_learning_curve
from squeezebert_mobile.training.output_folder import FINE_TUNED, RESULTS_FILE

__all__ = [
    "CURVE_FILE",
    "training_outcome",
    "training_setup",
    "write_output",
]

CURVE_FILE = "learning_curve.svg"


def training_setup(
    initial: InitialCheckpoint,
    data: DataSet,
    dev: DataSet | None,
    teacher: Teacher | None,
    config: TrainingConfig,
    accelerator: Accelerator,
    quantize: str | None = None,
) -> dict[str, Any]:
    """The part of training.json that is known before the first step."""
    source = initial.checkpoint
    return {
        "task": data.task,
        "checkpoint": {
            "name": source.name,
            "sha256": source.sha256,
            "head": "new" if initial.has_new_head else "its own",
        },
        "teacher": teacher.name if teacher else None,
        "examples": len(data.examples),
        "dev_examples": len(dev.examples) if dev else 0,
        "training": asdict(config),
        "quantize": quantize,
        "processes": accelerator.num_processes,
        "mixed_precision": accelerator.mixed_precision,
        "versions": {"squeezebert-mobile": __version__}
        | {tool: importlib.metadata.version(tool) for tool in ("torch", "accelerate")},
    }


def training_outcome(history: History) -> dict[str, Any]:
    """The part of training.json that the training determines: all epochs, and the best one."""

    def metric(score: DevScore | None) -> dict[str, Any]:
        return {score.name: score.value} if score else {}

    epochs = [
        {"epoch": epoch.epoch, "step": epoch.step, "loss": epoch.loss} | metric(epoch.score)
        for epoch in history.epochs
    ]
    return {"epochs": epochs, "best": epochs[history.best.epoch - 1]}


def write_output(
    folder: Path,
    source: Checkpoint,
    results: dict[str, Any],
    history: History,
    preparation: Preparation | None = None,
    *,
    force: bool,
) -> None:
    """Write the checkpoint and the files that describe it; `folder` appears whole or not at all.

    Raises:
        ExportError: the folder cannot be written.
    """
    with atomic_folder(folder, force=force, **FINE_TUNED) as partial:
        source.model.save_pretrained(partial)
        source.tokenizer.save_pretrained(partial)
        if preparation is not None:
            write_preparation(partial, preparation)
        draw_learning_curve(history, partial / CURVE_FILE)
        for name, text in (
            (RESULTS_FILE, json.dumps(results, indent=1) + "\n"),
            ("README.md", _model_card(folder.name, source, results)),
        ):
            (partial / name).write_bytes(text.encode())


def _model_card(name: str, source: Checkpoint, results: Mapping[str, Any]) -> str:
    license = f"license: {source.license}\n" if source.license else ""
    teacher = f", distilled from {results['teacher']}" if results["teacher"] else ""
    metrics = "".join(
        f"On a development set of {results['dev_examples']:,} examples its {metric} is "
        f"{value:.4f}, the best of {len(results['epochs'])} epochs.\n"
        for metric, value in results["best"].items()
        if metric not in {"epoch", "step", "loss"}
    )
    return f"""---
{license}base_model: {source.name}
pipeline_tag: {results["task"]}
---
# {name}

{source.name}, fine-tuned for {results["task"]} on {results["examples"]:,} examples{teacher}.
{metrics}training.json has the training configuration and the result of every epoch.

![Learning curve]({CURVE_FILE})
"""
