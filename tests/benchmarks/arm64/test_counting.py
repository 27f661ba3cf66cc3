"""A count: the protocol with the guest program, and golden outputs."""

import json
import shutil
from pathlib import Path

import pytest
from emulated import Fake, Native
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import read_golden, read_manifest
from squeezebert_mobile.benchmarks.arm64 import userland
from squeezebert_mobile.benchmarks.arm64.cores import CORES
from squeezebert_mobile.benchmarks.arm64.counting import count, countable
from squeezebert_mobile.benchmarks.arm64.emulation import Guest, GuestSession
from squeezebert_mobile.benchmarks.arm64.runtimes import RUNTIMES, Runtime
from squeezebert_mobile.cli import app
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.runtime.golden_check import check_golden

ONNX = RUNTIMES[0]
EXPECTED = Path(__file__).parents[2] / "golden" / "expected" / "artifacts"
CPU = "cortex-a76"


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    write_small_artifact(tmp_path / "small")
    return tmp_path / "small"


def test_a_count_with_golden_outputs(artifact: Path) -> None:
    found = count(Fake((0.45, -0.5)), countable(artifact), cpu=CPU, runtime=ONNX)
    assert (found.instructions, found.by_operator) == (100, {"Gemm": 70, "Gelu": 5})
    assert (found.cpu, found.runtime, found.golden_texts) == (CPU, "onnxruntime 1.26.0", 1)


def test_a_count_without_operators(artifact: Path) -> None:
    options = {"cpu": CPU, "runtime": ONNX, "by_operator": False}
    found = count(Fake((0.45, -0.5)), countable(artifact), **options)
    assert (found.instructions, found.by_operator, found.golden_texts) == (100, {}, 1)


def test_a_profiler_that_reads_the_clock_elsewhere_costs_only_the_operators(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulated.EVENTS", ["skip 3", "begin Gemm", "end", "rest 5 6"])
    found = count(Fake((0.45, -0.5)), countable(artifact), cpu=CPU, runtime=ONNX)
    assert (found.instructions, found.by_operator) == (100, {})


@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (Fake((0.5, -0.35)), "differs on cortex-a76 with onnxruntime 1.26.0: .* off by 1.5 times"),
        (Fake((0.5, float("nan"))), "off by nan times its tolerance"),
        (Fake((0.5,)), "golden.json has logits with shape"),
        (Fake(code="print('clock 3', file=sys.stderr); sys.exit('no such operator')"),
         "does not run on cortex-a76 with onnxruntime 1.26.0: no such operator"),
        (Fake(code="print('clock 3', file=sys.stderr); sys.exit(1)"), "1.26.0: no output"),
    ],
)  # fmt: skip
def test_a_model_that_fails_under_emulation(artifact: Path, fake: Fake, message: str) -> None:
    with pytest.raises(Exception, match=message):
        count(fake, countable(artifact), cpu=CPU, runtime=ONNX)


def test_a_guest_that_ends_in_the_middle_of_an_answer(artifact: Path) -> None:
    code = (
        "guest.serve = lambda *_: (sys.stdout.write('outputs 1\\n- 1 2\\nabc'), sys.exit('gone'))"
    )
    with pytest.raises(BenchmarkError, match="does not run .*: gone"):
        count(Fake(code=code), countable(artifact), cpu=CPU, runtime=ONNX)


@pytest.mark.parametrize("folder", sorted(EXPECTED.iterdir()), ids=lambda path: path.name)
def test_each_task_answers_its_golden_texts_through_the_guest_program(folder: Path) -> None:
    manifest = read_manifest(folder)
    names = [output.name for output in manifest.spec.outputs]
    with Guest(Native(), folder / "model.onnx", cpu=CPU, runtime=ONNX) as guest:
        session = GuestSession(guest, manifest.spec, rows_apart=False)
        checks = check_golden(session, manifest.spec, read_golden(folder))
        assert [each.output for each in checks] == names
        assert all(each.holds and each.same_answers in {None, each.texts} for each in checks)
        guest.count()
        events = guest.profile()
    assert events.count("end") > 10 and events[0] == "skip 3" and events[-1] == "rest 5 6"


def test_choices_are_run_one_by_one_where_a_program_takes_one_row() -> None:
    folder = EXPECTED / "multiple-choice"
    manifest = read_manifest(folder)
    with Guest(Native(), folder / "model.onnx", cpu=CPU, runtime=ONNX) as guest:
        session = GuestSession(guest, manifest.spec, rows_apart=True)
        (check,) = check_golden(session, manifest.spec, read_golden(folder))
    assert check.texts and check.max_abs_diff < 20 * check.tolerance  # int8 scales of other rows


def test_a_golden_value_that_is_changed_is_found(tmp_path: Path) -> None:
    folder = shutil.copytree(EXPECTED / "fp32", tmp_path / "copy")
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    golden["texts"][3]["outputs"]["logits"]["values"][0] += 1
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    manifest = read_manifest(folder)
    with Guest(Native(), folder / "model.onnx", cpu=CPU, runtime=ONNX) as guest:
        session = GuestSession(guest, manifest.spec, rows_apart=False)
        (check,) = check_golden(session, manifest.spec, read_golden(folder))
    assert not check.holds


def test_bad_choices(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="unknown cpu 'm1'; choose from: cortex-a72"):
        count(Fake(), countable(artifact), cpu="m1", runtime=ONNX)
    with pytest.raises(BenchmarkError, match=r"no such file: .*give an artifact, or an \.onnx"):
        countable(tmp_path / "nothing")
    other = tmp_path / "model.pt"
    other.touch()
    with pytest.raises(BenchmarkError, match=r"unknown kind of model file '.pt'.* \.onnx, \.pte"):
        countable(other)
    fixed = countable(EXPECTED / "fixed")
    length = fixed.spec.sequence_length
    with pytest.raises(BenchmarkError, match=f"takes {length} tokens, not 999; add --sequence-len"):
        count(Fake(), fixed, cpu=CPU, runtime=ONNX, length=999)


def test_what_linux_says_about_a_core(tmp_path: Path) -> None:
    for core in CORES.values():
        core.write(tmp_path)
        text = (tmp_path / "proc" / "cpuinfo").read_text(encoding="ascii")
        features = text.split("Features\t: ")[1].split("\n")[0].split()
        assert ("asimddp" in features) is (core.part != 0xD08)
        assert ("sve2" in features) is ("sve-default" in core.qemu)
        assert "sme" not in features
        assert (tmp_path / "sys/devices/system/cpu/online").read_text(encoding="ascii") == "0\n"


@pytest.mark.executorch
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_guest_program_for_executorch(tmp_path: Path) -> None:
    import executorch.extension.pybindings

    # A folder without __init__.py.
    package = Path(next(iter(executorch.extension.pybindings.__path__))).parents[1]
    program = tmp_path / "guest"
    userland._compile_guest(package, program, compiler="g++")
    folder = tmp_path / "demo"
    arguments = ["export", "demo", "--format", "executorch", "-o", str(folder)]
    app(arguments, standalone_mode=False)
    manifest = read_manifest(folder)
    runtime = next(each for each in RUNTIMES if each.name == "executorch")

    class Here(Native):
        def command(self, cpu: str, runtime: Runtime, model: Path) -> list[str]:
            return ["env", f"LD_LIBRARY_PATH={package / 'lib'}", str(program), str(model)]

    with Guest(Here(), folder / "model.pte", cpu=CPU, runtime=runtime) as guest:
        session = GuestSession(guest, manifest.spec, rows_apart=True)
        (check,) = check_golden(session, manifest.spec, read_golden(folder))
        guest.count()
        events = guest.profile()
    assert check.holds and check.same_answers == check.texts
    parts = [event.split(maxsplit=2)[2] for event in events if event.startswith("part ")]
    assert any("QC8W" in name for name in parts) and any("Softmax" in name for name in parts)
    assert events.count("end") == sum(event.startswith("begin ") for event in events)
