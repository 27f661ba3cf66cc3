"""The contract: what is refused when an artifact is read, and what is left when one is written."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import Manifest, file_facts, read_artifact, read_golden
from squeezebert_mobile.errors import ArtifactError, ExportError
from squeezebert_mobile.files import atomic_folder
from squeezebert_mobile.tasks import INPUT_NAMES

ROOT = Path(__file__).parents[1]


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
def test_golden_ids_that_are_none_are_refused(folder: Path, number: int) -> None:
    text = {name: [[number]] for name in INPUT_NAMES} | {"texts": [["a"]], "outputs": {}}
    _change(folder / "golden.json", lambda d: d.update(texts=[text]))
    with pytest.raises(ArtifactError, match=r"damaged at texts\.0\.input_ids\.0\.0: Input should"):
        read_golden(folder)


def test_a_key_that_would_break_the_line_is_escaped(folder: Path) -> None:
    _change(folder / "manifest.json", lambda d: d.update({"a\nb" + "c" * 99: 1}))
    with pytest.raises(ArtifactError, match=r"damaged at a\\nbc{77}: ") as error:
        read_artifact(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, '"' + "\\ud800" * 3])
def test_a_manifest_that_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_artifact(folder)


def test_a_missing_folder_and_an_empty_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such artifact folder"):
        read_artifact(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=r"has no manifest\.json; make one with: squeezebert"):
        read_artifact(tmp_path)


def test_a_changed_byte_is_seen(folder: Path) -> None:
    model = bytearray((folder / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (folder / "model.onnx").write_bytes(model)
    with pytest.raises(ArtifactError, match="has changed since the export"):
        read_artifact(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "golden.json").unlink()
    with pytest.raises(ArtifactError, match=r"golden\.json' is missing"):
        read_artifact(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", "..", ".", "c:x", "a\\b"])
def test_a_path_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    facts = file_facts(folder.parent / "secret").model_dump()
    _change(folder / "manifest.json", lambda d: d["files"].update({name: facts}))  # type: ignore[attr-defined]
    with pytest.raises(ArtifactError, match="points outside its folder"):
        read_artifact(folder)


def test_a_link_is_refused(folder: Path) -> None:
    (folder / "vocab.txt").rename(folder.parent / "elsewhere.txt")
    (folder / "vocab.txt").symlink_to(folder.parent / "elsewhere.txt")
    with pytest.raises(ArtifactError, match="points outside its folder"):
        read_artifact(folder)


# Writing ------------------------------------------------------------------------------------


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_there_until_the_block_ends(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new") as partial:
        (partial / "manifest.json").write_text("{}")
        assert not (tmp_path / "new").exists()
    assert _names(tmp_path) == ["new"]
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


def test_an_error_leaves_the_old_one_and_no_litter(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(RuntimeError), atomic_folder(folder, force=True) as partial:
        (partial / "half").write_text("half")
        raise RuntimeError
    assert (folder / "manifest.json").read_bytes() == before
    assert _names(folder.parent) == ["artifact"]


def test_force_replaces_the_whole_folder(folder: Path) -> None:
    with atomic_folder(folder, force=True) as partial:
        (partial / "manifest.json").write_text("{}")
    assert _names(folder) == ["manifest.json"]
    assert _names(folder.parent) == ["artifact"]


def test_an_existing_artifact_needs_force(folder: Path) -> None:
    with pytest.raises(ExportError, match="exists; replace it with --force"), atomic_folder(folder):
        pass


def test_something_else_is_left_alone_even_with_force(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with (
        pytest.raises(ExportError, match="holds something else than an artifact"),
        atomic_folder(tmp_path / "home", force=True),
    ):
        pass
    assert _names(tmp_path / "home") == ["letter.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(ExportError, match="is not a folder"),
        atomic_folder(tmp_path / "file", force=True),
    ):
        pass


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as partial:
        (partial / "manifest.json").write_text("{}")
    assert _names(tmp_path / "empty") == ["manifest.json"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot lock a folder")
def test_what_a_killed_export_left_is_removed_and_a_running_one_is_not(folder: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from squeezebert_mobile.files import atomic_folder
with atomic_folder(Path(sys.argv[1]), force=True) as partial:
    print(partial, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            partial = Path(process.stdout.readline().strip())
            with atomic_folder(folder, force=True) as ours:
                (ours / "manifest.json").write_text("{}")
            assert partial.is_dir()  # the other export still runs
        finally:
            process.kill()
    assert partial.is_dir()  # it could not clean up
    for _ in range(50):  # the lock ends when the kernel has buried the process
        with atomic_folder(folder, force=True) as ours:
            (ours / "manifest.json").write_text("{}")
        if not partial.exists():
            break
        time.sleep(0.1)
    assert _names(folder.parent) == ["artifact"]
