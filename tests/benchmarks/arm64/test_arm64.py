"""Counting under emulation: parsing the plugin's output, and the guest program on this machine."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import MethodType

import pytest

from squeezebert_mobile.benchmarks import arm64
from squeezebert_mobile.benchmarks.arm64 import __main__ as command_line
from squeezebert_mobile.benchmarks.arm64 import userland
from squeezebert_mobile.benchmarks.arm64.counting import Count, count, read_counts
from squeezebert_mobile.benchmarks.arm64.userland import Userland, prepare
from squeezebert_mobile.benchmarks.peers import BuildError
from squeezebert_mobile.errors import BenchmarkError

GUEST = Path(arm64.__file__).parent / "guest.py"
#: A plain run of 100 instructions; a profiled one with a Gemm of 30, a Gelu of 5 and a Gemm of 40.
LINES = """\
clock 1
mark 1000
mark 1100
clock 1500
mark 2000
clock 2001
clock 2002
clock 2003
clock 2010
clock 2040
clock 2041
clock 2046
clock 2050
clock 2090
clock 2091
clock 2092
clock 2093
clock 2094
clock 2095
clock 2096
mark 2100
clock 9999
""".splitlines()
OPERATORS = ["Gemm", "Gelu", "Gemm"]
OUTPUT = {"operators": OPERATORS, "golden": {"texts": 8, "worst": 0.25}, "onnxruntime": "1.26.0"}


class _Fake(Userland):
    """Prints given text instead of emulating."""

    def __init__(self, output: object, code: int = 0, lines: list[str] = LINES) -> None:
        super().__init__(Path("."))
        object.__setattr__(self, "streams", ("\n".join(lines), json.dumps(output), code))

    def command(self, cpu: str, *arguments: str) -> list[str]:
        stderr, stdout, code = self.streams  # type: ignore[attr-defined]
        program = (
            f"import sys; print({stdout!r}); print({stderr!r}, file=sys.stderr); sys.exit({code})"
        )
        return [sys.executable, "-c", program]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").touch()
    return tmp_path


def test_only_the_second_run_is_counted() -> None:
    assert read_counts(LINES, OPERATORS) == (100, {"Gemm": 70, "Gelu": 5})


def test_a_short_run_has_one_clock_reading_less() -> None:
    last = len(LINES) - 1 - LINES[::-1].index("mark 2100")
    short = LINES[: last - 1] + LINES[last:]
    assert read_counts(short, OPERATORS) == (100, {"Gemm": 70, "Gelu": 5})


def test_an_unexpected_number_of_readings_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="read the clock 15 times instead of 12 or 13"):
        read_counts(LINES, OPERATORS[:2])
    with pytest.raises(BenchmarkError, match="3 marks of runs instead of 4"):
        read_counts([line for line in LINES if line != "mark 2100"], OPERATORS)


def test_a_count_and_its_table(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = count(_Fake(OUTPUT), model)
    assert (found.instructions, found.cpu, found.golden_texts) == (100, "cortex-a76", 8)
    from squeezebert_mobile.streams import Console

    command_line.print_counts([found], Console(width=80))
    shown = " ".join(capsys.readouterr().out.split())
    assert "Gemm 0, Gelu 0" in shown and "counts, not times. 8 golden answers" in shown


@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (_Fake({}, code=1, lines=["clock 3", "no such operator"]), "cortex-a76: no such operator"),
        (_Fake({}, code=1, lines=["clock 3"]), "does not run on cortex-a76: no output"),
        (_Fake(OUTPUT | {"golden": {"texts": 8, "worst": 1.5}}), "off by 1.5 times its tolerance"),
        (_Fake(OUTPUT | {"golden": {"texts": 8, "worst": float("nan")}}), "off by nan times"),
    ],
)
def test_a_model_that_fails_under_emulation(model: Path, fake: Userland, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        count(fake, model)


def test_a_failing_peer_does_not_end_the_others(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(log: Path, build: MethodType, folder: Path) -> None:
        if build.__self__.family.name == "BERT-base":
            raise BuildError("no memory")

    def counted(userland: Userland, model: Path, *, cpu: str, length: int) -> Count:
        if model.name == "onnx int8.onnx":
            raise BenchmarkError("no such operator")
        return Count(str(model), cpu, length, 7_000_000, {"Gemm": 7_000_000}, None, "1.26.0")

    monkeypatch.setattr(command_line, "build_in_subprocess", build)
    monkeypatch.setattr(command_line, "count", counted)
    monkeypatch.setattr(command_line, "prepare", lambda folder, progress: _Fake(OUTPUT))
    output = model / "counts.json"
    assert command_line.main(["--cpu", "cortex-a76", "-o", str(output)]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(output.read_text())) == 5
    assert "ours SqueezeBERT onnx fp32" in out and "Gemm 7" in out
    assert "no count: no such operator" in err and "not built: no memory" in err
    assert command_line.main([str(model / "onnx int8.onnx")]) == 1
    assert capsys.readouterr().err.endswith("error: no such operator\n")


def test_a_count_that_grew_by_more_than_1_percent_fails() -> None:
    shipped = command_line.SHIPPED_INSTRUCTIONS
    command_line.check(shipped + shipped // 101)
    with pytest.raises(BenchmarkError, match=r"takes 53\d\.\d M instructions, and took 528"):
        command_line.check(shipped + shipped // 99)


def test_the_check_counts_the_default_artifact_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counted: list[tuple[str, str]] = []

    def fake(userland: Userland, model: Path, *, cpu: str, length: int) -> Count:
        counted.append((model.name, cpu))
        return Count(str(model), cpu, length, 900_000_000, {}, 8, "1.26.0")

    monkeypatch.setattr(command_line, "build_in_subprocess", lambda log, build, folder: None)
    monkeypatch.setattr(command_line, "count", fake)
    monkeypatch.setattr(command_line, "prepare", lambda folder, progress: _Fake(OUTPUT))
    assert command_line.main(["--check"]) == 1
    assert counted == [("onnx int8", "cortex-a76")]
    assert "takes 900.0 M instructions" in capsys.readouterr().err


def test_bad_choices(model: Path) -> None:
    with pytest.raises(BenchmarkError, match="no cpu 'm1'|'m1'"):
        count(_Fake(OUTPUT), model, cpu="m1")
    with pytest.raises(BenchmarkError, match=r"no such file: .*give an ONNX artifact"):
        count(_Fake(OUTPUT), model / "nothing")


def test_the_guest_program_checks_the_golden_texts(assistant: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(assistant, tmp_path / "copy")
    output = _guest(folder)
    assert output["golden"]["texts"] == 8 and output["golden"]["worst"] < 1
    assert output["operators"].count("DynamicQuantizeMatMul") > 10
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    golden["texts"][3]["outputs"]["logits"]["values"][0] += 1
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    assert _guest(folder)["golden"]["worst"] > 1


def _guest(folder: Path) -> dict[str, dict[str, float]]:
    files = [str(folder / name) for name in ("model.onnx", "golden.json")]
    command = [sys.executable, str(GUEST), files[0], "16", files[1]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def which(names: set[str]) -> Callable[[str], str | None]:
        return lambda name: None if name in names else f"/usr/bin/{name}"

    monkeypatch.setattr(userland.shutil, "which", which({"qemu-aarch64", "gcc"}))
    with pytest.raises(BenchmarkError, match="run: apt-get install gcc qemu-user"):
        prepare(tmp_path / "arm64")
    monkeypatch.setattr(userland.shutil, "which", which(set()))
    monkeypatch.setattr(userland.os, "geteuid", lambda: 1000)
    with pytest.raises(BenchmarkError, match="run this once as root"):
        prepare(tmp_path / "arm64")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_step_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(userland.shutil, "which", lambda name: name)
    monkeypatch.setattr(userland.os, "geteuid", lambda: 0)
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "debootstrap"
    fake.write_text("#!/bin/sh\necho 'no mirror' >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(BenchmarkError, match=r"debootstrap failed \(exit 3\): no mirror"):
        prepare(tmp_path / "arm64")
    assert list(tmp_path.iterdir()) == [tools]
