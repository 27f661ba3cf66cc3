"""The artifact: the folder that export writes and everything else reads.

    manifest.json     what the model is, how it was made, how close it is to its checkpoint
    model.onnx | model.pte | model.pt
    model.onnx.data   the weights of a large ONNX model, which names this file
    tokenizer.json, vocab.txt
    golden.json       eight texts with this artifact's own answers, for a consumer's self-check

This module is the whole contract: the two JSON files as pydantic models, reading with every check
(`read_artifact`), and writing that leaves either the old folder or the new one (`staged`).
"""

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from squeezebert_mobile.errors import ArtifactError, ExportError

__all__ = [
    "GOLDEN_FILE",
    "MANIFEST_FILE",
    "MODEL_FILES",
    "PRECISIONS",
    "SCHEMA_VERSION",
    "Accuracy",
    "FileFacts",
    "Golden",
    "GoldenOutput",
    "GoldenText",
    "Manifest",
    "ModelFacts",
    "OutputParity",
    "Parity",
    "Part",
    "Quantization",
    "Source",
    "TensorSpec",
    "check_replaceable",
    "file_facts",
    "read_artifact",
    "read_golden",
    "read_manifest",
    "sha256_of",
    "staged",
    "write_json",
]

SCHEMA_VERSION: Final = 1
MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.json"

Format = Literal["onnx", "executorch", "torchscript"]
Precision = Literal["fp32", "fp16", "int8", "int4"]
#: Format -> the precisions that it comes in.
PRECISIONS: dict[str, tuple[str, ...]] = {
    "onnx": get_args(Precision),
    "executorch": ("fp32", "int8"),
    "torchscript": ("fp32", "int8"),
}
MODEL_FILES = {"onnx": "model.onnx", "executorch": "model.pte", "torchscript": "model.pt"}

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0, lt=2**31)]  # ids and positions
Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    """Written once, never changed; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelFacts(_Record):
    """The architecture, as far as a consumer shows it."""

    type: Literal["squeezebert", "bert"]
    layers: Count
    hidden: Count
    heads: Count
    groups: dict[str, Count]  # of each of the six encoder products
    parameters: Count
    vocab_size: Count


class Part(_Record):
    """The embeddings, the encoder, or the head."""

    parameters: Annotated[int, Field(ge=0)]
    checkpoint_bytes: Annotated[int, Field(ge=0)]  # in float32
    bytes: Annotated[int, Field(ge=0)]  # in the artifact's model file


class TensorSpec(_Record):
    """One input or output: an axis is its length, or its name where the length is free."""

    name: str
    dtype: Literal["int64", "float32"]
    axes: tuple[str | int, ...]


class Source(_Record):
    """Where the weights came from."""

    name: str
    sha256: Sha256  # over the checkpoint's weight files
    license: str | None = None


class Quantization(_Record):
    """The recipe: how each kind of number is stored, and what stayed in higher precision."""

    weights: str
    embeddings: str
    activations: str
    engine: str | None = None  # torch's engine for int8, which the file is packed for (TorchScript)
    kept: dict[str, str] = {}  # part -> why
    approximated: dict[str, str] = {}  # operator -> how, and what that does to the outputs
    #: Unit -> dB: the outputs over their error when it alone is quantized, and the rest is fp32.
    sensitivity: dict[str, float] = {}


class Accuracy(_Record):
    """A metric on labelled data: the checkpoint's and this artifact's."""

    data: str  # the file's name
    examples: Annotated[int, Field(ge=1)]
    metric: str
    checkpoint: float
    artifact: float


class FileFacts(_Record):
    """A file of the artifact."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class OutputParity(_Record):
    """How far one output is from the fp32 checkpoint's, over all verification batches."""

    max_abs_diff: Annotated[float, Field(ge=0)]
    mean_cosine: float
    min_cosine: float
    tolerance: str  # the limit that was held, in words: "max_abs_diff <= 0.0001"


class Parity(_Record):
    """The result of verification against the fp32 checkpoint."""

    outputs: dict[str, OutputParity]
    top1_agreement: Fraction | None  # None where no output is an answer (feature-extraction)
    answers: Annotated[int, Field(ge=0)]  # how many the agreement was counted over
    answers_undecided: Annotated[int, Field(ge=0)]  # margin within the drift: not counted
    texts: Annotated[int, Field(ge=0)]


class Manifest(_Record):
    """manifest.json."""

    schema_version: Literal[1]
    task: str
    labels: tuple[str, ...] | None
    problem_type: (
        Literal["regression", "single_label_classification", "multi_label_classification"] | None
    ) = None
    model: ModelFacts
    parts: dict[str, Part]
    weights: Literal["trained", "random"]
    format: Format
    precision: Precision
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_sequence_length: Count
    source: Source
    quantization: Quantization | None
    operators: dict[str, Count]  # what the model file is made of, and its runtime must know
    delegated: dict[str, Count] = {}  # the operators that a backend runs (ExecuTorch)
    planned_bytes: Count | None = None  # memory reserved for the longest input (ExecuTorch)
    files: dict[str, FileFacts]
    parity: Parity
    accuracy: Accuracy | None = None  # on data that the export was given
    versions: dict[str, str]

    @property
    def model_file(self) -> str:
        """The name of the file that the format's runtime opens."""
        return MODEL_FILES[self.format]

    @property
    def model_bytes(self) -> int:
        """The size of the model, with the file of its weights if that is another (ONNX)."""
        return sum(
            facts.bytes for name, facts in self.files.items() if name.startswith(self.model_file)
        )

    @property
    def sequence_length(self) -> int | None:
        """The fixed sequence length, or None where it is dynamic."""
        length = self.inputs[0].axes[-1]
        return length if isinstance(length, int) else None


class GoldenOutput(_Record):
    """A sample of one output: `values[i]` stands at flat position `indices[i]`."""

    shape: tuple[Count, ...]
    indices: tuple[Whole, ...]
    values: tuple[float, ...]
    top: tuple[Whole, ...]  # argmax over the last axis; empty where the output is no answer


class GoldenText(_Record):
    """One input and what this artifact answers; rows are choices for multiple-choice, else one."""

    texts: tuple[tuple[str, ...], ...]  # a row: (text,) or (text, pair)
    input_ids: tuple[tuple[Whole, ...], ...]
    attention_mask: tuple[tuple[Whole, ...], ...]
    token_type_ids: tuple[tuple[Whole, ...], ...]
    outputs: dict[str, GoldenOutput]


class Golden(_Record):
    """golden.json."""

    schema_version: Literal[1]
    tolerance: dict[str, float]  # per output: largest absolute difference that is still the same
    texts: tuple[GoldenText, ...]


_Model = TypeVar("_Model", Manifest, Golden)

# Reading ------------------------------------------------------------------------------------


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_facts(path: Path) -> FileFacts:
    """The checksum and size that the manifest lists for `path`."""
    return FileFacts(sha256=sha256_of(path), bytes=path.stat().st_size)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            f"{str(path.parent)!r} is not an artifact: it has no {path.name}; "
            "make one with: squeezebert-mobile export CHECKPOINT -o DIR"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{str(path)!r} cannot be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise ArtifactError(f"{str(path)!r} must hold a JSON object, not {type(data).__name__}")
    found = data.get("schema_version")
    if found != SCHEMA_VERSION:
        raise ArtifactError(
            f"{str(path)!r} has schema_version {found!r}, this version of squeezebert-mobile reads "
            f"{SCHEMA_VERSION}; upgrade squeezebert-mobile, or export the checkpoint again"
        )
    return data


def _validate(model: type[_Model], path: Path) -> _Model:
    data = _read_json(path)
    try:
        return model.model_validate_json(json.dumps(data))  # JSON mode: a list is a tuple
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise ArtifactError(f"{str(path)!r} is damaged at {where:.80}: {first['msg']}") from None


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, its files unchecked (for listing; use `read_artifact` to run one)."""
    if not folder.is_dir():
        raise ArtifactError(
            f"no such artifact folder: {str(folder)!r}; "
            "make one with: squeezebert-mobile export CHECKPOINT -o DIR"
        )
    return _validate(Manifest, folder / MANIFEST_FILE)


def read_artifact(folder: Path) -> Manifest:
    """The manifest, after every file it lists was found inside the folder with its checksum.

    Raises:
        ArtifactError: what is missing, changed or outside, and what to do.
    """
    manifest = read_manifest(folder)
    required = {manifest.model_file, GOLDEN_FILE, "tokenizer.json"}
    if missing := sorted(required - manifest.files.keys()):
        raise ArtifactError(f"{str(folder / MANIFEST_FILE)!r} lists no {missing[0]}")
    for name, facts in manifest.files.items():
        _check_file(folder, name, facts)
    return manifest


def _check_file(folder: Path, name: str, facts: FileFacts) -> None:
    path = folder / name
    # A name with any kind of separator or drive, a dot name or a link could lead out of the folder.
    if name in {"", ".", ".."} or any(mark in name for mark in "/\\:\0") or path.is_symlink():
        raise ArtifactError(f"artifact file {name!r} points outside its folder {str(folder)!r}")
    if not path.is_file():
        raise ArtifactError(f"artifact file {str(path)!r} is missing; copy or export it again")
    if path.stat().st_size != facts.bytes or sha256_of(path) != facts.sha256:
        raise ArtifactError(
            f"artifact file {str(path)!r} has changed since the export (its SHA-256 is not the "
            "manifest's); copy or export it again"
        )


def read_golden(folder: Path) -> Golden:
    """golden.json of a folder that `read_artifact` has checked."""
    return _validate(Golden, folder / GOLDEN_FILE)


# Writing ------------------------------------------------------------------------------------


def write_json(record: BaseModel, path: Path) -> None:
    """Write a record so that the same record gives the same bytes on every system."""
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1)
    path.write_bytes((text + "\n").encode("utf-8"))


@contextlib.contextmanager
def staged(
    folder: Path, *, force: bool = False, marker: str = MANIFEST_FILE, what: str = "an artifact"
) -> Iterator[Path]:
    """A new, empty folder that takes the place of `folder` when the block ends without an error.

    Until then `folder` stays as it is; afterwards it is the new one, whole. What an export that
    was killed has left beside it is removed.

    Args:
        folder: Where it goes.
        force: Whether an older one may be replaced.
        marker: The file by which an older one is known.
        what: What it is.

    Raises:
        ExportError: `folder` exists and `force` was not given, or it is something else; or the
            disk is full.
    """
    check_replaceable(folder, force=force, marker=marker, what=what)
    target = folder.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        partial = Path(tempfile.mkdtemp(prefix=_partial_prefix(target), dir=target.parent))
    except OSError as error:
        raise ExportError(f"cannot write to {str(target.parent)!r}: {error.strerror}") from None
    try:
        with _locked(partial):
            partial.chmod(0o755)  # mkdtemp makes it private; an artifact is an ordinary folder
            yield partial
            _swap(partial, target)
    except BrokenPipeError:
        raise  # of the terminal, not of the disk
    except OSError as error:
        raise ExportError(
            f"cannot write {str(folder)!r}: {error.strerror or error}; nothing was written; "
            "free some space, or choose another folder with -o"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_replaceable(
    folder: Path, *, force: bool, marker: str = MANIFEST_FILE, what: str = "an artifact"
) -> None:
    """See that `staged` may write to `folder`, whose arguments these are.

    Raises:
        ExportError: it may not.
    """
    if not (folder.exists() or folder.is_symlink()):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise ExportError(f"{str(folder)!r} is not a folder; choose another with -o")
    if not any(folder.iterdir()):
        return
    if not (folder / marker).is_file():
        raise ExportError(
            f"{str(folder)!r} holds something else than {what} and is left alone; "
            "choose another folder with -o"
        )
    if not force:
        raise ExportError(
            f"{str(folder)!r} exists; replace it with --force, or choose another folder with -o"
        )


def _partial_prefix(target: Path) -> str:
    return f".{target.name}.partial-"


def _remove_abandoned(target: Path) -> None:
    for partial in target.parent.glob(f"{_glob_escape(_partial_prefix(target))}*"):
        with contextlib.suppress(BlockingIOError), _locked(partial):
            if sys.platform != "win32" or time.time() - partial.stat().st_mtime > 24 * 3600:
                shutil.rmtree(partial, ignore_errors=True)


def _glob_escape(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder` that ends with this process; BlockingIOError if another has it.

    Windows cannot lock a folder; there only the age of a partial folder tells (_remove_abandoned).
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _swap(partial: Path, target: Path) -> None:
    """Put `partial` at `target`; an older folder there ends up at `partial`."""
    if not target.exists():
        partial.rename(target)
    elif not _exchange(partial, target):
        # No atomic exchange here (Windows, some file systems): the shortest gap there is.
        aside = partial.with_name(partial.name + "-old")
        target.rename(aside)
        partial.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two folders in one step, where the system can."""
    names = os.fsencode(a), os.fsencode(b)
    if sys.platform == "win32":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        at_cwd, rename_exchange = -100, 2  # fcntl.h, linux/fs.h
        failed = libc.renameat2(at_cwd, names[0], at_cwd, names[1], rename_exchange)
    elif sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        rename_swap = 2  # sys/stdio.h
        failed = libc.renamex_np(names[0], names[1], rename_swap)
    else:
        return False
    if failed and ctypes.get_errno() not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(b))
    return not failed
