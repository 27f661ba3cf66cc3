"""BERT-base as the baseline of a benchmark: exported on first use, then kept in a cache."""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import MANIFEST_FILE, read_artifact, read_manifest
from squeezebert_mobile.benchmarks import Contender, artifact_contender
from squeezebert_mobile.benchmarks.inputs.texts import few_texts
from squeezebert_mobile.cache import cache_folder
from squeezebert_mobile.errors import (
    ArtifactError,
    ExportError,
    MissingExtraError,
    require_extra,
)
from squeezebert_mobile.progress import Progress
from squeezebert_mobile.streams import print_line

__all__ = ["Baseline", "bert_base_contenders"]

_CHECKPOINT = "preset:bert-base"
#: Minutes on two cores and GB of memory of an export of BERT-base to ONNX, by precision (measured
#: with few_texts).
_COST = {"fp32": (1, 3), "fp16": (1, 4), "int8": (2, 4), "int4": (3, 4)}


@dataclass(frozen=True)
class Baseline:
    """What BERT-base is exported for."""

    task: str
    format: str
    precision: str
    sequence_length: int | None  # fixed length in tokens; None: dynamic

    def label(self, others: Collection["Baseline"]) -> str:
        """BERT-base with its precision, and with whatever differs between `others`."""
        words = ["BERT-base", self.precision]
        if len({other.task for other in others}) > 1:
            words.append(self.task)
        if len({other.format for other in others}) > 1:
            words.append(self.format)
        if len({other.sequence_length for other in others}) > 1:
            words.append(f"at {self.sequence_length or 'any length'}")
        return " ".join(words)


def bert_base_contenders(artifacts: Sequence[Path], *, progress: Progress) -> list[Contender]:
    """BERT-base with each artifact's task, format and length, in its precision and in fp32.

    Raises:
        ArtifactError: a folder is not an artifact, or is damaged.
    """
    manifests = [read_manifest(folder) for folder in artifacts]
    baselines = dict.fromkeys(
        Baseline(manifest.task, manifest.format, precision, manifest.sequence_length)
        for manifest in manifests
        for precision in (manifest.precision, "fp32")
    )
    missing = [baseline for baseline in baselines if not _is_cached(baseline)]
    if missing:
        _require_export()
        names = " and ".join(baseline.label(baselines) for baseline in missing)
        print_line(
            f"exporting the baseline first: {names}. It takes {_cost(missing)}, and is kept in "
            f"{str(_cache())!r} for the next runs; --baseline none measures without it",
            stderr=True,
        )
    for baseline in missing:
        _export(baseline, progress)
    return [
        artifact_contender(_folder(baseline), label=baseline.label(baselines), role="baseline")
        for baseline in baselines
    ]


def _cost(baselines: Sequence[Baseline]) -> str:
    """About how long their exports take, and how much memory."""
    if any(baseline.format != "onnx" for baseline in baselines):
        return "several minutes and several GB of memory"
    costs = [_COST[baseline.precision] for baseline in baselines]
    minutes, memory = sum(minutes for minutes, _ in costs), max(memory for _, memory in costs)
    noun = "minute" if minutes == 1 else "minutes"
    return f"about {minutes} {noun} on two cores and {memory} GB of memory"


def _cache() -> Path:
    return cache_folder() / "baselines" / __version__


def _folder(baseline: Baseline) -> Path:
    length = baseline.sequence_length or "dynamic"
    return _cache() / f"bert-base-{baseline.task}-{baseline.format}-{baseline.precision}-{length}"


def _is_cached(baseline: Baseline) -> bool:
    try:
        found = read_artifact(_folder(baseline))
    except ArtifactError:  # missing or damaged
        return False
    return baseline == Baseline(found.task, found.format, found.precision, found.sequence_length)


def _require_export() -> None:
    try:
        require_extra("export")
    except MissingExtraError as error:
        raise MissingExtraError(f"{error}, or measure without BERT-base: --baseline none") from None


def _export(baseline: Baseline, progress: Progress) -> None:
    """Export a baseline into the cache."""
    from squeezebert_mobile.export import export_checkpoint

    try:
        _remove_damaged(_folder(baseline))
        export_checkpoint(
            _CHECKPOINT,
            _folder(baseline),
            task=baseline.task,
            format=baseline.format,
            precision=baseline.precision,
            sequence_length=baseline.sequence_length,
            texts=few_texts(),
            force=True,
            progress=progress,
        )
    except ExportError as error:
        error.add_note(
            "this was the export of the baseline into the cache: set XDG_CACHE_HOME to another "
            "folder, or measure without BERT-base: --baseline none"
        )
        raise


def _remove_damaged(folder: Path) -> None:
    """Remove what no export replaces because it has no manifest; all in the cache is ours."""
    try:
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.is_dir() and not (folder / MANIFEST_FILE).is_file():
            shutil.rmtree(folder)
    except OSError as error:
        raise ExportError(f"cannot replace {str(folder)!r}: {error.strerror}") from None
