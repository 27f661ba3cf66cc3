"""BERT-base as the baseline of a benchmark: exported on first use, then kept in a cache."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import read_artifact
from squeezebert_mobile.cache import cache_folder
from squeezebert_mobile.errors import ArtifactError

__all__ = ["baseline_artifact", "verification_texts"]

PRESET = "preset:bert-base"


def verification_texts() -> list[str]:
    """Every eighth of the 200 texts: enough to prove the graph of a model with random weights.

    Its answers are nothing to anybody, and whoever runs their first benchmark is waiting.
    """
    from squeezebert_mobile.models.checkpoint import shipped_texts

    return shipped_texts()[::8]


def baseline_artifact(
    task: str,
    format: str,
    precision: str,
    sequence_length: int | None,
    *,
    progress: Callable[[str], AbstractContextManager[Callable[[int, int], None]]],
) -> Path:
    """The folder of BERT-base with random weights, from the cache or exported into it.

    Args:
        task: The head.
        format: "onnx", "executorch" or "torchscript".
        precision: "fp32" or "int8".
        sequence_length: The fixed length, or None for any.
        progress: Shows the steps of the export, where there is one.
    """
    length = sequence_length or "dynamic"
    name = f"bert-base-{task}-{format}-{precision}-{length}"
    folder = cache_folder() / "baselines" / __version__ / name
    try:
        read_artifact(folder)
    except ArtifactError:  # not there yet, or damaged
        from squeezebert_mobile.export import export_checkpoint

        export_checkpoint(
            PRESET,
            folder,
            task=task,
            format=format,
            precision=precision,
            sequence_length=sequence_length,
            texts=verification_texts(),
            force=True,
            progress=progress,
        )
    return folder
