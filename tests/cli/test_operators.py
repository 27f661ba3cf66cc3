"""`operators`: what it writes and prints, and each kind of bad input."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from commands import Cli
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import write_json

ARTIFACTS = Path(__file__).parents[1] / "golden/expected/artifacts"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("int4", "fp32"):
        shutil.copytree(ARTIFACTS / name, name)
    return tmp_path


def _other_format(name: str, format: str) -> None:
    manifest = write_small_artifact(Path(name))
    write_json(manifest.model_copy(update={"format": format}), Path(name, "manifest.json"))


def test_a_list_and_its_replacement(cli: Cli, place: Path) -> None:
    code, out, err = cli("operators", "int4", "fp32", "-o", "new/ops.config")
    assert (code, err) == (0, "")
    assert out.startswith("written to new/ops.config: ") and out.count("\n") == 1
    assert "operators of 2 artifacts; to build with it, see docs/integrate.md" in out
    text = (place / "new/ops.config").read_text(encoding="utf-8")
    assert text.startswith("# Operators of int4/model.onnx, fp32/model.onnx\n")
    assert str(place) not in text

    code, out, err = cli("operators", "fp32", "-o", "new/ops.config")
    assert (code, out) == (1, "") and "exists; replace it with --force" in err
    assert (place / "new/ops.config").read_text(encoding="utf-8") == text
    code, out, err = cli("operators", "fp32", "-o", "new/ops.config", "--force", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["format"] == "onnx" and facts["file"] == "new/ops.config"
    assert "ai.onnx:Gather" in facts["operators"] and facts["delegates"] == []
    assert [each.name for each in (place / "new").iterdir()] == ["ops.config"]


@pytest.mark.skipif(sys.platform == "win32", reason="/dev/stdout")
def test_to_the_terminal(cli: Cli, place: Path) -> None:
    code, out, _ = cli("operators", "fp32", "-o", "/dev/stdout")
    assert code == 0 and out.startswith("# Operators of fp32/model.onnx\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("none", "no such artifact folder: 'none'; make one with: squeezebert-mobile export"),
        ("fp32 none", "no such artifact folder: 'none'; make one with: squeezebert-mobile export"),
        ("fp32/model.onnx", "no such artifact folder: 'fp32/model.onnx'; make one with: squeeze"),
        ("empty", "'empty' is not an artifact: it has no manifest.json; make one with: squeezeb"),
        ("fp32 program", "'fp32' is onnx and 'program' is executorch; write a list for each form"),
        ("archive", "'archive' is torchscript: torch's build takes no list of them; export it as"),
        ("lite", "'lite' is litert: LiteRT's libraries for Android are not built with a selection"),
        ("small", "onnxruntime"),
    ],
)
def test_bad_artifacts(cli: Cli, place: Path, words: str, message: str) -> None:
    Path("empty").mkdir()
    write_small_artifact(Path("small"))
    _other_format("program", "executorch")
    _other_format("archive", "torchscript")
    _other_format("lite", "litert")
    code, out, err = cli("operators", *words.split(), "-o", "ops.config")
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and message in err and err.count("\n") == 1
    assert not Path("ops.config").exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_file_of_something_else_is_not_replaced(cli: Cli, place: Path, force: list[str]) -> None:
    Path("settings.yaml").write_text("mine: true\n", encoding="utf-8")
    code, _, err = cli("operators", "fp32", "-o", "settings.yaml", *force)
    assert code == 1 and "'settings.yaml' is not a list of operators and was not changed" in err
    assert Path("settings.yaml").read_text(encoding="utf-8") == "mine: true\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-o ops.config", "Missing argument 'ARTIFACTS'"),
        ("fp32", "Missing option '-o' / '--output'"),
        ("fp32 -o ops.config --format onnx", "No such option: --format"),
    ],
)
def test_wrong_options(cli: Cli, place: Path, words: str, message: str) -> None:
    code, out, err = cli("operators", *words.split())
    assert (code, out) == (2, "") and message in err
    assert not Path("ops.config").exists()
