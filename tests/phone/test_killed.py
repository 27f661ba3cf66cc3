"""A bench that is killed at any moment, also after the last event: nothing is lost or doubled."""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from forks import Fork, Forks
from phone_run import Run

from squeezebert_mobile.benchmarks.records.events import (
    Begin,
    End,
    Event,
    PhoneStarted,
    VisitMeasured,
)

pytestmark = [pytest.mark.phone, pytest.mark.timeout(1800)]

#: What a bench imports, and the bench.
_SHARED = "import phone_run, squeezebert_mobile.benchmarks.phone.run"
_BENCH = """
import signal, sys
from pathlib import Path
from types import SimpleNamespace
from phone_run import Run
folder, server, phone, how = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
run = Run(Path(folder), SimpleNamespace(address=server), SimpleNamespace(serial=phone))
run.measure(resume=how == "resume")
"""


@pytest.fixture(scope="module")
def benches() -> Iterator[Forks]:
    with Forks(_SHARED) as forks:
        yield forks


def _start(benches: Forks, run: Run, resume: bool) -> Fork:
    words = (run.server.address, run.phone.serial, "resume" if resume else "new")
    return benches.start(run.folder, str(run.folder), *words, program=_BENCH)


def _events(run: Run) -> list[Event]:
    return run.events if run.journal.exists() and b"\n" in run.journal.read_bytes() else []


def _lines(run: Run) -> int:
    return run.journal.read_bytes().count(b"\n") if run.journal.exists() else 0


def _kill_after(run: Run, bench: Fork, lines: int, seconds: float) -> None:
    limit = time.monotonic() + 120
    while _lines(run) < lines and not bench.ended():
        assert time.monotonic() < limit
        time.sleep(0.002)
    time.sleep(seconds)
    bench.send_signal(signal.SIGKILL)
    assert bench.ended(60)
    bench.wait()


@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_any_moment(run: Run, benches: Forks, kills: int) -> None:
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
        bench = _start(benches, run, resume=bool(before))
        more = whole if number % 4 == 3 else chance.choice([0, 1, 2, 3, 5])
        _kill_after(run, bench, _lines(run) + more, chance.random() / 20)
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
def test_ended_by_a_signal(run: Run, benches: Forks, signals: list[str]) -> None:
    run.measure()
    whole = len(run.events)
    run.journal.unlink()
    bench = _start(benches, run, resume=False)
    limit = time.monotonic() + 120
    while _lines(run) < whole - 4 and not bench.ended():
        assert time.monotonic() < limit
        time.sleep(0.002)
    for name in signals:
        bench.send_signal(getattr(signal, name))
        time.sleep(0.02)
    assert bench.ended(60)
    bench.wait()
    kept = run.events
    _check(kept)
    assert run.measure(resume=True).complete
    assert run.events[: len(kept)] == kept
    _check(run.events)
