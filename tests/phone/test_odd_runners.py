"""Runners that hang, never end or report nonsense: one line, in time, and a journal to resume."""

import re
import time
from typing import Any

import pytest
from phone_run import Run

from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.phone.adb import client as adb_client
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, PhoneUnreachable
from squeezebert_mobile.benchmarks.phone.run import _MOST_BLOCKS
from squeezebert_mobile.benchmarks.phone.runner import client
from squeezebert_mobile.errors import BenchmarkError

pytestmark = [pytest.mark.phone, pytest.mark.timeout(180)]

BLOCK = "1 thread, length 8"
HANGS = (
    r"the runner on the phone sent no '{}' event within \d+ s, although the phone answers: it "
    r"hangs, or the phone is too slow; close other apps, or restart the phone"
)
#: A command's moment, as the progress bar shows it, and the event that is awaited.
COMMANDS = {"block": (BLOCK, "block"), "probe": (BLOCK, "probe"), "warm_up": ("start", "warm_up")}


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_SECONDS", 4.0)
    monkeypatch.setattr(client, "_READY_SECONDS", 8.0)


def _fails(run: Run, at: str, **pretended: Any) -> str:
    """Interrupt a run by a change of the runner; resumed without it, nothing is lost."""
    with pytest.raises(PhoneError) as caught:
        run.measure(at=at, do=lambda: run.phone.pretend(**pretended))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    kept = run.journal.read_bytes() if run.journal.exists() else b""
    run.phone.pretend(**dict.fromkeys(pretended))
    assert run.measure(resume=bool(kept)).complete
    assert run.journal.read_bytes().startswith(kept)
    return message


@pytest.mark.parametrize("stage", ["hello", "load", "golden"])
@pytest.mark.parametrize("how", ["silence", "endless progress", "drip"])
def test_a_runner_that_never_gets_ready(run: Run, stage: str, how: str) -> None:
    if (stage, how) == ("hello", "endless progress"):
        with pytest.raises(PhoneError, match="the runner sent 'progress' instead of 'hello'"):
            run.measure(
                at="check", do=lambda: run.phone.pretend(nonsense={"at": stage, "how": how})
            )
        return
    message = _fails(run, "check", nonsense={"at": stage, "how": how})
    assert re.fullmatch(HANGS.format("ready"), message), message


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("how", ["silence", "drip"])
def test_a_runner_that_never_answers(run: Run, command: str, how: str) -> None:
    at, event = COMMANDS[command]
    message = _fails(run, at, nonsense={"at": command, "how": how})
    assert re.fullmatch(HANGS.format(event), message), message


def test_progress_instead_of_an_answer(run: Run) -> None:
    message = _fails(run, BLOCK, nonsense={"at": "block", "how": "endless progress"})
    assert message == "the runner sent 'progress' instead of 'block'; please report it"


@pytest.mark.parametrize("at", ["hello", "load", "block"])
def test_40_mb_without_a_line_end(run: Run, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_SECONDS", 60.0)
    begun = time.monotonic()
    message = _fails(run, BLOCK if at == "block" else "check",
                     nonsense={"at": at, "how": "long line"})  # fmt: skip
    assert re.fullmatch(
        r"a program on the phone wrote more than 4 MB without a line end, which begin with "
        r"'\[{40}'; restart the phone, and report it if that does not help", message
    ), message  # fmt: skip
    assert time.monotonic() - begun < 60


def test_a_line_of_1_mb_of_brackets(run: Run) -> None:
    message = _fails(run, BLOCK, nonsense={"at": "probe", "how": "brackets"})
    assert message.startswith("the runner wrote a line that is not an event: '[[[")


@pytest.mark.parametrize(
    ("at", "event", "fields", "where"),
    [
        ("check", "load", {"load_ns": None}, "load_ns"),
        ("check", "load", {"load_ns": -1}, "load_ns"),
        ("check", "golden", {"outputs": None}, "outputs"),
        ("check", "golden", {"outputs": {}}, "outputs"),
        ("check", "golden", {"outputs": {"logits": {}}}, "outputs.logits.max_abs_diff"),
        ("start", "warm_up", {"samples_ns": []}, "samples_ns"),
        ("start", "warm_up", {"context": None}, "context"),
        ("start", "warm_up", {"context": {"memory_kb": -1}}, "context.memory_kb"),
        (BLOCK, "block", {"samples_ns": [0, 0]}, "samples_ns.0"),
        (BLOCK, "block", {"samples_ns": [-5, -5]}, "samples_ns.0"),
        (BLOCK, "block", {"samples_ns": None}, "samples_ns"),
        (BLOCK, "probe", {"samples_ns": []}, "samples_ns"),
    ],
)
def test_an_event_with_impossible_fields(
    run: Run, at: str, event: str, fields: dict[str, Any], where: str
) -> None:
    message = _fails(run, at, change={event: fields})
    assert message.startswith(f"the runner sent an invalid {event!r} event, at {where}: ")


@pytest.mark.parametrize("difference", [None, 0.11, 1e30])
def test_a_runner_that_measures_although_its_outputs_are_wrong(
    run: Run, difference: float | None
) -> None:
    output = {"max_abs_diff": difference, "tolerance": 0.1, "same_answers": 1, "texts": 1}
    message = _fails(run, "check", change={"golden": {"outputs": {"logits": output}}})
    assert message == (
        f"the runner was ready although 'logits' differs from the golden outputs by {difference}, "
        "more than 0.1; please report it"
    )


def test_outputs_that_are_not_numbers_are_wrong_golden_outputs(run: Run) -> None:
    """The contender is left out, as with any other wrong output."""
    output = {"max_abs_diff": None, "tolerance": 0.1, "same_answers": 0, "texts": 1}
    run.phone.pretend(golden_holds=False, change={"golden": {"outputs": {"logits": output}}})
    with pytest.raises(BenchmarkError, match="nothing can be measured: 'theirs': the runner on"):
        run.measure()


def test_another_number_of_samples_than_asked_for(run: Run) -> None:
    message = _fails(run, BLOCK, change={"block": {"samples_ns": [5_000_000] * 9}})
    assert message == "the runner measured 9 runs instead of 1; please report it"


def test_a_runner_whose_warm_up_was_far_too_slow_ends(run: Run) -> None:
    """Its runs per visit are too few: the seconds of the preset would never be reached."""
    preset = Preset("endless", runs=1, seconds=600, blocks=1, starts=1)
    run.phone.pretend(
        change={
            "warm_up": {"samples_ns": [600_000_000_000] * 8},
            "block": {"samples_ns": [1_000]},
        }
    )
    with pytest.raises(BenchmarkError) as caught:
        run.measure(preset=preset)
    assert str(caught.value) == (
        f"{_MOST_BLOCKS} blocks are not enough at {BLOCK}: the runs take far less time than in the "
        "warm-up; measure again, with another file as -o"
    )


def test_a_long_message_of_a_runner_is_cut(run: Run) -> None:
    error = {"at": "load", "kind": "memory", "message": "too much \ud800\x1b[31m" * 100_000}
    with pytest.raises(BenchmarkError) as caught:
        run.measure(at="check", do=lambda: run.phone.pretend(error=error))
    message = str(caught.value)
    assert message.isprintable() and len(message) < 2000 and "too much" in message


def test_a_phone_that_is_silent_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(client, "_SECONDS", 0.5)
    with pytest.raises(PhoneUnreachable) as caught:
        run.measure(at="start", do=lambda: setattr(run.phone.faults, "delay_ms", 700))
    assert re.fullmatch(
        r"the phone '127\.0\.0\.1:\d+' is connected, but does not answer in time \(.*\); unlock "
        r"it, or restart it; over Wi-Fi, check the network", str(caught.value)
    ), str(caught.value)  # fmt: skip


def test_a_command_that_never_ends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PhoneUnreachable, match="is connected, but does not answer in time"):
        run.device.script("while :; do echo x; sleep 0.05; done", timeout=1)
    monkeypatch.setattr(adb_client, "_MOST_OUTPUT", 1 << 20)
    with pytest.raises(PhoneError) as caught:
        run.device.script(
            "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", timeout=60
        )
    assert "printed more than 1 MB for 'while :; do echo x" in str(caught.value)
