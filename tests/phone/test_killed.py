"""A bench that is killed at any moment, also after the last event: nothing is lost or doubled."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from phone_run import Run

from squeezebert_mobile.benchmarks.records.events import (
    Begin,
    End,
    Event,
    PhoneStarted,
    VisitMeasured,
)

pytestmark = [pytest.mark.phone, pytest.mark.timeout(1800)]

#: The bench in a process of its own.
_BENCH = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from types import SimpleNamespace
from phone_run import Run
server, phone = SimpleNamespace(address=sys.argv[3]), SimpleNamespace(serial=sys.argv[4])
run = Run(Path(sys.argv[2]), server, phone)
run.measure(resume=sys.argv[5] == "resume")
"""


def _start(run: Run, resume: bool) -> "subprocess.Popen[bytes]":
    helpers = str(Path(__file__).parent.parent / "helpers")
    words = [helpers, str(run.folder), run.server.address, run.phone.serial]
    return subprocess.Popen(
        [sys.executable, "-c", _BENCH, *words, "resume" if resume else "new"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _events(run: Run) -> list[Event]:
    return run.events if run.journal.exists() and b"\n" in run.journal.read_bytes() else []


def _lines(run: Run) -> int:
    return run.journal.read_bytes().count(b"\n") if run.journal.exists() else 0


def _kill_after(run: Run, process: "subprocess.Popen[bytes]", lines: int, seconds: float) -> None:
    limit = time.monotonic() + 120
    while _lines(run) < lines and process.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.002)
    time.sleep(seconds)
    process.kill()
    process.wait()


@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_any_moment(run: Run, kills: int) -> None:
    chance = random.Random(0)
    run.measure()
    whole = len(run.events)
    run.journal.unlink()
    after_the_end = 0
    for number in range(kills):
        before = _events(run)
        if before and isinstance(before[-1], End):
            assert run.measure(resume=True).complete  # what the results are written from
            after_the_end += 1
            run.journal.unlink()
            before = []
        if not before:
            run.journal.unlink(missing_ok=True)  # without its first line: nothing was measured
        process = _start(run, resume=bool(before))
        more = whole if number % 4 == 3 else chance.choice([0, 1, 2, 3, 5])
        _kill_after(run, process, _lines(run) + more, chance.random() / 20)
        after = _events(run)
        assert after[: len(before)] == before
        _check(after)
    if _events(run):
        assert run.measure(resume=True).complete
        _check(run.events)
    assert after_the_end


def _check(events: list[Event]) -> None:
    assert not events or isinstance(events[0], Begin)
    visits = Counter((each.block, each.place) for each in events if isinstance(each, VisitMeasured))
    starts = Counter(each.contender for each in events if isinstance(each, PhoneStarted))
    assert all(count == 1 for count in [*visits.values(), *starts.values()])
    if events and isinstance(events[-1], End):
        assert len(visits) == 8 and len(starts) == 2


@pytest.mark.parametrize(
    "signals", [["SIGTERM"], ["SIGHUP"], ["SIGINT"], ["SIGINT", "SIGINT"], ["SIGINT", "SIGKILL"]],
    ids="-".join,
)  # fmt: skip
def test_ended_by_a_signal(run: Run, signals: list[str]) -> None:
    run.measure()
    whole = len(run.events)
    run.journal.unlink()
    process = _start(run, resume=False)
    limit = time.monotonic() + 120
    while _lines(run) < whole - 4 and process.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.002)
    for name in signals:
        process.send_signal(getattr(signal, name))
        time.sleep(0.02)
    process.wait(60)
    kept = run.events
    _check(kept)
    assert run.measure(resume=True).complete
    assert run.events[: len(kept)] == kept
    _check(run.events)
