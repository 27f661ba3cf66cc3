"""Options that LiteRT takes from a file without a check, and that end the process."""

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tiny
from ai_edge_litert import schema_py_generated as schema

from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.runtime.sessions.flatbuffer_reader import Reader, Vectors
from squeezebert_mobile.runtime.sessions.tflite_check import check_model

TEXTS = ["wake me at six", "play music", "what time is it", "is it cold"] * 2


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with convolutions and splits."""
    folder = tmp_path_factory.mktemp("tflite")
    tiny.write_checkpoint(folder / "checkpoint", task="text-classification")
    export_checkpoint(
        folder / "checkpoint", folder / "artifact", format="litert", precision="int8", texts=TEXTS
    )
    return (folder / "artifact/model.tflite").read_bytes()


def changed(content: bytes, change: Callable[[Any], None]) -> np.ndarray[Any, Any]:
    """The file after a change of its first operator of a type."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    change(model)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return np.frombuffer(bytes(builder.Output()), np.uint8)


def set_option(kind: type[Any], name: str, value: int) -> Callable[[Any], None]:
    """Sets an option of the last operator that has options of a type."""

    def change(model: Any) -> None:
        options = [each.builtinOptions for each in model.subgraphs[-1].operators]
        setattr([each for each in options if isinstance(each, kind)][-1], name, value)

    return change


def test_the_file_as_it_is(model_file: bytes) -> None:
    check_model(changed(model_file, lambda model: None))


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        (schema.SplitOptionsT, "numSplits", 10**9, "has too many results"),
        (schema.SplitOptionsT, "numSplits", -1, "has too many results"),
        (schema.Conv2DOptionsT, "strideW", 0, "has steps that no export writes"),
        (schema.Conv2DOptionsT, "strideH", 2**31 - 1, "has steps that no export writes"),
        (schema.Conv2DOptionsT, "dilationWFactor", 0, "has steps that no export writes"),
        (schema.Conv2DOptionsT, "dilationHFactor", -5, "has steps that no export writes"),
    ],
)
def test_options_out_of_range(
    model_file: bytes, kind: type[Any], name: str, value: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_model(changed(model_file, set_option(kind, name, value)))


def test_vectors_that_share_bytes_take_no_memory() -> None:
    """Offsets may all lead to one long vector, whose elements would be counted many times."""
    reader = Reader(np.zeros(32_000, np.uint8))
    vectors = Vectors(reader, np.full(4000, 16), np.full(4000, 4000))
    with pytest.raises(ValueError, match="its vectors are longer than the file"):
        vectors.positions(4)
