"""A bench that is killed at any moment, also after the last event: nothing is lost or doubled."""

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
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

#: Benches in processes of their own: forks, which need no time to start Python and to import.
#: Each line of its input has the arguments of one; the answers are its process, and its end.
_BENCHES = """
import os, signal, sys, traceback
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from types import SimpleNamespace
from phone_run import Run
for line in sys.stdin:
    folder, server, phone, how = line.split()
    if not (child := os.fork()):
        os.dup2(2, 1)
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            run = Run(Path(folder), SimpleNamespace(address=server), SimpleNamespace(serial=phone))
            run.measure(resume=how == "resume")
        except BaseException:
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


class _Bench:
    """A bench that runs."""

    def __init__(self, benches: "subprocess.Popen[bytes]", words: list[str]) -> None:
        assert benches.stdin is not None and benches.stdout is not None
        benches.stdin.write(f"{' '.join(words)}\n".encode())
        self._answers = benches.stdout
        self._pid = int(self._answers.readline())

    def ended(self, seconds: float = 0) -> bool:
        return bool(select.select([self._answers], [], [], seconds)[0])

    def send_signal(self, number: int) -> None:
        if not self.ended():
            os.kill(self._pid, number)

    def wait(self) -> None:
        assert self.ended(60)
        assert self._answers.readline() == b"ended\n"


@pytest.fixture(scope="module")
def benches() -> Iterator["subprocess.Popen[bytes]"]:
    helpers = str(Path(__file__).parent.parent / "helpers")
    with subprocess.Popen(
        [sys.executable, "-c", _BENCHES, helpers],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield process


def _start(benches: "subprocess.Popen[bytes]", run: Run, resume: bool) -> _Bench:
    words = [str(run.folder), run.server.address, run.phone.serial]
    return _Bench(benches, [*words, "resume" if resume else "new"])


def _events(run: Run) -> list[Event]:
    return run.events if run.journal.exists() and b"\n" in run.journal.read_bytes() else []


def _lines(run: Run) -> int:
    return run.journal.read_bytes().count(b"\n") if run.journal.exists() else 0


def _kill_after(run: Run, bench: _Bench, lines: int, seconds: float) -> None:
    limit = time.monotonic() + 120
    while _lines(run) < lines and not bench.ended():
        assert time.monotonic() < limit
        time.sleep(0.002)
    time.sleep(seconds)
    bench.send_signal(signal.SIGKILL)
    bench.wait()


@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_any_moment(run: Run, benches: "subprocess.Popen[bytes]", kills: int) -> None:
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
def test_ended_by_a_signal(
    run: Run, benches: "subprocess.Popen[bytes]", signals: list[str]
) -> None:
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
    bench.wait()
    kept = run.events
    _check(kept)
    assert run.measure(resume=True).complete
    assert run.events[: len(kept)] == kept
    _check(run.events)
