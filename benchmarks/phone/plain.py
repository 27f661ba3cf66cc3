"""Model files of other makers on a phone: what is sent, and what the runner runs them on."""

import base64
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.measure.contenders import Contender, feed_arguments, make_feed
from squeezebert_mobile.benchmarks.measure.plain_files import litert_signature
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.files import FileSet, artifact_files, file_set
from squeezebert_mobile.benchmarks.records.results import Settings

__all__ = ["check_inputs", "model_files", "path_on_phone", "plain_job"]

#: Format -> the types of inputs that its runtime's API for Java takes, and the runtime's name.
_TYPES: Mapping[str, tuple[frozenset[str], str]] = {
    "onnx": (
        frozenset(
            ("float32", "float64", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
        ),
        "ONNX Runtime",
    ),
    "executorch": (frozenset(("int64", "int32", "float32")), "ExecuTorch"),
    "litert": (frozenset(("int32", "float32")), "LiteRT"),
}


def check_inputs(contenders: Iterable[Contender]) -> None:
    """Check that the runtimes on phones take the inputs of other makers' files.

    Raises:
        PhoneError: one does not.
    """
    for contender in contenders:
        for each in contender.inputs:
            types, runtime = _TYPES[contender.format]
            if each["dtype"] not in types:
                raise PhoneError(
                    f"{contender.label!r} has the input {each['name']!r} of type {each['dtype']}, "
                    f"and {runtime}'s API for Java takes {', '.join(sorted(types))}; convert the "
                    "model with such inputs, or measure it on this computer"
                )


def model_files(contender: Contender) -> FileSet:
    """The files of a model that the phone must have."""
    path = Path(contender.path)
    if contender.origin == "artifact":
        return artifact_files(path, contender.checksums)
    files = {_name(contender): path}
    data = path.with_name(f"{path.name}.data")
    if data.is_file():
        files[data.name] = data  # the model names it
    return file_set("model", files)


def path_on_phone(contender: Contender, folder: str) -> str:
    """The artifact's folder, or the model file in its folder."""
    return folder if contender.origin == "artifact" else f"{folder}/{_name(contender)}"


def _name(contender: Contender) -> str:
    return f"model{Path(contender.path).suffix}"


def plain_job(contender: Contender, settings: Settings, lengths: Iterable[int]) -> dict[str, Any]:
    """The part of a runner's job for another maker's file: its checksum, and inputs by length."""
    inputs = {}
    for length in lengths:
        feed = make_feed(**feed_arguments(contender, settings, length))
        signature, outputs = (
            litert_signature(Path(contender.path), length)
            if contender.format == "litert"
            else (None, [])
        )
        inputs[str(length)] = {
            "tensors": [
                {
                    "name": name,
                    "type": array.dtype.name,
                    "shape": list(array.shape),
                    "data": base64.b64encode(_little_endian(array)).decode("ascii"),
                }
                for name, array in feed.items()
            ],
            "signature": signature,
            "outputs": outputs,
        }
    return {"sha256": contender.sha256, "inputs": inputs}


def _little_endian(array: Any) -> bytes:
    data: bytes = (array if sys.byteorder == "little" else array.byteswap()).tobytes()
    return data
