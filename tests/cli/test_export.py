"""The commands `export`, `verify` and `inspect`."""

import json
import shutil
from pathlib import Path

import pytest
import tiny
from commands import Cli, steps, without_steps

from squeezebert_mobile.artifact import file_facts, read_artifact
from squeezebert_mobile.cli.printing.tables import same_answers


def test_export_prints_sizes_and_parity_and_a_line_for_each_step_when_piped(
    cli: Cli, tmp_path: Path
) -> None:
    tiny.write_checkpoint(tmp_path / "checkpoint", task="fill-mask")
    code, out, err = cli("export", tmp_path / "checkpoint", "-o", tmp_path / "out")
    assert code == 0
    assert steps(err) == ["load", "rewrite", "calibrate", "export", "quantize", "verify"]
    assert without_steps(err) == ""
    for word in ("embeddings", "encoder", "head", "model.onnx", "logits", "same answer in"):
        assert word in out
    written = [line for line in out.splitlines() if not line.startswith("written to ")]
    assert max(map(len, written)) <= 80
    assert read_artifact(tmp_path / "out").task == "fill-mask"


def test_the_comparison_is_in_words(cli: Cli, assistant: Path, tmp_path: Path) -> None:
    parity = read_artifact(assistant).parity
    assert parity.answers_undecided > 0
    code, out, _ = cli("inspect", assistant)
    assert code == 0
    assert (
        f"verified on {parity.texts} texts, each at several lengths: same answer in all "
        f"{parity.answers} comparisons; {parity.answers_undecided} more are not counted, because "
        "the checkpoint's two best answers are nearly equal there"
    ) in " ".join(out.split())
    tiny.write_checkpoint(tmp_path / "vectors")
    options = ("--precision", "fp32", "--sequence-length", "16")
    _, out, _ = cli("export", tmp_path / "vectors", "-o", tmp_path / "out", *options)
    assert "verified on 25 texts\n" in out


@pytest.mark.parametrize(
    ("same", "total", "text"),
    [
        (90, 90, "same answer in all 90 words"),
        (1, 1, "same answer in all 1 words"),
        (89, 90, "same answer in 89 of 90 words (98.89%)"),
        (99_999, 100_000, "same answer in 99,999 of 100,000 words (99.99%)"),
        (0, 2, "same answer in 0 of 2 words (0.00%)"),
    ],
)
def test_same_answers(same: int, total: int, text: str) -> None:
    assert same_answers(same, total, "words") == text


def test_export_json_is_the_manifest(cli: Cli, tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path / "checkpoint", task="fill-mask")
    options = ("-o", tmp_path / "out", "--precision", "fp32", "--json")
    code, out, _ = cli("export", tmp_path / "checkpoint", *options)
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "out" / "manifest.json").read_text())


def test_verify_reproduces_the_golden_outputs(cli: Cli, assistant: Path) -> None:
    code, out, err = cli("verify", assistant)
    assert (code, err) == (0, "")
    assert "checksums match" in out and "8 of 8" in out
    code, out, _ = cli("verify", assistant, "--json")
    (golden,) = json.loads(out)["golden"]
    assert golden["output"] == "logits" and golden["holds"] and golden["texts"] == 8


def test_verify_against_compares_with_the_checkpoint(cli: Cli, assistant: Path) -> None:
    texts = assistant.with_name("texts.txt")
    code, out, err = cli("verify", assistant, "--against", "demo", "--texts", texts)
    assert (code, steps(err), without_steps(err)) == (0, ["load", "verify"], "")
    assert "verified on 25 texts" in out
    code, out, _ = cli("verify", assistant, "--against", "demo", "--texts", texts, "--json")
    assert (
        json.loads(out)["parity"]
        == json.loads((assistant / "manifest.json").read_text(encoding="utf-8"))["parity"]
    )


def test_verify_detects_a_different_output(cli: Cli, assistant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(assistant, folder)
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    golden["texts"][3]["outputs"]["logits"]["values"][2] += 9
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    code, _, err = cli("verify", folder)
    assert code == 1 and "golden.json' has changed since the export" in err
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["golden.json"] = file_facts(folder / "golden.json").model_dump()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, out, err = cli("verify", folder, "--against", "demo")
    assert code == 1
    assert err.startswith("error: this machine does not reproduce the golden outputs: logits")
    assert err.count("\n") == 1 and "checkpoint's" not in out


def test_verify_against_another_checkpoint_names_the_source(
    cli: Cli, assistant: Path, tmp_path: Path
) -> None:
    tiny.write_checkpoint(tmp_path / "other", task="text-classification")
    code, _, err = cli("verify", assistant, "--against", tmp_path / "other")
    assert code == 1
    assert err.startswith("error: ") and err.count("\n") == 1
    assert (
        "is not the artifact's; compare it with the checkpoint that it was exported from, 'demo'"
        in err
    )


def test_inspect_shows_a_checkpoint(cli: Cli) -> None:
    code, out, err = cli("inspect", "demo")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for word in ("text-classification", "4 (attention_output 1)", "Conv1d", "expected", "apache"):
        assert word in out
    assert "0.02 M" in out and "0.00 M" not in out
    code, out, _ = cli("inspect", "demo", "--json")
    printed = json.loads(out)
    assert printed["heads"] == ["feature-extraction", "text-classification"]
    assert printed["model"]["groups"]["query"] == 4


def test_inspect_says_that_the_tokenizer_is_missing(cli: Cli, tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, task="text-classification")
    assert "\ntokenizer" not in cli("inspect", tmp_path)[1]
    for name in ("vocab.txt", "tokenizer.json"):
        (tmp_path / name).unlink(missing_ok=True)
    code, out, err = cli("inspect", tmp_path)
    assert (code, err) == (0, "")
    assert "tokenizer missing or damaged, so that an export is refused: '" in " ".join(out.split())
    assert "has no vocabulary: it needs vocab.txt or tokenizer.json" in " ".join(out.split())
    reason = json.loads(cli("inspect", tmp_path, "--json")[1])["tokenizer_error"]
    assert reason.startswith(f"{str(tmp_path)!r} has no vocabulary: it needs vocab.txt or tok")


def test_inspect_shows_an_artifact(cli: Cli, assistant: Path) -> None:
    code, out, err = cli("inspect", assistant)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    kept = "kept in fp32: classifier (", "most sensitive (signal-to-noise ratio): pooler"
    for word in ("int8", "mean cosine", *kept, "DynamicQuantizeMatMul", "apache-2.0"):
        assert word in out
    sizes = {path.name: f"{path.stat().st_size:,}" for path in assistant.iterdir()}
    sizes["total"] = f"{sum(path.stat().st_size for path in assistant.iterdir()):,}"
    shown = [line.split() for line in out.splitlines()]
    assert all([name, size] in shown for name, size in sizes.items())
    code, out, _ = cli("inspect", assistant, "--json")
    assert json.loads(out) == json.loads((assistant / "manifest.json").read_text(encoding="utf-8"))
