"""The command `bench` on this computer, and its baselines."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import tiny
from commands import Cli

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import read_artifact
from squeezebert_mobile.cli import baselines
from squeezebert_mobile.cli.baselines import Baseline
from squeezebert_mobile.formats import Precision
from squeezebert_mobile.progress import silent


def test_bench_measures_against_a_baseline(cli: Cli, assistant: Path, tmp_path: Path) -> None:
    fp32, results = tmp_path / "fp32", tmp_path / "results.json"
    tiny.write_checkpoint(tmp_path / "bert", "bert", "text-classification")
    code, *_ = cli("export", tmp_path / "bert", "-o", fp32, "--precision", "fp32")
    assert code == 0
    options = ("--baseline", fp32, "--preset", "rapid", "--sequence-length", 16, "-o", results)
    code, out, _ = cli("bench", assistant, *options)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for word in ("assistant", "median", "P90", "load"):
        assert word in out
    written = json.loads(results.read_text())
    assert written["complete"] and written["ratios"][0]["contender"] == "assistant"
    assert not list(tmp_path.glob("*.journal"))
    before = results.read_bytes()
    code, out, err = cli("bench", "none", *options)  # said before a model is looked for
    assert (code, out, err) == (
        1,
        "",
        f"error: {str(results)!r} exists; replace it with --force, or choose another file "
        "with -o\n",
    )
    assert "no such artifact folder" in cli("bench", "none", *options, "--force")[2]
    assert results.read_bytes() == before


def test_bench_says_which_baselines_it_exports(
    assistant: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before it starts, and once: then they are in the cache."""
    tiny.write_checkpoint(tmp_path / "bert", "bert", "text-classification")
    monkeypatch.setattr(baselines, "_CHECKPOINT", tmp_path / "bert")
    monkeypatch.setattr(baselines, "cache_folder", lambda: tmp_path / "cache")
    folder = tmp_path / "cache" / "baselines" / __version__

    def said() -> str:
        contenders = baselines.bert_base_contenders([assistant], progress=silent)
        assert [each.label for each in contenders] == ["BERT-base int8", "BERT-base fp32"]
        return capsys.readouterr().err

    assert said() == (
        "exporting the baseline first: BERT-base int8 and BERT-base fp32. It takes about 3 minutes "
        f"on two cores and 4 GB of memory, and is kept in {str(folder)!r} for the next runs; "
        "--baseline none measures without it\n"
    )
    assert said() == ""
    shutil.rmtree(folder / "bert-base-text-classification-onnx-fp32-dynamic")
    assert said().startswith(
        "exporting the baseline first: BERT-base fp32. It takes about 1 minute on"
    )
    (folder / "bert-base-text-classification-onnx-int8-dynamic" / "manifest.json").write_text("{}")
    assert said().startswith(
        "exporting the baseline first: BERT-base int8. It takes about 2 minutes on"
    )


@pytest.fixture(scope="module")
def exported(assistant: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint, and the cache that its baselines were exported into."""
    folder = tmp_path_factory.mktemp("baselines")
    tiny.write_checkpoint(folder / "bert", "bert", "text-classification")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "_CHECKPOINT", folder / "bert")
        patch.setattr(baselines, "cache_folder", lambda: folder / "cache")
        baselines.bert_base_contenders([assistant], progress=silent)
    return folder


@pytest.fixture
def cached(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the int8 baseline is, in a cache of its own without baselines."""
    monkeypatch.setattr(baselines, "_CHECKPOINT", exported / "bert")
    monkeypatch.setattr(baselines, "cache_folder", lambda: tmp_path / "cache")
    name = "bert-base-text-classification-onnx-int8-dynamic"
    return tmp_path / "cache" / "baselines" / __version__ / name


def _another_precision(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name(folder.name.replace("int8", "fp32")), folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_bytes(b""),
        lambda folder: ((folder / "manifest.json").unlink(), (folder / "manifest.json").mkdir()),
        lambda folder: (folder / "model.onnx").unlink(),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: (shutil.rmtree(folder), folder.mkdir()),
        lambda folder: (shutil.rmtree(folder), folder.write_text("")),
        lambda folder: (shutil.rmtree(folder), folder.symlink_to(folder.parent)),
        lambda folder: (shutil.rmtree(folder), folder.symlink_to("nowhere")),
        _another_precision,
    ],
)
def test_a_damaged_baseline_is_exported_again(
    assistant: Path,
    exported: Path,
    cached: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], object],
) -> None:
    shutil.copytree(exported / "cache", cached.parents[2])
    baselines.bert_base_contenders([assistant], progress=silent)
    assert capsys.readouterr().err == ""
    damage(cached)
    baselines.bert_base_contenders([assistant], progress=silent)
    assert "exporting the baseline first: BERT-base int8. " in capsys.readouterr().err
    assert read_artifact(cached).precision == "int8"
    assert len(list(cached.parent.iterdir())) == 2
    baselines.bert_base_contenders([assistant], progress=silent)
    assert capsys.readouterr().err == ""


def test_a_cache_that_cannot_be_written(
    cli: Cli, assistant: Path, tmp_path: Path, cached: Path
) -> None:
    (tmp_path / "cache").write_text("")
    code, _, err = cli("bench", assistant)
    assert code == 1
    assert err.splitlines()[1:] == [
        f"error: cannot write to {str(tmp_path / 'cache')!r}: Not a directory",
        "this was the export of the baseline into the cache: set XDG_CACHE_HOME to another folder, "
        "or measure without BERT-base: --baseline none",
    ]


@pytest.mark.parametrize(
    ("exported", "cost"),
    [
        ([("onnx", "fp32")], "about 1 minute on two cores and 3 GB of memory"),
        ([("onnx", "int4")], "about 3 minutes on two cores and 4 GB of memory"),
        (
            [("onnx", "fp16"), ("onnx", "fp32"), ("onnx", "int8")],
            "about 4 minutes on two cores and 4 GB of memory",
        ),
        ([("torchscript", "fp32")], "several minutes and several GB of memory"),
        ([("onnx", "int8"), ("executorch", "int8")], "several minutes and several GB of memory"),
    ],
)
def test_the_cost_of_baselines(exported: list[tuple[str, str]], cost: str) -> None:
    assert baselines._cost([Baseline("fill-mask", *each, None) for each in exported]) == cost


def test_every_precision_has_its_cost() -> None:
    assert baselines._COST.keys() == set(get_args(Precision))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-nan", "x"])
@pytest.mark.parametrize("option", ["--fail-if-slower", "--max-celsius", "--cool-down", "--wait"])
def test_limits_are_finite_numbers(cli: Cli, tmp_path: Path, option: str, value: str) -> None:
    code, out, err = cli("bench", tmp_path, option, value)
    assert (code, out) == (2, "")
    assert f"Error: Invalid value for '{option}': " in err


@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_ratio_is_above_0(cli: Cli, tmp_path: Path, value: str) -> None:
    code, _, err = cli("bench", tmp_path, "--fail-if-slower", value)
    assert code == 2 and "is not a finite number above 0" in " ".join(err.split())


def test_baseline_labels_say_what_differs() -> None:
    int8 = Baseline("fill-mask", "onnx", "int8", None)
    fp32 = Baseline("fill-mask", "onnx", "fp32", None)
    short = Baseline("fill-mask", "executorch", "int8", 128)
    assert [baseline.label([int8, fp32]) for baseline in (int8, fp32)] == [
        "BERT-base int8",
        "BERT-base fp32",
    ]
    assert [baseline.label([int8, short]) for baseline in (int8, short)] == [
        "BERT-base int8 onnx at any length",
        "BERT-base int8 executorch at 128",
    ]
