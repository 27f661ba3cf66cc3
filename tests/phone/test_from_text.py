"""From text to answer on a stand-in: measured beside ids, interrupted, resumed, and refused."""

import io
import json
from collections import Counter
from typing import Any

import pytest
from phone_run import SHORT, Run

from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.records.events import FirstAnswered, VisitMeasured
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report import print_table
from squeezebert_mobile.streams import Console

pytestmark = [pytest.mark.phone, pytest.mark.timeout(120)]

PRESET = Preset("short", runs=4, seconds=0, blocks=2, starts=2)
BLOCK = "1 thread, length 8, from text"


def _measure(run: Run, **options: Any) -> Results:
    return run.measure(**{"from_text": True, "preset": PRESET, **options})


def _check(run: Run, results: Results) -> None:
    """Everything is there, and nothing twice."""
    assert results.complete and not results.failures
    alone = {each.contender: each for each in results.measurements}
    assert [each.contender for each in results.from_text] == list(alone) == ["ours", "theirs"]
    for each in results.from_text:
        assert (each.threads, each.sequence_length, len(each.blocks)) == (1, 8, 2)
        latency = alone[each.contender].latency
        assert each.latency.median_ms == pytest.approx(latency.median_ms + 2, rel=0.5)
        assert each.latency.min_ms > 2 > latency.median_ms and each.latency.runs >= 4
    assert {label: len(times) for label, times in results.first_answers.items()} == {
        "ours": 2,
        "theirs": 2,
    }
    assert all(
        times == pytest.approx([400, 400], rel=0.1) for times in results.first_answers.values()
    )
    visits = [event for event in run.events if isinstance(event, VisitMeasured)]
    made = Counter((each.source, each.block, each.place) for each in visits)
    assert set(made.values()) == {1} and len(made) == 2 * 2 * 4


def test_text_to_answer_beside_the_model_alone(run: Run) -> None:
    run.phone.pretend(latency_ms={"*": 16.0})
    results = _measure(run)
    _check(run, results)
    file = io.StringIO()
    print_table(results, Console(file=file, width=80))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    told = " ".join(text.split())
    assert "From text to answer, 1 thread, 8 tokens (stand-in, not a phone)" in told
    assert "first answer, 1 thread, 8 tokens (stand-in, not a phone)" in told
    assert (
        "First answer: the time to load the runtime library, and the artifact with all checks, and "
        "answer a text, since app_process was started (to 10 ms); medians over 2 fresh processes."
        in told
    )


def test_without_the_option_no_text_is_in_a_job(run: Run) -> None:
    """So that the runner in an older app, which has protocol 1, measures all the same."""
    run.phone.pretend(hello={"protocol": 1})
    results = run.measure()
    assert results.complete and not results.from_text and not results.first_answers


@pytest.mark.parametrize(
    ("at", "nth", "fault"),
    [
        ("first answer of ours", 2, "connection"),
        ("warm up theirs", 2, "connection"),
        (BLOCK, 2, "connection"),
        (BLOCK, 1, "runner, always"),
        (BLOCK, 1, "Ctrl-C"),
    ],
)
def test_interrupted_and_resumed(run: Run, at: str, nth: int, fault: str) -> None:
    run.phone.pretend(latency_ms={"*": 16.0})

    def interrupt() -> None:
        if fault == "Ctrl-C":
            raise KeyboardInterrupt
        if fault == "connection":
            run.phone.drop()
        else:
            run.phone.faults.kill_runner(block=1, always=True)

    if fault == "Ctrl-C":
        assert not _measure(run, at=at, nth=nth, do=interrupt).complete
    else:
        with pytest.raises(PhoneError) as caught:
            _measure(run, at=at, nth=nth, do=interrupt)
        assert "with --resume" in "".join(caught.value.__notes__)
    before = run.events
    run.phone.faults.clear()
    run.server.wait_for(run.phone, "device")
    results = _measure(run, resume=True)
    assert run.events[: len(before)] == before
    _check(run, results)
    assert _measure(run, resume=True) == results  # from the journal


@pytest.mark.parametrize("block", [1, 4])
def test_a_runner_that_is_killed_in_a_block_from_text_is_started_again(
    run: Run, block: int
) -> None:
    run.phone.pretend(latency_ms={"*": 16.0})
    results = _measure(run, at=BLOCK, nth=1, do=lambda: run.phone.faults.kill_runner(block=block))
    _check(run, results)


def test_a_runner_that_is_killed_before_its_first_answer(run: Run) -> None:
    run.phone.pretend(latency_ms={"*": 16.0})
    results = _measure(
        run, at="first answer of theirs", do=lambda: run.phone.faults.kill_runner(lines=5)
    )
    _check(run, results)


def test_what_cannot_answer_keeps_its_other_figures(run: Run) -> None:
    error = {"at": "text", "kind": "model", "message": "the model cannot run this input: no"}
    run.phone.pretend(latency_ms={"*": 16.0}, error=error)
    results = _measure(run)
    assert results.complete and len(results.measurements) == 2
    assert not results.from_text and not results.first_answers
    assert {each.contender: each.stage for each in results.failures} == dict.fromkeys(
        ("ours", "theirs"), "text"
    )
    assert results.failures[0].error.startswith("the runner on the phone: the model cannot run")
    before = run.events
    assert _measure(run, resume=True) == results and run.events == before


def test_an_app_that_knows_no_texts_is_refused_before_anything_is_measured(run: Run) -> None:
    run.phone.pretend(hello={"protocol": 1})
    with pytest.raises(PhoneError) as caught:
        _measure(run)
    assert str(caught.value) == (
        "the runner on the phone uses protocol 1, but this version of squeezebert-mobile uses 2; "
        "run squeezebert-mobile clean, then measure again"
    )
    assert not run.journal.exists()  # nothing was measured


def test_a_kernel_that_does_not_tell_when_a_process_began(run: Run) -> None:
    run.phone.pretend(latency_ms={"*": 16.0}, first_answer_ms=0)
    results = _measure(run)
    assert results.complete and not results.first_answers and len(results.from_text) == 2


def test_an_impossible_first_answer_ends_the_run(run: Run) -> None:
    run.phone.pretend(change={"first_answer": {"since_start_ns": -1}})
    with pytest.raises(PhoneError, match="invalid 'first_answer' event, at since_start_ns: "):
        _measure(run)
    assert not any(isinstance(event, FirstAnswered) for event in run.events)


def test_what_is_asked(run: Run) -> None:
    """The first answer is asked for in the job, so that nothing waits for the computer."""
    seen: list[dict[str, Any]] = []
    push = type(run.device).push

    def look(device: Any, local: Any, remote: str, **options: Any) -> None:
        if remote.endswith(".json") and "job-" in remote:
            seen.append(json.loads(local.read_text()))
        push(device, local, remote, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(run.device), "push", look)
        _measure(run, preset=SHORT)
    (first, *_) = [job for job in seen if job["commands"]]
    assert first["commands"] == [{"do": "first_answer", "id": "first", "input": "text 8"}]
    assert (first["protocol"], first["checksums"], first["golden"]) == (2, True, False)
    assert first["inputs"] == {} and set(first["texts"]) == {"text 8"}
    assert first["texts"]["text 8"] == {"text": "Hello. Why? Yes a"}  # and [CLS], ., ?, [SEP]
    assert {job["protocol"] for job in seen if "texts" not in job} == {1}
