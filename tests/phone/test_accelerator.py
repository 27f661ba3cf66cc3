"""`bench --target adb --accelerator gpu|npu` on a stand-in: a figure of the CPU is no GPU's."""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Cli
from phone_run import Run, name_on_phone
from small_artifact import write_small_artifact

from squeezebert_mobile.benchmarks import print_table
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report import write_report
from squeezebert_mobile.errors import BenchmarkError

pytestmark = [pytest.mark.phone, pytest.mark.timeout(120)]

WHOLE: dict[str, Any] = {
    "available": ["cpu", "gpu"],
    "reason": None,
    "operators": {"accelerator": 500, "cpu": 0},
}
REFUSED = "Some ops are not accelerated."


@pytest.fixture
def artifacts(run: Run) -> Run:
    for name in ("ours", "theirs"):
        # Other bytes: the name of a folder on the phone is its contents'.
        write_small_artifact(run.folder / name, model=name.encode() * 10, format="litert")
    return run


def placed(run: Run, ours: dict[str, Any], theirs: dict[str, Any] = WHOLE) -> None:
    names = {name: name_on_phone(run.folder / name) for name in ("ours", "theirs")}
    run.phone.pretend(placement={names["ours"]: ours, names["theirs"]: theirs})


def flagged(results: Results) -> set[str]:
    return {each.contender for each in results.measurements if "CPU fallback" in each.flags}


def test_the_gpu_runs_the_whole_model(artifacts: Run, tmp_path: Path) -> None:
    placed(artifacts, WHOLE)
    results = artifacts.measure(accelerator="gpu")
    assert results.settings.accelerator == "gpu"
    placement = results.answers["ours"].placement
    assert placement and placement.whole and placement.operators == 500
    assert not flagged(results)
    write_report([("phone.json", results)], tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "the GPU ran the whole model, 500 operators" in text
    assert "accelerator asked for" in text and "CPU fallback" not in text


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            {"reason": REFUSED, "available": ["cpu"]},
            f" ({REFUSED[:-1]}; accelerators found: CPU)",
        ),
        (
            WHOLE | {"reason": REFUSED, "operators": {"accelerator": 490, "cpu": 10}},
            ", 490 operators on the GPU and 10 on the CPU "
            f"({REFUSED[:-1]}; accelerators found: CPU, GPU)",
        ),
        # LiteRT calls the model whole, but an operator was refused late, as its log says.
        (
            {"operators": {"accelerator": 499, "cpu": 1}},
            ", 499 operators on the GPU and 1 on the CPU",
        ),
    ],
)
def test_a_fallback_is_flagged_and_is_no_figure_of_the_gpu(
    artifacts: Run,
    tmp_path: Path,
    told: dict[str, Any],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    placed(artifacts, told)
    results = artifacts.measure(accelerator="gpu")
    assert flagged(results) == {"ours"}
    assert all("CPU fallback" in each.times_faster.flags for each in results.ratios)
    stored = json.loads(results.to_json())["answers"]["ours"]["placement"]
    assert stored["requested"] == "gpu" and stored["whole"] is False
    text = "the GPU was asked for, but the CPU ran a part of the model or all of it"
    write_report([("phone.json", results)], tmp_path / "report.md")
    page = (tmp_path / "report.md").read_text("utf-8")
    assert f"ours: {text}{said}. Its figures are not the GPU's." in page.replace("\\", "")
    assert "CPU fallback: the CPU ran a part of the model" in page
    print_table(results)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Its figures are not the GPU's." in shown and "CPU fallback" in shown


def test_a_fallback_after_the_first_load_ends_the_artifacts_run(artifacts: Run) -> None:
    placed(artifacts, WHOLE)
    with pytest.raises(BenchmarkError) as caught:
        artifacts.measure(
            at="start", do=lambda: placed(artifacts, {"reason": REFUSED}, {"reason": REFUSED}),
            accelerator="gpu",
        )  # fmt: skip
    assert "the GPU ran the whole model when it was first loaded, and does not any more" in str(
        caught.value
    )


def test_a_runner_that_does_not_say_is_not_believed(artifacts: Run) -> None:
    artifacts.phone.pretend(change={"load": {"accelerator": None}})
    with pytest.raises(PhoneError, match="does not say whether the NPU runs the model"):
        artifacts.measure(accelerator="npu")


def test_without_an_accelerator_nothing_is_said(artifacts: Run) -> None:
    results = artifacts.measure()
    assert results.answers["ours"].placement is None and not flagged(results)


def test_what_has_no_accelerator_is_refused_before_a_phone_is_sought(
    cli: Cli, tmp_path: Path
) -> None:
    for format in ("onnx", "litert"):
        write_small_artifact(tmp_path / format, format=format)
    words = ("--accelerator", "gpu", "--baseline", "none")
    onnx = str(tmp_path / "onnx")
    for target, format, message in (
        ("adb", "onnx", f"--accelerator gpu is for LiteRT artifacts, and {onnx!r} is "
         "in the format onnx, which runs on the CPU; export it with --format litert, or remove "
         "--accelerator gpu"),
        ("app", "litert", "--accelerator gpu only applies to --target adb: the app runs models on "
         "the CPU; remove --accelerator gpu"),
        ("host", "litert", "--accelerator only applies to phones; add --target adb, or remove "
         "--accelerator"),
    ):  # fmt: skip
        code, _, err = cli("bench", tmp_path / format, "--target", target, *words)
        assert (code, err) == (1, f"error: {message}\n")
    assert cli("bench", tmp_path / "litert", "--target", "adb", "--accelerator", "tpu")[0] == 2
