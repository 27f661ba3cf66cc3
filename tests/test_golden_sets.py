"""The files checked in for the Kotlin tests and the app are up to date."""

import itertools
import json
from pathlib import Path
from typing import Any

import app_expectations
import pytest
import runner_expectations
import wordpiece_vectors
from commands import Cli
from runner_expectations import DEMO
from same_artifact import assert_same

from squeezebert_mobile.artifact import read_artifact
from squeezebert_mobile.cli import app
from squeezebert_mobile.hub import DEMOS
from squeezebert_mobile.tasks import TASKS

EXPECTED, APP = runner_expectations.GOLDEN, app_expectations.FOLDER
TINY = (*TASKS, "no-pooler", "fixed", "fp32", "fp16", "int4")
READABLE = (*sorted(set(TASKS) - {"text-classification"}),)
#: The app's artifacts, by the name of their checkpoint.
ASSETS = {
    "demo": DEMO,
    **{name: DEMO.parent / name for name in ("demo-slots", "demo-fill-mask")},
}
REMEDY = "run: make app-assets"
#: Difference of a logit between processors; the difference of an answer's score is smaller.
TOLERANCE = 0.05
#: Minimum relative lead of an answer's score over the next one.
CLEAR = 0.005

#: Maximum size in bytes.
SIZES = {
    EXPECTED: 1_500_000,
    **dict.fromkeys(ASSETS.values(), 2_000_000),
    **{APP / task: 150_000 for task in READABLE},
}


@pytest.fixture(scope="module")
def tiny_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("expected")
    assert tuple(runner_expectations.export_all(folder)) == TINY
    return folder / "artifacts"


@pytest.fixture(scope="module")
def readable_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    assert tuple(app_expectations.export_all(folder)) == READABLE
    return folder


# Artifacts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_artifact_is_up_to_date(name: str, tiny_artifacts: Path) -> None:
    assert_same(EXPECTED / "artifacts" / name, tiny_artifacts / name)


@pytest.mark.parametrize("name", READABLE)
def test_a_readable_artifact_is_up_to_date(name: str, readable_artifacts: Path) -> None:
    assert_same(APP / name, readable_artifacts / name)


@pytest.mark.parametrize("demo", ASSETS)
def test_the_apps_asset_is_the_exported_demo(demo: str, tmp_path: Path) -> None:
    app(["export", demo, "-o", str(tmp_path / "demo")], standalone_mode=False)
    assert_same(ASSETS[demo], tmp_path / "demo")
    recorded, exported = (read_artifact(folder) for folder in (ASSETS[demo], tmp_path / "demo"))
    assert recorded.source == exported.source


def test_the_app_has_all_demos_and_nothing_else() -> None:
    assert set(ASSETS) == set(DEMOS)
    assert sorted(DEMO.parent.iterdir()) == sorted(ASSETS.values())
    assert {read_artifact(folder).weights for folder in ASSETS.values()} == {"trained"}


@pytest.mark.parametrize("demo", ASSETS)
def test_the_apps_asset_gives_its_golden_outputs(demo: str, cli: Cli) -> None:
    code, out, err = cli("verify", ASSETS[demo])
    assert (code, err) == (0, ""), out


def test_random_weights_are_marked_random() -> None:
    for folder in (EXPECTED / "artifacts", APP):
        for path in folder.glob("*/"):
            assert read_artifact(path).weights == "random"


@pytest.mark.parametrize("folder", SIZES, ids=lambda folder: folder.name)
def test_the_size(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size <= SIZES[folder]


def test_there_are_no_other_files() -> None:
    files = {"answers.json", "damaged.json", "random.jsonl"}
    assert {path.name for path in EXPECTED.iterdir()} == {"artifacts", *files}
    assert {path.name for path in (EXPECTED / "artifacts").iterdir()} == set(TINY)
    assert {path.name for path in APP.iterdir()} == {*READABLE, "answers.json"}


# Answers ------------------------------------------------------------------------------------


def test_the_pipelines_give_the_recorded_answers_for_the_tiny_artifacts() -> None:
    computed = [*runner_expectations.answers(EXPECTED / "artifacts")]
    _assert_close(_read(EXPECTED / "answers.json"), runner_expectations.nine_digits(computed))


def test_the_pipelines_give_the_recorded_answers_for_the_app() -> None:
    computed = [*app_expectations.answers(APP)]
    _assert_close(_read(APP / "answers.json"), runner_expectations.nine_digits(computed))


def test_python_accepts_the_damaged_files_marked_as_accepted() -> None:
    computed = {"files": [*runner_expectations.damaged(DEMO)]}
    assert _read(EXPECTED / "damaged.json") == runner_expectations.nine_digits(computed), REMEDY


def test_the_random_texts_have_the_recorded_ids() -> None:
    lines = (EXPECTED / "random.jsonl").read_text(encoding="ascii").splitlines()
    computed = wordpiece_vectors.random_vectors(runner_expectations.FEW_TEXTS)
    assert [json.loads(line) for line in lines] == json.loads(json.dumps([*computed])), REMEDY


def test_the_apps_answers_lead_by_more_than_rounding_errors() -> None:
    for case in _read(APP / "answers.json"):
        result = case["result"]
        lists = [result[key] for key in ("labels", "choices", "answers") if key in result]
        for ranking in [*lists, *result.get("masks", [])]:
            scores = [answer["score"] for answer in ranking]
            for better, worse in itertools.pairwise(scores):
                assert better - worse >= CLEAR * better, (case["call"], scores)


def test_the_apps_texts_contain_difficult_characters() -> None:
    for name, calls in app_expectations.CALLS.items():
        assert 3 <= len(calls) <= 8
        text = json.dumps(calls, ensure_ascii=False)
        assert any(ord(char) > 0xFFFF for char in text), name  # two UTF-16 units
        assert any("\u0590" <= char <= "\u06ff" for char in text), name  # right to left
        assert "é" in text or "ë" in text, name


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="ascii"))


def _assert_close(recorded: Any, computed: Any, where: str = "") -> None:
    if isinstance(recorded, dict):
        assert recorded.keys() == computed.keys(), where
        for key in recorded:
            _assert_close(recorded[key], computed[key], f"{where}.{key}")
    elif isinstance(recorded, list):
        assert len(recorded) == len(computed), where
        for index, (theirs, ours) in enumerate(zip(recorded, computed, strict=True)):
            _assert_close(theirs, ours, f"{where}.{index}")
    elif isinstance(recorded, float):
        assert abs(recorded - computed) <= TOLERANCE, where
    else:
        assert recorded == computed, f"{where}; {REMEDY}"
