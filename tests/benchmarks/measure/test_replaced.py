"""An artifact that is replaced while a benchmark runs: results never describe another file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from squeezebert_mobile.artifact import file_facts, read_artifact
from squeezebert_mobile.benchmarks.measure import host
from squeezebert_mobile.benchmarks.measure.contenders import Contender, artifact_contenders
from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.errors import ArtifactError

Replace = Callable[[Path, Path], None]  # the measured artifact, another one
PRESET = Preset("short", runs=4, seconds=0, blocks=2, starts=1)


def _whole(ours: Path, other: Path) -> None:
    shutil.rmtree(ours)
    shutil.copytree(other, ours)


def _content(ours: Path, other: Path) -> None:
    """As `cp` does it, into the same files."""
    for file in other.iterdir():
        (ours / file.name).write_bytes(file.read_bytes())


def _one(name: str) -> Replace:
    def replace(ours: Path, other: Path) -> None:
        content = (other / name).read_bytes()
        (ours / name).write_bytes(content if name == "model.onnx" else content + b" ")

    return replace


def _removed(ours: Path, other: Path) -> None:
    shutil.rmtree(ours)


def _without_manifest(ours: Path, other: Path) -> None:
    (ours / "manifest.json").unlink()


REPLACED: dict[str, tuple[Replace, str]] = {
    "the whole folder": (_whole, "manifest.json"),
    "the content of its files": (_content, "manifest.json"),
    "the model": (_one("model.onnx"), "model.onnx"),
    "the manifest": (_one("manifest.json"), "manifest.json"),
    "the golden outputs": (_one("golden.json"), "golden.json"),
    "the tokenizer": (_one("tokenizer.json"), "tokenizer.json"),
    "removed": (_removed, "manifest.json"),
    "without its manifest": (_without_manifest, "manifest.json"),
}


@pytest.fixture
def two(make_artifact: Callable[..., Path]) -> tuple[Path, Path]:
    """The artifact that is measured, and another one."""
    ours, other = make_artifact("ours"), make_artifact("other", precision="fp32")
    model = bytearray((other / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1  # of a weight: of the same size, and it loads
    (other / "model.onnx").write_bytes(model)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["files"]["model.onnx"] = file_facts(other / "model.onnx").model_dump()
    (other / "manifest.json").write_text(json.dumps(manifest))
    assert read_artifact(other).precision == "fp32"
    return ours, other


def _measure(contenders: list[Contender]) -> Results:
    return measure_host(contenders, preset=PRESET, sequence_lengths=[4])


@pytest.mark.parametrize("case", REPLACED)
def test_replaced_before_the_run(two: tuple[Path, Path], case: str) -> None:
    """As while a baseline is exported, which takes minutes."""
    replace, name = REPLACED[case]
    contenders = artifact_contenders(two[:1], baselines=two[1:])
    replace(*two)
    with pytest.raises(ArtifactError) as caught:
        _measure(contenders)
    assert str(caught.value) == (
        f"artifact file {str(two[0] / name)!r} was replaced after it had been checked; run the "
        "command again when nothing else writes to that folder"
    )


@pytest.mark.parametrize("step", ["measure_start", "open_model"])
@pytest.mark.parametrize("case", ["the whole folder", "the model", "removed"])
def test_replaced_before_it_is_loaded(
    two: tuple[Path, Path], case: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, _ = REPLACED[case]
    contenders = artifact_contenders(two[:1])
    load = getattr(host, step)

    def replaced(*arguments: object, **options: object) -> object:
        replace(*two)
        return load(*arguments, **options)

    monkeypatch.setattr(host, step, replaced)
    with pytest.raises(ArtifactError, match="was replaced after it had been checked"):
        _measure(contenders)


def test_replaced_once_it_is_loaded(two: tuple[Path, Path]) -> None:
    """What was measured is what was loaded, so that the results are right."""
    contenders = artifact_contenders(two[:1])
    expected = contenders[0].facts

    def progress(what: str, done: float, total: float) -> None:
        if what.startswith("warm up"):
            _whole(*two)

    results = measure_host(contenders, preset=PRESET, sequence_lengths=[4], progress=progress)
    assert results.complete and results.contenders == (expected,)


def test_an_artifact_that_stays_is_measured(two: tuple[Path, Path]) -> None:
    assert _measure(artifact_contenders(two[:1], baselines=two[1:])).complete
