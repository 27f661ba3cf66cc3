"""Reading results files and journals."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from squeezebert_mobile.benchmarks.records.assembly import assemble
from squeezebert_mobile.benchmarks.records.events import (
    EVENT,
    Begin,
    BlockMeasured,
    Event,
    Source,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.results import READABLE_VERSIONS, Results
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.files import MAX_DATA_BYTES, read_regular

__all__ = ["read_events", "read_results"]

#: Fields of results alone: one that lacks them all is another file, such as a manifest.
_OWN_FIELDS = Results.model_fields.keys() - {"schema_version"}


def read_results(path: Path) -> Results:
    """The results in a results file, or in the journal of an interrupted run.

    Raises:
        BenchmarkError: the file is missing, damaged, or of another version.
    """
    data = _bytes(path)
    with _damage_named(path):
        if data.startswith(b'{"event"'):  # as a journal does
            return assemble(_events(data, path))
        text = _text(data, path)
        found = _object(text, path)
        if len(found) > 1 and not found.keys() & _OWN_FIELDS:
            raise BenchmarkError(
                f"{str(path)!r} is not a results file; give one that bench has written with -o, or "
                "what evaluate --json printed"
            )
        _check_version(found, path)
        return Results.model_validate_json(text)


def read_events(path: Path) -> list[Event]:
    """The events in a journal; an incomplete last line is ignored.

    Raises:
        BenchmarkError: the file is missing, damaged, or of another version.
    """
    with _damage_named(path):
        return _events(_bytes(path), path)


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_DATA_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from None


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> BenchmarkError:
    reason = error.strerror if isinstance(error, OSError) else error
    return BenchmarkError(
        f"cannot read the results {str(path)!r}: {reason}; give a file that bench has written"
    )


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise BenchmarkError(f"{str(path)!r} is damaged at {where}: {first['msg']}") from None


def _events(data: bytes, path: Path) -> list[Event]:
    # What follows the last line end is incomplete: it may end within a character.
    complete = _text(data[: data.rfind(b"\n") + 1], path).split("\n")[:-1]
    if not complete or _object(complete[0], path).get("event") != "begin":
        raise BenchmarkError(
            f"{str(path)!r} is not a complete journal: its first line is not 'begin'"
        )
    _check_version(_object(complete[0], path), path)
    events = [EVENT.validate_json(line) for line in complete]
    _check_models(events, path)
    _check_blocks(events, path)
    return events


def _check_models(events: Sequence[Event], path: Path) -> None:
    """Check that what was warmed up, and so is measured, is among the models of the run."""
    begin = events[0]
    assert isinstance(begin, Begin)
    known = {facts.label for facts in begin.contenders}
    for event in events:
        if isinstance(event, WarmedUp) and event.contender not in known:
            raise BenchmarkError(
                f"{str(path)!r} is damaged: it has times of {event.contender!r}, which is not "
                "among its models, so it was not written by bench; measure again"
            )


def _check_blocks(events: Sequence[Event], path: Path) -> None:
    """Check that the blocks of a cell have samples of the same models, for ratios are of blocks."""
    labels: dict[tuple[int, int, Source], set[str]] = {}
    for event in events:
        if isinstance(event, BlockMeasured):
            cell = event.threads, event.sequence_length, event.source
            if labels.setdefault(cell, {*event.samples}) != {*event.samples}:
                raise BenchmarkError(
                    f"{str(path)!r} is damaged: blocks at {event.sequence_length} tokens have "
                    "samples of different models, so it was not written by bench; measure again"
                )


def _object(text: str, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{str(path)!r} is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise BenchmarkError(f"{str(path)!r} must hold a JSON object, not {type(data).__name__}")
    return data


def _check_version(data: dict[str, Any], path: Path) -> None:
    version = data.get("schema_version")
    if version not in READABLE_VERSIONS:
        raise BenchmarkError(
            f"{str(path)!r} has schema_version {version!r}, this version of squeezebert-mobile "
            f"reads {_readable()}; upgrade squeezebert-mobile, or measure again"
        )


def _readable() -> str:
    return f"{READABLE_VERSIONS[0]} to {READABLE_VERSIONS[-1]}"
