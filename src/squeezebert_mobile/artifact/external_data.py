"""The names of the files from which an ONNX model reads weights, without the onnx package.

The file is read as protobuf's wire format says: a message is a list of fields, each with a number,
a type and a value; a message in a message is a value of type 2. Only the fields on the way to a
tensor's `external_data` are followed (onnx.proto), so that weights inside the file are skipped.
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from squeezebert_mobile.errors import ArtifactError

__all__ = ["check_external_data"]

#: Number of a field -> the fields of its message, or its name.
_ENTRY: Any = {1: "key", 2: "value"}
_TENSOR: Any = {13: _ENTRY}  # external_data
_SPARSE: Any = {1: _TENSOR, 2: _TENSOR}
_ATTRIBUTE: Any = {5: _TENSOR, 10: _TENSOR, 22: _SPARSE, 23: _SPARSE}  # and graphs, below
_NODE: Any = {5: _ATTRIBUTE}
_GRAPH: Any = {1: _NODE, 5: _TENSOR, 15: _SPARSE}
_ATTRIBUTE |= {6: _GRAPH, 11: _GRAPH}
_TRAINING: Any = {1: _GRAPH, 2: _GRAPH}
_MODEL: Any = {7: _GRAPH, 20: _TRAINING, 25: {7: _NODE, 11: _ATTRIBUTE}}

_VARINT, _FIXED64, _MESSAGE, _GROUP, _END_GROUP, _FIXED32 = range(6)
_MAX_VARINT = 10  # bytes


def check_external_data(model: Path, listed: Mapping[str, object]) -> None:
    """Check that an ONNX model reads weights only from files that the manifest lists.

    What is not an ONNX model has no such files; the runtime refuses it.

    Args:
        model: The model file.
        listed: The files of the manifest by name, whose checksums are compared.

    Raises:
        ArtifactError: it reads another file, or is damaged so that readers differ.
    """
    if model.stat().st_size == 0:
        return  # which cannot be mapped
    with (
        model.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        try:
            names = {*_locations(data)} - listed.keys()
        except ValueError as error:
            raise ArtifactError(
                f"the model {str(model)!r} is damaged: {error}; export the checkpoint again"
            ) from None
    if names:
        raise ArtifactError(
            f"the model {str(model)!r} reads weights from {min(names)!r}, which its manifest does "
            "not list; export the checkpoint again"
        )


def _locations(data: mmap.mmap) -> Iterator[str]:
    """The values of every entry `location` of every tensor's external data."""
    messages: list[tuple[int, int, Any]] = [(0, len(data), _MODEL)]
    while messages:
        begin, end, known = messages.pop()
        entry: dict[str, list[bytes]] = {"key": [], "value": []}
        for number, start, stop in _fields(data, begin, end):
            inner = known.get(number)
            if isinstance(inner, str):
                entry[inner].append(data[start:stop])
            elif inner is not None:
                messages.append((start, stop, inner))
        if b"location" in entry["key"]:
            yield from (value.decode("utf-8", "replace") for value in entry["value"])


def _fields(data: mmap.mmap, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field of type 2; ends where the message is damaged."""
    while place < end:
        tag, place = _varint(data, place, end)
        if tag >> 32:
            # protobuf drops these bits, and reads another field.
            raise ValueError("a field has a number out of range")
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, place = _varint(data, place, end)
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        elif kind == _MESSAGE:
            length, place = _varint(data, place, end)
            if place + length > end:
                return
            yield number, place, place + length
            place += length
        elif kind not in (_GROUP, _END_GROUP):  # the fields of a group are read like the others
            return


def _varint(data: mmap.mmap, place: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it; behind `end` if it is damaged."""
    value = 0
    for shift in range(_MAX_VARINT):
        if place >= end:
            break
        byte = data[place]
        value |= (byte & 0x7F) << 7 * shift
        place += 1
        if byte < 0x80:
            return value, place
    return 0, end + 1
