"""check_golden: an artifact reproduces its golden outputs, and differences are detected."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

from squeezebert_mobile.artifact import Golden, read_golden
from squeezebert_mobile.errors import ArtifactError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import check_golden, load_artifact
from squeezebert_mobile.tasks import TASKS

Change = Callable[[dict[str, Any]], object]


def _export(folder: Path, task: str) -> Path:
    tiny.write_checkpoint(folder / "in", task=task)
    texts = shipped_texts()[:8]
    export_checkpoint(folder / "in", folder / "out", task=task, precision="fp32", texts=texts)
    return folder / "out"


@pytest.mark.parametrize("task", TASKS)
def test_an_artifact_reproduces_its_golden_outputs(task: str, tmp_path: Path) -> None:
    folder = _export(tmp_path, task)
    model = load_artifact(folder, threads=1)
    checks = check_golden(model.session, model.spec, read_golden(folder))
    assert [check.output for check in checks] == list(TASKS[task].outputs)
    for check in checks:
        assert check.holds and check.max_abs_diff <= 1e-5 and check.texts == 8
        assert check.same_answers == (8 if TASKS[task].has_answers else None)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _export(tmp_path_factory.mktemp("golden"), "text-classification")


def _changed(folder: Path, change: Change) -> Golden:
    data = read_golden(folder).model_dump(mode="json")
    change(data)
    return Golden.model_validate(data)


def _first(data: dict[str, Any]) -> dict[str, Any]:
    output: dict[str, Any] = data["texts"][0]["outputs"]["logits"]
    return output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(texts=[]), "does not have texts with the outputs logits"),
        (lambda data: data["tolerance"].clear(), "does not have texts with the outputs logits"),
        (lambda data: data["texts"][1]["outputs"].clear(), "does not have texts with the outputs"),
        (
            lambda data: _first(data)["indices"].__setitem__(0, 99),
            "has invalid indices or values for the output",
        ),
        (lambda data: _first(data)["values"].pop(), "has invalid indices or values for the output"),
        (
            lambda data: _first(data).update(indices=[], values=[]),
            "has invalid indices or values for the output",
        ),
        (
            lambda data: _first(data).update(shape=[7, 7]),
            r"with shape \(7, 7\), but the model's has shape",
        ),
        (lambda data: data["texts"][0]["input_ids"][0].pop(), "an input that the model does not"),
        (
            lambda data: data["texts"][0]["input_ids"].append([1]),
            "an input that the model does not",
        ),
        (lambda data: data["texts"][0]["input_ids"][0].__setitem__(0, 10**6), "an input that the"),
        (lambda data: data["texts"][0].update(input_ids=[]), "an input that the model does not"),
    ],
)
def test_golden_outputs_of_another_model_are_rejected(
    artifact: Path, change: Change, message: str
) -> None:
    model = load_artifact(artifact, threads=1)
    with pytest.raises(
        ArtifactError, match=f"^golden.json .*{message}.*export the checkpoint again"
    ):
        check_golden(model.session, model.spec, _changed(artifact, change))


@pytest.mark.parametrize("value", [1e3, 1e308, float("-inf"), float("nan")])
def test_a_different_output_is_detected(artifact: Path, value: float) -> None:
    model = load_artifact(artifact, threads=1)
    golden = read_golden(artifact)
    logits = golden.texts[5].outputs["logits"]
    logits = logits.model_copy(update={"values": (value, *logits.values[1:]), "top": (9,)})
    text = golden.texts[5].model_copy(update={"outputs": {"logits": logits}})
    golden = golden.model_copy(update={"texts": (*golden.texts[:5], text, *golden.texts[6:])})
    (check,) = check_golden(model.session, model.spec, golden)
    assert not check.holds
    assert check.same_answers == 7
