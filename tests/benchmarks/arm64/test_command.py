"""The command: which models it counts, its file, its table and its check."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MethodType

import pytest
from emulated import Fake

from squeezebert_mobile.benchmarks.arm64 import __main__ as command_line
from squeezebert_mobile.benchmarks.arm64 import survey
from squeezebert_mobile.benchmarks.arm64.checking import SHIPPED, check
from squeezebert_mobile.benchmarks.arm64.cores import DEFAULT_CORES
from squeezebert_mobile.benchmarks.arm64.counting import Count, Countable
from squeezebert_mobile.benchmarks.arm64.printing import print_counts
from squeezebert_mobile.benchmarks.arm64.runtimes import Runtime
from squeezebert_mobile.benchmarks.arm64.userland import Userland
from squeezebert_mobile.benchmarks.peers import BuildError
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.streams import Console

COUNT = Count("a", "sve2", "onnxruntime 1.26.0", 128, 7_000_000, {"Gemm": 6_000_000}, 8)


@pytest.fixture
def counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[list[tuple[str, str, str]]]:
    """Builds write an empty file, and every count is 7 M; the list has what was counted."""
    done: list[tuple[str, str, str]] = []

    def build(log: Path, build: MethodType, folder: Path) -> None:
        path = build.__self__.path(folder)
        if path.suffix == "":  # ours
            path = path.with_suffix(build.__self__.suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def counted(
        userland: Userland,
        model: Countable,
        *,
        cpu: str,
        runtime: Runtime,
        length: int,
        by_operator: bool,
    ) -> Count:
        done.append((model.name, cpu, runtime.label))
        found = replace(COUNT, cpu=cpu, runtime=runtime.label, sequence_length=length)
        return found if by_operator else replace(found, by_operator={})

    def countable(path: Path) -> Countable:
        return Countable(path.name, path)

    monkeypatch.setattr(survey, "build_in_subprocess", build)
    monkeypatch.setattr(survey, "count", counted)
    monkeypatch.setattr(survey, "countable", countable)
    monkeypatch.setattr(command_line, "prepare", lambda folder, progress: Fake())
    yield done


def _fail(
    monkeypatch: pytest.MonkeyPatch, name: str, when: Callable[..., bool], error: Exception
) -> None:
    """Let a step of the survey fail for some arguments."""
    original = getattr(survey, name)

    def failing(*arguments: object, **options: object) -> object:
        if when(*arguments):
            raise error
        return original(*arguments, **options)

    monkeypatch.setattr(survey, name, failing)


def test_a_table() -> None:
    console = Console(width=100, record=True)
    print_counts([COUNT, replace(COUNT, model="b", by_operator={}, golden_texts=None)], console)
    shown = " ".join(console.export_text().split())
    assert "a sve2 onnxruntime 1.26.0 7.0 Gemm 6 b sve2" in shown
    assert "counts, not times. 8 golden answers" in shown


def test_a_failing_peer_does_not_end_the_others(
    counted: list[tuple[str, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def of_bert(log: Path, build: MethodType, folder: Path) -> bool:
        return "BERT-base" in build.__self__.label

    def of_peer(userland: Userland, model: Countable) -> bool:
        return model.name == "onnx int8.onnx"

    _fail(monkeypatch, "build_in_subprocess", of_bert, BuildError("no memory"))
    _fail(monkeypatch, "count", of_peer, BenchmarkError("no such operator"))
    output = tmp_path / "counts.json"
    arguments = ["--only", "onnx", "--cpu", "cortex-a76", "--runtime", "onnxruntime 1.26.0"]
    assert command_line.main([*arguments, "-o", str(output)]) == 0
    out, err = capsys.readouterr()
    models = [each["model"] for each in json.loads(output.read_text())]
    assert len(models) == 5 and "peer SqueezeBERT onnx fp32" in models
    assert "ours SqueezeBERT onnx" in out and "Gemm 6" in out
    assert "no count: no such operator" in err and "no count: not built: no memory" in err
    peer = tmp_path / "onnx int8.onnx"
    peer.touch()
    assert command_line.main([str(peer)]) == 1
    assert capsys.readouterr().err.endswith("error: no such operator\n")


def test_a_run_that_broke_off_is_continued(
    counted: list[tuple[str, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = str(tmp_path / "counts.json")
    arguments = ["--only", "SqueezeBERT int8 onnx", "--runtime", "onnxruntime 1.32.0", "-o", output]
    with monkeypatch.context() as broken:

        def interrupted(userland: Userland, model: Countable) -> bool:
            return len(counted) == 2

        _fail(broken, "count", interrupted, KeyboardInterrupt())  # type: ignore[arg-type]
        assert command_line.main(arguments) == 130
    assert len(json.loads(Path(output).read_text())) == 2
    first = counted.copy()
    assert command_line.main([*arguments, "--resume"]) == 0
    assert len(counted) == 6 and not set(first) & set(counted[2:])
    everything = Path(output).read_text()
    assert command_line.main([*arguments, "--resume"]) == 0
    assert len(counted) == 6 and Path(output).read_text() == everything
    capsys.readouterr()
    Path(output).write_text("{}")
    assert command_line.main([*arguments, "--resume"]) == 1
    assert "has no counts; give a file that benchmarks.arm64 has written" in capsys.readouterr().err
    assert command_line.main(["--resume"]) == 2


def test_every_kind_of_file_is_counted_with_its_runtimes(
    counted: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    files = [tmp_path / f"model{suffix}" for suffix in (".onnx", ".pte", ".tflite")]
    for path in files:
        path.touch()
    assert command_line.main(list(map(str, files))) == 0
    assert {cpu for _, cpu, _ in counted} == set(DEFAULT_CORES)
    assert {(name, runtime) for name, _, runtime in counted} == {
        ("model.onnx", "onnxruntime 1.26.0"),
        ("model.onnx", "onnxruntime 1.32.0"),
        ("model.pte", "executorch 1.5.1"),
        ("model.tflite", "litert 2.3.0"),
        ("model.tflite", "litert 2.3.0 fp16"),
    }


def test_a_count_that_grew_by_more_than_1_percent_fails() -> None:
    def counts(factor: float) -> list[Count]:
        return [
            replace(COUNT, model=model, cpu=cpu, instructions=int(millions * 1e6 * factor))
            for model, cores in SHIPPED.items()
            for cpu, millions in cores.items()
        ]

    check(counts(1.009))
    with pytest.raises(BenchmarkError, match=r"executorch int8 takes .* M instructions on i8mm"):
        check(counts(1.011))
    with pytest.raises(BenchmarkError, match="executorch int8 was not counted on sve2; find"):
        check(counts(1)[:-1])


def test_the_check_counts_the_default_artifact_in_each_format(
    counted: list[tuple[str, str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["--check", "--cpu", "cortex-a72"]) == 0
    assert set(counted) == {
        (name, cpu, runtime)
        for name, runtime in (
            ("onnx int8", "onnxruntime 1.26.0"),
            ("executorch int8", "executorch 1.5.1"),
        )
        for cpu in DEFAULT_CORES
    }
    out = capsys.readouterr().out
    assert "7.0" in out and "Gemm" not in out  # the profiler would take as long again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cpu", "m1"], "unknown cpu 'm1'"),
        (["--runtime", "onnxruntime"], "unknown runtime 'onnxruntime'; did you mean 'onnxruntime"),
    ],
)
def test_wrong_options(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(arguments) == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_given_model_is_checked_once(
    counted: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Path] = []
    checked = survey.countable

    def countable(path: Path) -> Countable:
        seen.append(path)
        return checked(path)

    monkeypatch.setattr(survey, "countable", countable)
    model = tmp_path / "model.onnx"
    assert command_line.main([str(model), "--runtime", "onnxruntime 1.26.0"]) == 0
    assert len(counted) == 3 and seen == [model]
