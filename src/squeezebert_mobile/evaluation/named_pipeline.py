"""The pipeline of a model to evaluate: an artifact, or a checkpoint that runs in torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from squeezebert_mobile.errors import require, require_extra
from squeezebert_mobile.formats import is_artifact
from squeezebert_mobile.hub import check_revision
from squeezebert_mobile.runtime import Pipeline, load_artifact

__all__ = ["NamedPipeline", "open_pipeline"]


@dataclass(frozen=True)
class NamedPipeline:
    """A pipeline, and the name that results and messages show for it."""

    name: str
    pipeline: Pipeline[Any]
    weights: Literal["trained", "random"] = "trained"
    model_bytes: int | None = None  # of an artifact's model file; None for a checkpoint
    notes: tuple[str, ...] = ()  # what a user should know of how a checkpoint was read


def open_pipeline(
    name: str, *, task: str | None = None, revision: str | None = None
) -> NamedPipeline:
    """Open an artifact or a checkpoint, with one thread per model call.

    Args:
        name: An artifact folder, or the name of a checkpoint.
        task: The head of a checkpoint; None takes its own, as `open_checkpoint` does.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.

    Raises:
        ArtifactError: the artifact is damaged.
        CheckpointError: the checkpoint does not exist, is damaged, or has no such head.
        MissingExtraError: a checkpoint needs the export extra, which is not installed.
    """
    check_revision(name, revision)
    if is_artifact(Path(name)):
        artifact = load_artifact(name, threads=1)
        manifest = artifact.manifest
        return NamedPipeline(name, artifact, manifest.weights, manifest.model_bytes)
    require("torch", "export").set_num_threads(1)
    require_extra("export")
    from squeezebert_mobile.models.checkpoint import open_checkpoint
    from squeezebert_mobile.models.reference import reference_pipeline

    source = open_checkpoint(name, task=task, revision=revision)
    return NamedPipeline(name, reference_pipeline(source), source.weights, notes=source.notes)
