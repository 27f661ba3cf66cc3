"""Everything that can go wrong with a phone, at several moments: the message, and what is kept.

Each case interrupts a run and resumes it. Nothing that was measured may be lost, and nothing may be
measured twice.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from phone_run import Run

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, PhoneUnreachable, RunnerDied
from squeezebert_mobile.benchmarks.phone.adb.files import HOME
from squeezebert_mobile.benchmarks.phone.libraries.lookup import Libraries
from squeezebert_mobile.benchmarks.records.events import Event, PhoneStarted, Resumed, VisitMeasured
from squeezebert_mobile.errors import BenchmarkError

pytestmark = [pytest.mark.phone, pytest.mark.timeout(180)]

BLOCK = "1 thread, length 8"
GONE = (
    r"(the phone '127\.0\.0\.1:\d+' is (disconnected|offline)|"
    r"the connection to the phone '127\.0\.0\.1:\d+' was lost) \(.*\)[:;] .*"
)
KILLED = (
    "the runner was killed, as Android does when memory is low; close other apps, or measure "
    "fewer artifacts at a time"
)


@dataclass(frozen=True)
class Case:
    """A fault: when, what, and what is said."""

    name: str
    at: str  # what the progress bar shows
    do: Callable[[Run], object]
    says: str  # a pattern for the whole message
    kind: type[PhoneError] = PhoneUnreachable
    nth: int = 1


def _unauthorized(run: Run) -> None:
    run.phone.faults.unauthorized = True
    run.phone.refuse()
    run.phone.accept()


def _stop_server(run: Run) -> None:
    run.server.close()


def _faults(name: str, value: object) -> Callable[[Run], object]:
    return lambda run: setattr(run.phone.faults, name, value)


CASES = [
    *(
        Case(
            f"cable out at {at or 'the beginning'}", at, lambda run: run.phone.drop(), GONE, nth=nth
        )
        for at, nth in [
            ("push", 1),
            ("check", 2),
            ("start", 1),
            ("warm up", 2),
            (BLOCK, 1),
            (BLOCK, 2),
        ]
    ),
    *(
        Case(f"phone restarts at {at}", at, lambda run: run.phone.reboot(1.0), GONE, nth=nth)
        for at, nth in [("push", 1), ("start", 2), ("warm up", 1), (BLOCK, 2)]
    ),
    *(
        Case(
            f"adb server killed at {at}",
            at,
            _stop_server,
            r"the adb server stopped answering \(.*\): it was killed, or replaced by another "
            r"version of adb; run: adb start-server|no adb server answers at 127\.0\.0\.1:\d+ \(.*"
            r"\); start one there with: adb -a nodaemon server start, or remove --adb-server",
            nth=nth,
        )
        for at, nth in [("check", 1), (BLOCK, 2)]
    ),
    *(
        Case(
            f"connection cut after {count} bytes at {at}",
            at,
            lambda run, count=count: run.phone.faults.drop_after(count),
            GONE,
        )
        for at, count in [("push", 100_000), ("check", 500), ("start", 3), (BLOCK, 200)]
    ),
    Case(
        "debugging is no longer allowed",
        BLOCK,
        _unauthorized,
        r"the phone '.*' is (unauthorized|offline|authorizing|disconnected|connecting) \(.*\)"
        r"[;:] .*",
    ),
    Case(
        "no space at the first byte",
        "check",
        _faults("no_space_after", 0),
        rf"the phone rejected the file '{HOME}/job-[0-9a-f]{{8}}-0\.json': .*[Nn]o space left on "
        "device; free some space on it, or run: squeezebert-mobile clean",
        PhoneError,
    ),
    Case(
        "no space in the middle",
        "push",
        _faults("no_space_after", 100_000),
        rf"the phone rejected the file '{HOME}/.*': .*[Nn]o space left on device; free some space "
        "on it, or run: squeezebert-mobile clean",
        PhoneError,
    ),
    *(
        Case(
            f"runner killed at {at}, and again",
            at,
            lambda run: run.phone.faults.kill_runner(lines=2, always=True),
            KILLED,
            RunnerDied,
            nth=nth,
        )
        for at, nth in [("check", 1), ("start", 2), ("warm up", 1)]
    ),
    Case(
        "runner killed in every block",
        BLOCK,
        lambda run: run.phone.faults.kill_runner(block=1, always=True),
        KILLED,
        RunnerDied,
    ),
    Case(
        "runner crashes in native code",
        "start",
        lambda run: run.phone.pretend(die_at="load"),
        r"the runner ended with exit status 139.*; see the phone's log with: adb logcat -d, and "
        "report it",
        RunnerDied,
    ),
    *(
        Case(
            f"garbage {where}",
            at,
            lambda run, after=after: run.phone.faults.garbage(after=after),
            r"the runner wrote a line that is not an event: 'W/linker: unused DT entry'; "
            "restart the phone, and report it if that does not help",
            PhoneError,
        )
        for where, at, after in [
            ("before the first line", "check", 0),
            ("between two lines", "start", 3),
        ]
    ),
    Case(
        "runner of another version",
        "check",
        lambda run: run.phone.pretend(hello={"protocol": 3}),
        "the runner on the phone uses protocol 3, but this version of squeezebert-mobile uses 2; "
        "run squeezebert-mobile clean, then measure again",
        PhoneError,
    ),
    Case(
        "the Java heap is full in a block",
        BLOCK,
        lambda run: run.phone.pretend(
            error={"at": "block", "kind": "memory", "message": "the Java heap is full"}
        ),
        "the runner on the phone: the Java heap is full; close other apps, or measure fewer "
        "artifacts at a time",
        PhoneError,
    ),
]


def _made(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, VisitMeasured | PhoneStarted)]


def _recover(run: Run) -> None:
    run.phone.faults.clear()
    run.phone.pretend(die_at=None, hello=None, error=None)
    if run.server._process.poll() is not None:
        run.server.__enter__()
    run.phone.accept()
    run.server.disconnect(run.phone)
    run.server.connect(run.phone)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_interrupted_and_resumed(run: Run, case: Case) -> None:
    with pytest.raises(case.kind) as caught:
        run.measure(at=case.at, nth=case.nth, do=lambda: case.do(run))
    assert re.fullmatch(case.says, str(caught.value)), str(caught.value)
    kept = run.journal.read_bytes() if run.journal.exists() else b""
    before = _made(run.events) if kept else []
    hint = (
        f"what was measured is kept in {str(run.journal)!r}; to continue, run the same command "
        "with --resume"
    )
    assert getattr(caught.value, "__notes__", []) == ([hint] if before else [])

    _recover(run)
    results = run.measure(resume=bool(kept))
    assert results.complete
    assert run.journal.read_bytes().startswith(kept)  # nothing is lost
    after = _made(run.events)
    assert after[: len(before)] == before
    visits = Counter(
        (event.block, event.place) for event in after if isinstance(event, VisitMeasured)
    )
    assert visits == dict.fromkeys([(b, p) for b in (0, 1) for p in range(4)], 1)  # nothing twice
    starts = Counter(event.contender for event in after if isinstance(event, PhoneStarted))
    assert starts == {"ours": 1, "theirs": 1}
    assert sum(isinstance(event, Resumed) for event in run.events) == bool(kept)
    assert all(len(each.blocks) == 2 for each in results.measurements)
    times = [each.at_s for each in results.conditions]
    assert times == sorted(times)


# What does not interrupt a run --------------------------------------------------------------


def test_a_runner_killed_once_is_restarted(run: Run) -> None:
    run.phone.faults.kill_runner(block=3)
    assert run.measure().complete


def test_a_runner_killed_in_the_middle_of_a_line_is_restarted(run: Run) -> None:
    half = partial(run.phone.faults.garbage, after=2, half=True)
    assert run.measure(at="start", do=half).complete


def test_a_slow_connection_only_takes_longer(run: Run) -> None:
    run.phone.faults.delay_ms = 5
    assert run.measure().complete


def test_a_phone_with_wrong_golden_outputs_is_not_measured(run: Run) -> None:
    run.phone.pretend(golden_holds=False)
    with pytest.raises(BenchmarkError) as caught:
        run.measure()
    assert re.fullmatch(
        r"nothing can be measured: 'theirs': the runner on the phone: .* is off by .*; export the "
        "artifact again, or report it with the phone's name",
        str(caught.value),
    ), str(caught.value)
    assert not run.journal.exists()


def test_ctrl_c(run: Run) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    results = run.measure(at=BLOCK, nth=2, do=interrupt)
    assert not results.complete
    assert all(len(each.blocks) == 1 for each in results.measurements)
    assert run.measure(resume=True).complete


@pytest.mark.parametrize("at", ["push", "check"])
def test_ctrl_c_before_anything_was_measured_leaves_nothing(run: Run, at: str) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.measure(at=at, do=interrupt)
    assert not run.journal.exists()
    assert run.measure().complete


def test_stopped_from_another_thread(run: Run) -> None:
    assert not run.measure(stopped=lambda: BLOCK in run.said).complete
    assert run.measure(resume=True).complete


# Before anything is sent --------------------------------------------------------------------


def test_too_little_room(run: Run) -> None:
    run.phone.faults.free_kb = 1000
    with pytest.raises(PhoneError) as caught:
        run.measure()
    assert str(caught.value) == (
        "the phone has 1 MB free, but 17 MB are needed; free some space on it, or run: "
        "squeezebert-mobile clean"
    )


def test_a_folder_that_the_shell_may_not_write_to(run: Run) -> None:
    run.phone.faults.denied = HOME
    with pytest.raises(PhoneError) as caught:
        run.measure()
    assert re.fullmatch(
        rf"adb may not write to '{HOME}' on the phone: .*Permission denied; allow it in the "
        r"developer options \(some manufacturers call it USB debugging with security settings\)",
        str(caught.value),
    ), str(caught.value)


# Resuming something else ---------------------------------------------------------------


def _broken_off(run: Run) -> None:
    with pytest.raises(PhoneUnreachable):
        run.measure(at=BLOCK, nth=2, do=run.phone.drop)
    _recover(run)


def test_a_journal_that_is_there_is_not_overwritten(run: Run) -> None:
    _broken_off(run)
    kept = run.journal.read_bytes()
    with pytest.raises(BenchmarkError, match="exists: it may hold measurements of an interr"):
        run.measure()
    assert run.journal.read_bytes() == kept


def test_another_run_is_not_resumed(run: Run) -> None:
    _broken_off(run)
    kept = run.journal.read_bytes()
    other = run.folder / "another"
    other.write_bytes(b"another")
    another = Libraries({"l.so": other}, {"l.so": sha256_of(other)}, {})
    for changes, differs in (
        ({"threads": (2,)}, "the settings"),
        ({"cores": "big"}, "the settings"),
        ({"libraries": another}, "the runtime's libraries"),
    ):
        with pytest.raises(PhoneError) as caught:
            run.measure(resume=True, **changes)
        assert str(caught.value) == (
            f"cannot resume {str(run.journal)!r}: {differs} differ from when the run began; use "
            "the same command, or start a new run with another file as -o"
        )
        assert run.journal.read_bytes() == kept


def test_of_a_complete_run_only_the_results_are_assembled(run: Run) -> None:
    """As after a kill between the end of the journal and the results file."""
    results = run.measure()
    kept, steps = run.journal.read_bytes(), len(run.said)
    assert run.measure(resume=True) == results
    assert run.journal.read_bytes() == kept and len(run.said) == steps
    with pytest.raises(PhoneError, match="the settings differ from when the run began"):
        run.measure(resume=True, threads=(2,))


def test_half_a_line_at_the_end_of_the_journal_is_dropped(run: Run) -> None:
    _broken_off(run)
    with run.journal.open("ab") as file:
        file.write(b'{"event":"visit","threads":1,"sequ')
    assert run.measure(resume=True).complete


def test_nothing_to_resume(run: Run) -> None:
    with pytest.raises(BenchmarkError) as caught:
        run.measure(resume=True)
    assert str(caught.value).startswith(f"there is no {str(run.journal)!r} to resume")
    assert not run.journal.exists()
