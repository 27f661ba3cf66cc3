"""From text to answer, beside the model alone."""

import io
import time
from pathlib import Path
from typing import Any

import pytest
from artifacts import load_pair

from squeezebert_mobile.benchmarks.inputs.texts import text_arguments
from squeezebert_mobile.benchmarks.measure import from_text, host
from squeezebert_mobile.benchmarks.measure.contenders import Contender, artifact_contenders
from squeezebert_mobile.benchmarks.measure.from_text import first_answer_ms
from squeezebert_mobile.benchmarks.measure.host import bench_on_host, measure_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Start
from squeezebert_mobile.benchmarks.report import print_table
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.runtime import SqueezeBertTokenizer
from squeezebert_mobile.streams import Console
from squeezebert_mobile.tasks import TASKS

SHORT = Preset("short", runs=16, seconds=0, blocks=8, starts=1)


@pytest.fixture
def answering(assistant: Path) -> list[Contender]:
    return artifact_contenders([assistant])


def test_the_time_from_text_to_answer(
    answering: list[Contender], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tokenizer that takes 20 ms, of which the model alone has nothing."""
    encode_rows = SqueezeBertTokenizer.encode_rows

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.02)
        return encode_rows(*arguments, **options)

    monkeypatch.setattr(SqueezeBertTokenizer, "encode_rows", slow)
    output = tmp_path / "results.json"
    options: dict[str, Any] = {"preset": SHORT, "threads": (1, 2), "sequence_lengths": (8, 32)}
    results = bench_on_host(answering, output=output, from_text=True, **options)
    assert read_results(output) == results and results.complete and not results.failures
    alone = {(each.threads, each.sequence_length): each for each in results.measurements}
    whole = {(each.threads, each.sequence_length): each for each in results.from_text}
    assert list(whole) == list(alone) == [(1, 8), (1, 32), (2, 8), (2, 32)]
    for cell, each in whole.items():
        assert len(each.blocks) == 8 and each.latency.runs >= 16 and each.warm_up_runs
        assert each.latency.min_ms > 20 > alone[cell].latency.min_ms
    (times,) = results.first_answers.values()
    (start,) = results.starts.values()
    assert len(times) == 1 and min(times) > start[0].load_ms
    file = io.StringIO()
    print_table(results, Console(file=file, width=80))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "From text to answer, 1 thread, 32 tokens" in text
    assert "first answer, 1 thread, 32 tokens" in " ".join(text.split())


@pytest.fixture
def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh processes take a second each."""
    start = Start(
        import_ms=50, load_ms=20, first_run_ms=9, runs=5, before_import_bytes=1,
        after_import_bytes=2, after_load_bytes=3, after_runs_bytes=4, peak_bytes=None,
    )  # fmt: skip
    monkeypatch.setattr(host, "measure_start", lambda *_: start)
    monkeypatch.setattr(from_text, "first_answer_ms", lambda *_, **__: 100.0)


@pytest.mark.usefixtures("without_processes")
def test_without_the_option_nothing_is_answered(answering: list[Contender]) -> None:
    results = measure_host(answering, preset=SHORT, sequence_lengths=[8])
    assert not results.from_text and not results.first_answers


@pytest.mark.parametrize("task", TASKS)
def test_texts_have_as_many_tokens_as_asked(task: str, tmp_path: Path) -> None:
    _, model = load_pair(tmp_path, task)
    sizes = []
    run = model.session.run

    def seen(feed: Any) -> Any:
        sizes.append(feed["input_ids"].shape)
        return run(feed)

    object.__setattr__(model.session, "run", seen)
    for length in (16, 31):
        sizes.clear()
        assert model(**text_arguments(model.tokenizer, task, length))
        assert [shape[-1] for shape in sizes] == [length]


def test_a_short_length_still_asks_something(tmp_path: Path) -> None:
    _, model = load_pair(tmp_path, "text-classification")
    assert model(**text_arguments(model.tokenizer, "text-classification", 1))


@pytest.mark.usefixtures("without_processes")
@pytest.mark.parametrize("step", ["first_answer_ms", "open_pipeline"])
def test_what_cannot_answer_keeps_the_figures_of_its_model(
    answering: list[Contender], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no vocabulary\nhere")

    monkeypatch.setattr(from_text, step, fails)
    results = measure_host(answering, preset=SHORT, sequence_lengths=[8], from_text=True)
    assert [(each.stage, each.error) for each in results.failures] == [("text", "no vocabulary")]
    assert len(results.measurements) == 1 and not results.from_text and results.complete


def test_a_process_that_fails_is_named(
    answering: list[Contender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_text, "_FIRST_ANSWER", "raise SystemExit('out of luck')")
    with pytest.raises(BenchmarkError, match="failed in a fresh process: out of luck$"):
        first_answer_ms(answering[0], threads=1, length=8)


@pytest.mark.usefixtures("without_processes")
def test_interrupted_while_answering(
    answering: list[Contender], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(from_text, "open_pipeline", stop)
    results = measure_host(answering, preset=SHORT, sequence_lengths=[8], from_text=True)
    assert not results.complete and len(results.measurements) == 1 and results.first_answers


def test_a_model_file_has_no_tokenizer(tiny_contender: Contender) -> None:
    with pytest.raises(BenchmarkError, match="--from-text needs an artifact, which has a token"):
        measure_host([tiny_contender], preset=SHORT, from_text=True)
