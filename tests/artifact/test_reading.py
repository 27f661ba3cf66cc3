"""Reading an artifact: damaged, incomplete and unsafe ones are refused."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import (
    Manifest,
    file_facts,
    read_artifact,
    read_golden,
    reading,
    reading_artifact,
)
from squeezebert_mobile.errors import ArtifactError
from squeezebert_mobile.tasks import INPUT_NAMES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_small_artifact(tmp_path / "artifact")
    return tmp_path / "artifact"


def _change(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def test_reads_what_was_written(folder: Path) -> None:
    manifest = read_artifact(folder)
    assert manifest.task == "text-classification"
    assert manifest.files["model.onnx"] == file_facts(folder / "model.onnx")
    assert read_golden(folder).schema_version == 1


def test_schema_is_checked_in() -> None:
    """docs/manifest.schema.json is generated: make schema."""
    checked_in = json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
    assert checked_in == Manifest.model_json_schema()


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("manifest.json", lambda d: d.update(schema_version=2), "schema_version 2.*upgrade"),
        ("manifest.json", lambda d: d.pop("schema_version"), "schema_version None"),
        ("manifest.json", lambda d: d.update(task=3), "damaged at task: "),
        ("manifest.json", lambda d: d.update(surprise=1), "damaged at surprise: "),
        ("manifest.json", lambda d: d["model"].update(layers=0), "damaged at model.layers: "),
        ("manifest.json", lambda d: d["files"].pop("golden.json"), "lists no golden.json"),
    ],
)
def test_a_wrong_manifest_is_refused(
    folder: Path, file: str, change: Callable[[dict[str, object]], None], message: str
) -> None:
    _change(folder / file, change)
    with pytest.raises(ArtifactError, match=message):
        read_artifact(folder)


@pytest.mark.parametrize("number", [-1, 2**63])
def test_invalid_golden_ids_are_refused(folder: Path, number: int) -> None:
    text = {name: [[number]] for name in INPUT_NAMES} | {"texts": [["a"]], "outputs": {}}
    _change(folder / "golden.json", lambda d: d.update(texts=[text]))
    with pytest.raises(ArtifactError, match=r"damaged at texts\.0\.input_ids\.0\.0: Input should"):
        read_golden(folder)


def test_a_line_break_in_a_key_is_escaped(folder: Path) -> None:
    _change(folder / "manifest.json", lambda d: d.update({"a\nb" + "c" * 99: 1}))
    with pytest.raises(ArtifactError, match=r"damaged at a\\nbc{77}: ") as error:
        read_artifact(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, '"' + "\\ud800" * 3])
def test_a_manifest_that_is_not_a_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_artifact(folder)


def test_a_missing_and_an_empty_folder_have_different_errors(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such artifact folder"):
        read_artifact(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=r"has no manifest\.json; make one with: squeezebert"):
        read_artifact(tmp_path)


def _read_beside_a_block(folder: Path) -> Manifest:
    with reading_artifact(folder) as manifest:
        return manifest


Read = Callable[[Path], Manifest]


@pytest.fixture(params=[read_artifact, _read_beside_a_block], ids=["at once", "beside a block"])
def read(request: pytest.FixtureRequest) -> Read:
    """The two ways to read an artifact; both make all checks."""
    return request.param  # type: ignore[no-any-return]


def test_a_changed_byte_is_detected(folder: Path, read: Read) -> None:
    model = bytearray((folder / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (folder / "model.onnx").write_bytes(model)
    with pytest.raises(ArtifactError, match="has changed since the export"):
        read(folder)


def test_a_missing_file_is_named(folder: Path, read: Read) -> None:
    (folder / "golden.json").unlink()
    with pytest.raises(ArtifactError, match=r"golden\.json' is missing"):
        read(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", "..", ".", "c:x", "a\\b"])
def test_a_path_outside_the_folder_is_refused(folder: Path, read: Read, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    facts = file_facts(folder.parent / "secret").model_dump()
    _change(folder / "manifest.json", lambda d: d["files"].update({name: facts}))  # type: ignore[attr-defined]
    with pytest.raises(ArtifactError, match="points outside its folder"):
        read(folder)


def test_a_link_is_refused(folder: Path, read: Read) -> None:
    (folder / "vocab.txt").rename(folder.parent / "elsewhere.txt")
    (folder / "vocab.txt").symlink_to(folder.parent / "elsewhere.txt")
    with pytest.raises(ArtifactError, match="points outside its folder"):
        read(folder)


def test_the_model_is_checked_by_the_end_of_the_block(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_read, hashed = threading.Event(), list[str]()

    def slow(path: Path) -> str:
        assert is_read.wait(10)
        hashed.append(path.name)
        return file_facts(path).sha256

    monkeypatch.setattr(reading, "_mapped_sha256", slow)
    with reading_artifact(folder) as manifest:
        assert manifest.task == "text-classification"
        assert hashed == []
        is_read.set()
    assert hashed == ["model.onnx"]


def test_a_pipe_in_place_of_the_model_is_refused_before_the_block(folder: Path) -> None:
    model = folder / "model.onnx"
    model.unlink()
    os.mkfifo(model)
    with pytest.raises(ArtifactError, match="is missing"), reading_artifact(folder):
        pytest.fail("a reader of the pipe would wait for ever")


def test_damage_explains_an_error_of_the_block(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), reading_artifact(folder):
        raise ZeroDivisionError
    largest = folder / "model.onnx"
    largest.write_bytes(b"?" * largest.stat().st_size)
    with pytest.raises(ArtifactError, match="has changed since"), reading_artifact(folder):
        raise ZeroDivisionError


def _write_tolerance(folder: Path, tolerance: str) -> None:
    """Write a number as JSON text, as Python does not write all of them."""
    _change(folder / "golden.json", lambda d: d.update(tolerance={"logits": 12345}))
    text = (folder / "golden.json").read_text(encoding="utf-8")
    (folder / "golden.json").write_text(text.replace("12345", tolerance), encoding="utf-8")


@pytest.mark.parametrize(
    "tolerance",
    ["1e308", "1e999", "Infinity", "NaN", "-Infinity", "-1", "-1e-9", "1e30", "100000", "9" * 400],
)
def test_a_tolerance_that_accepts_any_output_is_refused(folder: Path, tolerance: str) -> None:
    _write_tolerance(folder, tolerance)
    with pytest.raises(ArtifactError, match="golden.json' is damaged at t"):
        read_golden(folder)


def test_the_largest_tolerance_follows_the_values(folder: Path) -> None:
    _write_tolerance(folder, "1e308")
    message = r"the tolerance 1e\+308 of 'logits' is not from 0 to .*, 100 times the largest value"
    with pytest.raises(ArtifactError, match=message):
        read_golden(folder)
    for largest, accepted, refused in (
        (0.0, "100", "101"),
        (2e4, "2e6", "2.1e6"),
        (-1e30, "1e32", "1e33"),
        (float("inf"), "100", "101"),
        (1e300, "100", "101"),  # infinite in float32
        (float("nan"), "0", "101"),
    ):
        output = {"shape": [1, 2], "indices": [0, 1], "values": [0.5, largest], "top": []}
        row = {name: [[1]] for name in INPUT_NAMES}
        text = row | {"texts": [["a"]], "outputs": {"logits": output}}
        _change(folder / "golden.json", lambda d, text=text: d.update(texts=[text]))  # type: ignore[misc]
        _write_tolerance(folder, accepted)
        assert read_golden(folder).tolerance["logits"] == float(accepted)
        _write_tolerance(folder, refused)
        with pytest.raises(ArtifactError, match="is not from 0 to"):
            read_golden(folder)


@pytest.mark.parametrize("lengths", [(4,), (4, 6), (8, 4, 8), (4, 4, 8)])
def test_lengths_that_do_not_ascend_to_the_longest(folder: Path, lengths: tuple[int, ...]) -> None:
    assert read_artifact(folder).max_sequence_length == 8
    _change(folder / "manifest.json", lambda data: data.update(sequence_lengths=lengths))
    with pytest.raises(ArtifactError, match="must ascend to max_sequence_length, 8"):
        read_artifact(folder)


def test_a_large_tokenizer_is_checked_before_the_block(folder: Path) -> None:
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(json.dumps({"vocab": "a" * 100_000}))
    facts = file_facts(tokenizer).model_dump()
    _change(folder / "manifest.json", lambda data: data["files"].update({tokenizer.name: facts}))  # type: ignore[attr-defined]
    tokenizer.write_text(json.dumps({"vocab": "b" * 100_000}))
    with pytest.raises(ArtifactError, match="has changed since"), reading_artifact(folder):
        pytest.fail("the tokenizer would be read before its checksum is known")
