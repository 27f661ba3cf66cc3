"""Reading an artifact with all checks, and writing its JSON files."""

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from squeezebert_mobile.artifact.golden import GOLDEN_FILE, Golden
from squeezebert_mobile.artifact.manifest import (
    MANIFEST_FILE,
    SCHEMA_VERSION,
    FileFacts,
    Manifest,
)
from squeezebert_mobile.errors import ArtifactError

__all__ = [
    "file_facts",
    "read_artifact",
    "read_golden",
    "read_manifest",
    "sha256_of",
    "write_json",
]

_Model = TypeVar("_Model", Manifest, Golden)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_facts(path: Path) -> FileFacts:
    """Checksum and size of a file, as the manifest lists them."""
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
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{str(path)!r} has schema_version {version!r}, this version of squeezebert-mobile "
            f"reads {SCHEMA_VERSION}; upgrade squeezebert-mobile, or export the checkpoint again"
        )
    return data


def _validate(model: type[_Model], path: Path) -> _Model:
    data = _read_json(path)
    try:
        return model.model_validate_json(json.dumps(data))  # JSON mode accepts lists as tuples
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise ArtifactError(f"{str(path)!r} is damaged at {where:.80}: {first['msg']}") from None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact; its files are not checked (see `read_artifact`)."""
    if not folder.is_dir():
        raise ArtifactError(
            f"no such artifact folder: {str(folder)!r}; "
            "make one with: squeezebert-mobile export CHECKPOINT -o DIR"
        )
    return _validate(Manifest, folder / MANIFEST_FILE)


def read_artifact(folder: Path) -> Manifest:
    """The manifest of an artifact, after checking that all its files are there and unchanged.

    Raises:
        ArtifactError: a file is missing, has changed, or is outside the folder.
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
    # A separator, a drive, a dot name or a link could point outside the folder.
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
    """golden.json of an artifact that `read_artifact` has checked."""
    return _validate(Golden, folder / GOLDEN_FILE)


def write_json(record: BaseModel, path: Path) -> None:
    """Write a record as JSON: the same record gives the same bytes on every system."""
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1)
    path.write_bytes((text + "\n").encode("utf-8"))
