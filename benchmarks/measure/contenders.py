"""Contenders: artifacts, or plain model files of peers, and how one inference of them is run."""

import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from squeezebert_mobile.artifact import (
    check_unchanged,
    read_manifest,
    read_with_checksums,
    sha256_of,
)
from squeezebert_mobile.benchmarks.inputs.specs import InputSpec, resolve
from squeezebert_mobile.benchmarks.measure.plain_files import (
    FILE_FORMATS,
    OPENERS,
    InputFeed,
    LoadedModel,
    declared_inputs,
    import_runtime,
)
from squeezebert_mobile.benchmarks.records.results import ContenderFacts, Role, Settings, Weights
from squeezebert_mobile.errors import BenchmarkError, choose
from squeezebert_mobile.tasks import get_task

__all__ = [
    "CHOICES",
    "INPUT_SEED",
    "Contender",
    "InputFeed",
    "LoadedModel",
    "artifact_contender",
    "artifact_contenders",
    "feed_arguments",
    "file_contender",
    "import_library",
    "is_model_file",
    "make_feed",
    "open_model",
]

INPUT_SEED = 0
#: Rows of a multiple-choice input; also in tests/golden/schedule.json.
CHOICES = 2
#: The ids for files of other makers, whose vocabulary is not known, are below.
_SMALLEST_VOCABULARY = 1000


@dataclass(frozen=True)
class Contender:
    """A model to measure; created by `artifact_contender` or `file_contender`."""

    label: str
    path: str  # folder of the artifact, or the model file
    origin: Literal["artifact", "file"]
    format: str
    precision: str
    weights: Weights
    vocab_size: int
    max_sequence_length: int
    role: Role = "contender"
    task: str | None = None
    sequence_length: int | None = None  # None if it is dynamic
    has_choices: bool = False
    file_bytes: int = 0
    sha256: str = ""
    parameters: int | None = None
    layers: int | None = None
    #: The SHA-256 of each file of an artifact as it was checked, of its manifest too.
    checksums: Mapping[str, str] = field(default_factory=dict)
    #: How the inputs of another maker's file are filled: the fields of an InputSpec each.
    inputs: Sequence[Mapping[str, Any]] = ()

    def check_unchanged(self) -> None:
        """Check that the artifact is still the one that this contender describes.

        What was loaded before is then what was checked.

        Raises:
            ArtifactError: it was replaced or removed meanwhile.
        """
        check_unchanged(Path(self.path), self.checksums)

    @property
    def facts(self) -> ContenderFacts:
        """The fields that are recorded in the results."""
        names = set(ContenderFacts.model_fields)
        return ContenderFacts(**{name: getattr(self, name) for name in names})


def artifact_contender(
    folder: Path, *, label: str | None = None, role: Role = "contender"
) -> Contender:
    """A contender from an artifact; its default label is the folder's name.

    Raises:
        ArtifactError: the folder is not an artifact, or is damaged.
    """
    manifest, checksums = read_with_checksums(folder)
    model = manifest.files[manifest.model_file]
    return Contender(
        label=label or _text(folder.resolve().name),
        path=str(folder),
        origin="artifact",
        format=manifest.format,
        precision=manifest.precision,
        weights=manifest.weights,
        vocab_size=manifest.model.vocab_size,
        max_sequence_length=manifest.max_sequence_length,
        role=role,
        task=manifest.task,
        sequence_length=manifest.sequence_length,
        has_choices=get_task(manifest.task).has_choices,
        file_bytes=manifest.model_bytes,
        sha256=model.sha256,
        parameters=manifest.model.parameters,
        layers=manifest.model.layers,
        checksums=checksums,
    )


def artifact_contenders(
    folders: Sequence[Path],
    *,
    baselines: Sequence[Path] = (),
    given: Sequence[InputSpec] = (),
) -> list[Contender]:
    """A contender for each folder or file, labelled with as much of its path as is unique.

    Args:
        folders: Artifacts, and model files of other makers.
        baselines: The same, as baselines.
        given: How inputs of the files are filled whose names do not say it.

    Raises:
        ArtifactError: a folder is not an artifact, or is damaged.
        BenchmarkError: a folder is passed twice; or a file cannot be loaded, or its inputs cannot
            be filled.
    """
    everything = [*folders, *baselines]
    parts = [folder.resolve().parts for folder in everything]
    for index, path in enumerate(parts):
        if path in parts[:index]:
            raise BenchmarkError(
                f"{str(everything[index])!r} is given twice; name each artifact and baseline once"
            )
    contenders = []
    for index, (folder, path) in enumerate(zip(everything, parts, strict=True)):
        label = _tail(path, [other for other in parts if other != path])
        role: Role = "contender" if index < len(folders) else "baseline"
        if is_model_file(folder):
            contenders.append(_foreign_contender(folder, label, role, given))
        else:
            contenders.append(artifact_contender(folder, label=label, role=role))
    _check_given(given, contenders)
    return contenders


def is_model_file(path: Path) -> bool:
    """Whether `path` is a model file by its suffix, and not an artifact's folder."""
    return path.suffix in FILE_FORMATS and not path.is_dir()


def _foreign_contender(path: Path, label: str, role: Role, given: Sequence[InputSpec]) -> Contender:
    """A contender from a model file of another maker."""
    format = FILE_FORMATS[path.suffix]
    contender = file_contender(
        path,
        label=label,
        format=format,
        precision="unknown",
        vocab_size=_SMALLEST_VOCABULARY,
        weights="unknown",
        role=role,
    )
    specs = resolve(declared_inputs(path, format, given), given, model=str(path))
    fixed = [each.shape[-1] for each in specs if each.fill == "ids" and each.shape]
    length = next((size for size in fixed if isinstance(size, int)), None)
    return replace(
        contender,
        inputs=tuple(map(asdict, specs)),
        sequence_length=length,
        max_sequence_length=max(length or 0, contender.max_sequence_length),
    )


def _check_given(given: Sequence[InputSpec], contenders: Sequence[Contender]) -> None:
    """Check that each --input is one of a file's."""
    names = {each["name"] for contender in contenders for each in contender.inputs}
    for each in given:
        if not names:
            raise BenchmarkError(
                f"--input {each.name} is for model files of other makers, and none is given; "
                "remove it"
            )
        if each.name not in names:
            raise BenchmarkError(choose("input of the model files", each.name, names))


def _tail(path: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    size = 1
    while any(other[-size:] == path[-size:] for other in others):
        size += 1
    return _text("/".join(path[-size:]))


def _text(name: str) -> str:
    """A file name as text that a results file can contain: it may not be UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def file_contender(
    path: Path,
    *,
    label: str,
    format: str = "onnx",
    precision: str,
    vocab_size: int,
    max_sequence_length: int = 512,
    weights: Weights = "random",
    role: Role = "contender",
) -> Contender:
    """A contender from a plain model file whose inputs are [batch, sequence].

    Raises:
        BenchmarkError: there is no such file.
    """
    if not path.is_file():
        raise BenchmarkError(f"no such model file: {str(path)!r}")
    data = path.with_name(path.name + ".data")  # external data of models above 2 GB
    return Contender(
        label=label,
        path=str(path),
        origin="file",
        format=format,
        precision=precision,
        weights=weights,
        vocab_size=vocab_size,
        max_sequence_length=max_sequence_length,
        role=role,
        file_bytes=sum(part.stat().st_size for part in (path, data) if part.is_file()),
        sha256=sha256_of(path),
    )


# Running ------------------------------------------------------------------------------------


def import_library(contender: Contender) -> None:
    """Import what opening `contender` needs, so that its load time excludes imports."""
    if contender.origin == "artifact":
        importlib.import_module("squeezebert_mobile.runtime.sessions.base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # executorch uses deprecated Python features
        import_runtime(contender.format)


def open_model(contender: Contender, *, threads: int) -> LoadedModel:
    """Open the model with its runtime's default options, except for the number of threads."""
    if contender.origin == "file":
        return OPENERS[contender.format](Path(contender.path), threads)
    from squeezebert_mobile.runtime.sessions import open_session

    folder = Path(contender.path)
    session = open_session(folder, read_manifest(folder), threads=threads)
    return lambda feed: session.run(feed)


def feed_arguments(contender: Contender, settings: Settings, length: int) -> dict[str, Any]:
    """The arguments of `make_feed` for a contender; JSON, so that another process can use them."""
    return {
        "vocab_size": settings.input_vocab_size,
        "sequence_length": length,
        "choices": settings.choices if contender.has_choices else None,
        "inputs": [dict(each) for each in contender.inputs],
    }


def make_feed(
    *,
    vocab_size: int,
    sequence_length: int,
    choices: int | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
) -> InputFeed:
    """Inputs of batch 1 without padding: seeded ids below `vocab_size`, equal in every call.

    The ids are [1, sequence_length], or [1, choices, sequence_length]; or as `inputs` say, the
    fields of an InputSpec each.
    """
    random = np.random.default_rng(INPUT_SEED)
    rows = random.integers(vocab_size, size=(CHOICES, sequence_length), dtype=np.int64)
    if inputs:
        specs = [InputSpec(**each) for each in inputs]
        return {each.name: each.array(rows[0], sequence_length) for each in specs}
    ids = rows[None, :choices] if choices else rows[:1]  # (1, C, S) or (1, S)
    return {
        "input_ids": np.ascontiguousarray(ids),
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
