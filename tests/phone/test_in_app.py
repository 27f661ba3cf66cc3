"""`bench --target app` on a stand-in for a phone: computer and app communicate through files."""

import itertools
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import Cli
from phone_run import SHORT, Run
from phone_stand_in import PRETEND_RUNNER, AdbServer, StandIn
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.measure import schedule
from squeezebert_mobile.benchmarks.measure.schedule import block_order
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, PhoneUnreachable, RunnerDied
from squeezebert_mobile.benchmarks.phone.adb.files import HOME
from squeezebert_mobile.benchmarks.phone.runner import launchers
from squeezebert_mobile.benchmarks.records.events import PhoneStarted, VisitMeasured
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.errors import BenchmarkError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        sys.platform == "win32", reason="the stand-in's commands need a POSIX shell"
    ),
]

APP = "squeezebertmobile.app"
BLOCK = "1 thread, length 8"
INSTALL = "install the debug build of android_demo/app with: adb install -r APK"
ENDED = (
    "the app ended: it crashed, was closed, or was killed because memory was low; keep it in the "
    "foreground, close other apps, and see: adb logcat -d -b crash"
)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "_POLL_S", 0.05)


@pytest.fixture
def measure(run: Run) -> Callable[..., Results]:
    return _measure(run)


def _measure(run: Run) -> Callable[..., Results]:
    run.phone.install()
    run.phone.pretend(latency_ms={"*": 10.0})
    return lambda **changes: run.measure(**{"target": "app", "libraries": None, **changes})


def _wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60  # a busy machine
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


# A run --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """A complete run, and the phone after it."""

    run: Run
    results: Results

    @property
    def home(self) -> Path:
        return self.run.phone.root / HOME.lstrip("/")

    def has_ended(self) -> bool:
        """Whether both runners have been told to end."""
        files = list(self.home.glob("*.commands.jsonl"))
        return len(files) == 2 and all('"do": "end"' in path.read_text() for path in files)


@pytest.fixture(scope="module")
def done(adb_server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """A complete run on a phone where an earlier one left files; several tests use it."""
    folder = tmp_path_factory.mktemp("in-app")
    with (
        pytest.MonkeyPatch.context() as patched,
        StandIn(folder / "phone", "pixel 8", runner_command=PRETEND_RUNNER) as phone,
    ):
        patched.setattr(launchers, "_POLL_S", 0.05)
        adb_server.connect(phone)
        found = Run(folder, adb_server, phone)
        measure = _measure(found)
        for path in _LEFT:
            (phone.root / path).parent.mkdir(parents=True, exist_ok=True)
            (phone.root / path).write_text("")
        results = measure(threads=(1, 2), sequence_lengths=(4, 8))
        done = Done(found, results)
        _wait_until(done.has_ended)  # the phone tells its runners to end a moment after the run
        adb_server.disconnect(phone)  # other tests are to see one phone
        yield done


_LEFT = (
    f"{HOME.lstrip('/')}/job-0-00000000.commands.jsonl",
    f"data/data/{APP}/files/measure/job-0-00000000.jsonl",
)


def test_a_whole_run(done: Done) -> None:
    results, phone = done.results, done.run.phone
    assert (results.target, results.complete) == ("app", True)
    assert results.phone is not None and results.phone.libraries == {}
    apk = phone.root / f"data/app/{APP}-1/base.apk"
    assert results.phone.runner_sha256 == sha256_of(apk)
    for label in ("ours", "theirs"):
        found = [each for each in results.measurements if each.contender == label]
        cells = [(each.threads, each.sequence_length) for each in found]
        assert cells == [(1, 4), (1, 8), (2, 4), (2, 8)]
        assert results.answers[label].texts == 1
        (start,) = results.phone_starts[label]
        assert start.first and start.load_ms > 0 and (start.resident_bytes or 0) > 0
    assert len(results.ratios) >= 4 and len(results.probes) == 8
    assert all(each.plugged == "usb" for each in results.conditions)


def test_neither_libraries_nor_the_runner_are_pushed(done: Done) -> None:
    folders = {path.name.partition("-")[0] for path in done.home.iterdir() if path.is_dir()}
    assert folders == {"artifact"}
    assert not any("app_process" in command for command in done.run.phone.commands)
    for path in (done.run.phone.root / "stand_in/jobs").iterdir():
        assert json.loads(path.read_text())["libraries"] is None


def test_a_start_is_a_fresh_process_and_blocks_share_one(done: Done) -> None:
    begun = [each.split()[1] for each in done.run.phone.commands if each.startswith("am ")]
    check_or_start, blocks = ["force-stop", "start"], ["force-stop", "start", "start"]
    assert begun == [*check_or_start * 4, *blocks * 2]
    assert done.run.phone.app.started == ["MeasureFromAdb"] * 8


def test_contenders_alternate_in_the_order_of_the_schedule(done: Done) -> None:
    visits = [event for event in done.run.events if isinstance(event, VisitMeasured)]
    for threads, length, index in itertools.product((1, 2), (4, 8), (0, 1)):
        cell = (threads, length, index)
        made = [e for e in visits if (e.threads, e.sequence_length, e.block) == cell]
        assert [each.place for each in made] == [0, 1, 2, 3]
        assert [each.contender for each in made] == block_order(["ours", "theirs"], index)


def test_the_commands_that_adb_gets(done: Done) -> None:
    """Names are the job's with something that no other start has, and reach the app as they are."""
    name = r"job-[0-9a-f]{8}-[01]-[0-9a-f]{8}"
    home = re.escape(HOME)
    starts = [each for each in done.run.phone.commands if each.startswith("am start")]
    assert len(set(starts)) == len(starts)
    for each in starts:
        assert re.fullmatch(
            rf"am start -W -n {APP}/\.MeasureFromAdb --es job {home}/job-[0-9a-f]{{8}}-[01]\.json "
            rf"--es commands {home}/({name})\.commands\.jsonl --es lines \1",
            each,
        ), each
    carried = [each for each in done.run.phone.commands if "tail -c +1 -f" in each]
    assert len(carried) == len(starts)
    for each in carried:
        assert re.search(
            rf"sh {APP} files/measure/({name})\.jsonl {home}/\1\.commands\.jsonl 0\.05 100$", each
        ), each[-200:]


def test_runners_are_told_to_end_when_nobody_listens(done: Done) -> None:
    assert done.has_ended()
    _wait_until(lambda: not list((done.run.phone.app.folder / "files/measure").iterdir()))


def test_what_an_earlier_run_has_left_is_removed(done: Done) -> None:
    assert not any((done.run.phone.root / path).exists() for path in _LEFT)


# What goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "nth"), [("warm up", 2), (BLOCK, 2)])
def test_an_app_that_crashes_once_is_restarted(
    run: Run, measure: Callable[..., Results], at: str, nth: int
) -> None:
    results = measure(at=at, nth=nth, do=run.phone.kill_app)
    assert results.complete
    visits = Counter((e.block, e.place) for e in run.events if isinstance(e, VisitMeasured))
    assert visits == dict.fromkeys([(b, p) for b in (0, 1) for p in range(4)], 1)


def test_one_that_crashes_in_a_block_takes_the_others_with_it(
    run: Run, measure: Callable[..., Results]
) -> None:
    def crash() -> None:
        run.phone.pretend(die_at="block")

    with pytest.raises(RunnerDied) as caught:
        measure(at=BLOCK, nth=2, do=crash)
    assert str(caught.value) == ENDED
    hint = (
        f"what was measured is kept in {str(run.journal)!r}; to continue, run the same command "
        "with --resume"
    )
    assert caught.value.__notes__ == [hint]
    kept = run.journal.read_bytes()

    run.phone.pretend(die_at=None)
    results = measure(resume=True)
    assert results.complete and results.target == "app"
    assert run.journal.read_bytes().startswith(kept)
    visits = Counter((e.block, e.place) for e in run.events if isinstance(e, VisitMeasured))
    assert visits == dict.fromkeys([(b, p) for b in (0, 1) for p in range(4)], 1)
    starts = Counter(e.contender for e in run.events if isinstance(e, PhoneStarted))
    assert starts == {"ours": 1, "theirs": 1}


def test_an_unplugged_cable_and_a_resumed_run(run: Run, measure: Callable[..., Results]) -> None:
    with pytest.raises(PhoneUnreachable):
        measure(at=BLOCK, nth=2, do=run.phone.drop)
    run.server.disconnect(run.phone)
    run.server.connect(run.phone)
    assert measure(resume=True).complete


def test_a_run_of_another_target_is_not_resumed(run: Run, measure: Callable[..., Results]) -> None:
    with pytest.raises(PhoneUnreachable):
        measure(at=BLOCK, nth=2, do=run.phone.drop)
    run.server.disconnect(run.phone)
    run.server.connect(run.phone)
    with pytest.raises(PhoneError) as caught:
        run.measure(resume=True)
    assert str(caught.value).startswith(
        f"cannot resume {str(run.journal)!r}: the target, the runtime's libraries, the runner "
        "differ from when the run began; "
    )


def test_an_app_that_never_starts_measuring(
    run: Run, measure: Callable[..., Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launchers, "_MAX_TRIES", 2)
    monkeypatch.setattr(run.phone.app, "_runner", None)
    with pytest.raises(RunnerDied) as caught:
        measure()
    assert str(caught.value) == (
        "the app did not start to measure; unlock the phone, keep its screen on and the app in the "
        "foreground, and run again"
    )
    assert not run.journal.exists()


def test_an_app_that_is_not_there(run: Run) -> None:
    with pytest.raises(PhoneError) as caught:
        run.measure(target="app", libraries=None)
    message = f"the sample app ({APP}) is not installed on the phone; {INSTALL}"
    assert str(caught.value) == message
    assert not run.journal.exists()


def test_a_release_build(run: Run) -> None:
    run.phone.install("release")
    with pytest.raises(PhoneError, match="is a release build, whose folder adb may not read; run"):
        run.measure(target="app", libraries=None)


def test_an_activity_that_does_not_start(run: Run, measure: Callable[..., Results]) -> None:
    run.phone.faults.am_says = "java.lang.SecurityException: Permission Denial: no DUMP"
    with pytest.raises(PhoneError) as caught:
        measure()
    assert str(caught.value) == (
        f"the phone did not start {APP}/.MeasureFromAdb: java.lang.SecurityException: Permission "
        "Denial: no DUMP; allow it in the developer options (some manufacturers call it USB "
        "debugging with security settings)"
    )


def test_a_top_activity_that_gets_the_intent_is_no_error() -> None:
    from squeezebert_mobile.benchmarks.phone.adb.parsing import start_refusal

    told = "Warning: Activity not started, intent has been delivered to currently running top-most"
    assert start_refusal(f"Starting: Intent {{ cmp=a/.b }}\n{told} instance.\nStatus: ok\n") is None


def test_libraries_of_another_version_are_the_apps(
    run: Run, measure: Callable[..., Results]
) -> None:
    error = {"at": "load", "kind": "library", "message": "libonnxruntime.so is of another version"}
    run.phone.pretend(error=error)
    with pytest.raises(BenchmarkError) as caught:
        measure()
    assert str(caught.value) == (
        "nothing can be measured: 'theirs': the runner on the phone: libonnxruntime.so is of "
        f"another version; the app has another version; {INSTALL}"
    )


@pytest.mark.parametrize("cores", ["big", "f0"])
def test_cores_are_androids_choice(run: Run, measure: Callable[..., Results], cores: str) -> None:
    with pytest.raises(PhoneError) as caught:
        measure(cores=cores)
    assert str(caught.value) == (
        f"--cores {cores} only applies to --target adb: in an app Android chooses the cores; "
        "remove --cores"
    )
    assert run.phone.commands == []


# As typed -----------------------------------------------------------------------------------


def test_from_the_command_line_to_a_report(
    cli: Cli, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "get_preset", lambda name: SHORT)
    run.phone.install()
    run.phone.pretend(latency_ms={"*": 10.0})
    for name in ("ours", "theirs"):
        write_small_artifact(tmp_path / name)
    target = tmp_path / "phone.json"
    words = (
        *("bench", tmp_path / "ours", "--target", "app", "--baseline", tmp_path / "theirs"),
        *("--preset", "rapid", "--sequence-length", 4, "--adb-server", run.server.address),
    )
    code, out, err = cli(*words, "-o", target)
    assert code == 0, err
    again = cli(*words, "-o", target)
    assert again[:2] == (1, "") and again[2].startswith(f"error: {str(target)!r} exists; replace")
    shown = " ".join(out.split())
    assert "Measured by the sample app: figures in an app's scheduling context" in shown
    assert "by a process of the adb shell" not in shown and "cores: all" in shown
    assert all(len(line) <= 80 for line in out.splitlines())
    assert json.loads(target.read_text())["target"] == "app"
    assert cli("report", target, "-o", tmp_path / "report.md")[0] == 0
    text = (tmp_path / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert "the sample app: figures in an app's scheduling context, not the shell's" in text
    assert "the app's APK, SHA-256" in text

    for more, message in (
        (
            ("--cores", "f0"),
            "--cores f0 only applies to --target adb: in an app Android chooses the cores; "
            "remove --cores",
        ),
        (
            ("--android-runtime", "x.aar"),
            "--android-runtime only applies to --target adb: the app contains its own libraries; "
            "remove --android-runtime",
        ),
    ):
        code, _, err = cli(*words, *more)
        assert (code, err) == (1, f"error: {message}\n")


def test_nothing_is_exported_without_the_app(
    cli: Cli, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_small_artifact(tmp_path / "ours")
    words = ("bench", tmp_path / "ours", "--target", "app", "--adb-server", run.server.address)
    code, _, err = cli(*words)
    message = f"the sample app ({APP}) is not installed on the phone; {INSTALL}"
    assert (code, err) == (1, f"error: {message}\n")
    assert not (tmp_path / "cache").exists()
