"""Reading an artifact with all checks, and writing its JSON files."""

import hashlib
import json
import mmap
import os
import shlex
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from squeezebert_mobile.artifact.external_data import check_external_data
from squeezebert_mobile.artifact.golden import GOLDEN_FILE, Golden
from squeezebert_mobile.artifact.manifest import (
    MANIFEST_FILE,
    SCHEMA_VERSION,
    FileFacts,
    Manifest,
)
from squeezebert_mobile.errors import ArtifactError
from squeezebert_mobile.files import read_regular
from squeezebert_mobile.hub.names import CONFIG_FILE, DEMOS, PRESETS

__all__ = [
    "check_unchanged",
    "file_facts",
    "read_artifact",
    "read_golden",
    "read_manifest",
    "read_with_checksums",
    "reading_artifact",
    "replaced",
    "sha256_of",
    "write_json",
]

_Model = TypeVar("_Model", Manifest, Golden)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapped_sha256(path: Path) -> str:
    """As `sha256_of`, without Python's lock, for which a reader would wait at every chunk."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()


def file_facts(path: Path) -> FileFacts:
    """Checksum and size of a file, as the manifest lists them."""
    return FileFacts(sha256=sha256_of(path), bytes=path.stat().st_size)


def _read_json(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON object in a file, and the bytes of the file."""
    try:
        content = read_regular(path)
        data = json.loads(content.decode("utf-8"))
    except FileNotFoundError:
        if path.name == MANIFEST_FILE and (path.parent / CONFIG_FILE).is_file():
            raise _checkpoint(path.parent) from None
        raise ArtifactError(
            f"{str(path.parent)!r} is not an artifact: it has no {path.name}; "
            "make one with: squeezebert-mobile export CHECKPOINT -o DIR"
        ) from None
    except OSError as error:
        raise ArtifactError(
            f"{str(path)!r} cannot be read: {error.strerror}; copy or export the artifact again"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{str(path)!r} cannot be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise ArtifactError(f"{str(path)!r} must hold a JSON object, not {type(data).__name__}")
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{str(path)!r} has schema_version {version!r}, this version of squeezebert-mobile "
            f"reads {SCHEMA_VERSION}; upgrade squeezebert-mobile, or export the checkpoint again"
        )
    return data, content


def _checkpoint(name: Path) -> ArtifactError:
    return ArtifactError(
        f"{str(name)!r} is a checkpoint, not an artifact; run: squeezebert-mobile export "
        f"{shlex.quote(str(name))} -o DIR"
    )


def _validate(model: type[_Model], path: Path) -> tuple[_Model, str]:
    """The record in a file, and the SHA-256 of what was read."""
    data, content = _read_json(path)
    try:  # JSON mode accepts lists as tuples
        record = model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise ArtifactError(f"{str(path)!r} is damaged at {where:.80}: {first['msg']}") from None
    return record, hashlib.sha256(content).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact; its files are not checked (see `read_artifact`)."""
    return _read_manifest(folder)[0]


def _read_manifest(folder: Path) -> tuple[Manifest, str]:
    if not os.path.isdir(folder):
        if str(folder) in (*DEMOS, *PRESETS):
            raise _checkpoint(folder)
        raise ArtifactError(
            f"no such artifact folder: {str(folder)!r}; "
            "make one with: squeezebert-mobile export CHECKPOINT -o DIR"
        )
    _check_inside(folder, MANIFEST_FILE)
    return _validate(Manifest, folder / MANIFEST_FILE)


def read_artifact(folder: Path) -> Manifest:
    """The manifest of an artifact, after checking that all its files are there and unchanged.

    Raises:
        ArtifactError: a file is missing, has changed, cannot be read, or is outside the folder; or
            the model reads weights from a file that the manifest does not list.
    """
    return read_with_checksums(folder)[0]


@contextmanager
def reading_artifact(folder: Path) -> Iterator[Manifest]:
    """As `read_artifact`; the model's largest file, with the weights, is hashed beside the block.

    The other files are checked before the block begins; the model may be used when it has ended.
    """
    manifest, _ = _read_listed(folder)
    parts = [name for name in manifest.files if name.startswith(manifest.model_file)]
    largest = max(parts, key=lambda name: manifest.files[name].bytes)
    for name, facts in manifest.files.items():
        _check_file(folder, name, facts, None if name == largest else sha256_of)
    errors: list[Exception] = []

    def check_largest() -> None:
        try:
            _check_file(folder, largest, manifest.files[largest], _mapped_sha256)
        except Exception as error:  # raised where the block ends
            errors.append(error)

    thread = threading.Thread(target=check_largest)
    thread.start()
    try:
        yield manifest
    finally:
        thread.join()
        for error in errors:  # it explains an error of the block, which has read a part of the file
            raise error from None
    _check_references(folder, manifest)


def read_with_checksums(folder: Path) -> tuple[Manifest, dict[str, str]]:
    """As `read_artifact`; also the SHA-256 of each file, of the manifest too.

    An artifact may be replaced while it is in use; `check_unchanged` compares the checksums.
    """
    manifest, checksum = _read_listed(folder)
    for name, facts in manifest.files.items():
        _check_file(folder, name, facts)
    _check_references(folder, manifest)
    return manifest, {
        MANIFEST_FILE: checksum,
        **{name: facts.sha256 for name, facts in manifest.files.items()},
    }


def _read_listed(folder: Path) -> tuple[Manifest, str]:
    """The manifest, which lists each file that an artifact has, and its SHA-256."""
    manifest, checksum = _read_manifest(folder)
    required = {manifest.model_file, GOLDEN_FILE, "tokenizer.json"}
    if missing := sorted(required - manifest.files.keys()):
        raise ArtifactError(f"{str(folder / MANIFEST_FILE)!r} lists no {missing[0]}")
    return manifest, checksum


def _check_references(folder: Path, manifest: Manifest) -> None:
    """Check that the model names no file that the manifest does not list."""
    if manifest.format == "onnx":
        check_external_data(folder / manifest.model_file, manifest.files)


def _check_file(
    folder: Path, name: str, facts: FileFacts, sha256: Callable[[Path], str] | None = sha256_of
) -> None:
    """Check a file against what the manifest says of it; without `sha256`, all but its content."""
    _check_inside(folder, name)
    path = folder / name
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileNotFoundError
        is_same = path.stat().st_size == facts.bytes
        if is_same and sha256 is not None:
            is_same = sha256(path) == facts.sha256
    except (FileNotFoundError, ValueError):  # ValueError: no file can have that name
        raise ArtifactError(
            f"artifact file {str(path)!r} is missing; copy or export it again"
        ) from None
    except OSError as error:
        raise ArtifactError(
            f"artifact file {str(path)!r} cannot be read: {error.strerror}; copy or export it again"
        ) from None
    if not is_same:
        raise ArtifactError(
            f"artifact file {str(path)!r} has changed since the export (its SHA-256 is not the "
            "manifest's); copy or export it again"
        )


def _check_inside(folder: Path, name: str) -> None:
    # A separator, a drive, a dot name or a link could point outside the folder.
    is_outside = name in {"", ".", ".."} or any(mark in name for mark in "/\\:\0")
    if is_outside or os.path.islink(folder / name):
        raise ArtifactError(f"artifact file {name!r} points outside its folder {str(folder)!r}")


def check_unchanged(folder: Path, sha256: Mapping[str, str]) -> None:
    """Check that an artifact is still the one that `read_with_checksums` has read.

    Args:
        folder: The artifact.
        sha256: The checksums of its files by name.

    Raises:
        ArtifactError: a file has changed, or is no longer there.
    """
    for name, checksum in sha256.items():
        try:
            is_same = sha256_of(folder / name) == checksum
        except OSError:
            is_same = False
        if not is_same:
            raise replaced(folder / name)


def replaced(path: Path) -> ArtifactError:
    """The error for a file that is no longer the one that was checked."""
    return ArtifactError(
        f"artifact file {str(path)!r} was replaced after it had been checked; run the command "
        "again when nothing else writes to that folder"
    )


def read_golden(folder: Path) -> Golden:
    """golden.json of an artifact that `read_artifact` has checked."""
    return _validate(Golden, folder / GOLDEN_FILE)[0]


def write_json(record: BaseModel, path: Path) -> None:
    """Write a record as JSON: the same record gives the same bytes on every system."""
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1)
    path.write_bytes((text + "\n").encode("utf-8"))
