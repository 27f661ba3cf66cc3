"""One program at a time uses a phone: benches, push and clean wait, or are refused."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from phone_run import Run, name_on_phone
from small_artifact import write_small_artifact

from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.phone.adb import lock
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.files import HOME
from squeezebert_mobile.benchmarks.phone.adb.lock import locked
from squeezebert_mobile.benchmarks.phone.commands import clean_phones, push_to_phones

pytestmark = [
    pytest.mark.phone,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        sys.platform == "win32", reason="the stand-in's commands need a POSIX shell"
    ),
]

BLOCK = "1 thread, length 8"
HOLDER = rf"\S+ on \S+ \(process {os.getpid()}\) for \d+ s"


@pytest.fixture(autouse=True)
def _polls_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_POLL_S", 0.05)


def _refused(run: Run) -> str:
    with pytest.raises(PhoneError) as caught, locked(run.device):
        pass
    return str(caught.value)


def test_a_phone_in_use_is_refused_with_who_uses_it(run: Run) -> None:
    with locked(run.device):
        said = _refused(run)
        assert re.fullmatch(
            rf"the phone '{run.phone.serial}' is in use by {HOLDER}; run again when that has "
            "ended", said
        ), said  # fmt: skip
    with locked(run.device):  # freed
        pass


def test_waiting_says_so_once_and_goes_on(run: Run) -> None:
    notes: list[str] = []
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(run.device):
            held.set()
            free.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)

    def note(text: str) -> None:
        notes.append(text)
        threading.Timer(1, free.set).start()

    with locked(run.device, wait_s=60, note=note):
        assert free.is_set()
    thread.join()
    (said,) = notes
    assert re.fullmatch(
        rf"the phone '{run.phone.serial}' is in use by {HOLDER}; waiting for up to 60 s", said
    ), said


def test_a_wait_ends_when_the_run_is_stopped(run: Run) -> None:
    with locked(run.device), pytest.raises(KeyboardInterrupt):
        with locked(run.device, wait_s=60, stopped=lambda: True):
            pass


def test_bench_push_and_clean_are_refused_while_the_phone_is_in_use(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.measure()
    run.journal.unlink()
    run.phone.install()
    server = run.server.address
    with locked(run.device):
        with pytest.raises(PhoneError) as caught:
            run.measure(wait_s=0)
        assert str(caught.value).endswith(
            "; run again when that has ended, or wait longer with --wait SECONDS"
        )
        assert not run.journal.exists()  # nothing was measured
        with pytest.raises(PhoneError, match="is in use by"):
            clean_phones(server, (), all_devices=False)
        monkeypatch.setattr("squeezebert_mobile.benchmarks.phone.commands.WAIT_SECONDS", 0)
        with pytest.raises(PhoneError, match="is in use by"):
            push_to_phones(run.folder / "ours", server, (), all_devices=False)
        assert list((run.phone.root / HOME.lstrip("/")).glob("artifact-*"))  # nothing was removed
    assert run.measure().complete


@pytest.mark.parametrize("target", ["adb", "app"])
def test_a_run_holds_the_lock_from_the_first_push_to_the_last_block(run: Run, target: str) -> None:
    options = {} if target == "adb" else {"target": "app", "libraries": None}
    if target == "app":
        run.phone.install()
    said: list[str] = []
    run.measure(at="check", do=lambda: said.append(_refused(run)), **options)
    run.journal.unlink()
    run.measure(at=BLOCK, nth=2, do=lambda: said.append(_refused(run)), **options)
    assert len(said) == 2
    with locked(run.device):
        pass


def test_a_script_tries_again_only_when_it_is_asked_to(run: Run) -> None:
    """One whose program was refused, and is gone, would hold the lock for a moment."""
    words = ["sh", "-c", lock._HOLD, "sh", lock._LOCK, "another", "0.05"]
    with contextlib.ExitStack() as stack:
        with locked(run.device):
            program = stack.enter_context(run.device.start(words, {}, timeout=20))
            lines = program.lines()
            assert next(lines).startswith(b"busy ")
        time.sleep(0.5)
        with locked(run.device):
            pass
        program.write(b"\n")
        assert next(lines) == b"locked"


def test_a_run_that_breaks_off_frees_the_lock(run: Run) -> None:
    with pytest.raises(ZeroDivisionError):
        run.measure(at=BLOCK, do=lambda: 1 // 0)
    with locked(run.device):
        pass
    assert run.measure(resume=True).complete


_HOLD_FOR_EVER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from squeezebert_mobile.benchmarks.phone.adb.client import Adb, Device
from squeezebert_mobile.benchmarks.phone.adb.lock import locked
with locked(Device(Adb(sys.argv[1]), sys.argv[2])):
    print("locked", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def _another_process(run: Run) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", _HOLD_FOR_EVER, run.server.address, run.phone.serial]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_program_frees_the_lock(run: Run, number: int) -> None:
    with _another_process(run) as process:
        assert f"(process {process.pid})" in _refused(run)
        process.send_signal(number)
        process.wait()
        with locked(run.device, wait_s=30):
            pass


@pytest.mark.parametrize("what", ["drop", "restart"])
def test_a_lost_connection_frees_the_lock(run: Run, what: str) -> None:
    with _another_process(run):
        if what == "drop":
            run.phone.drop()
        else:
            run.phone.reboot(0.5)
        run.server.disconnect(run.phone)
        time.sleep(1)
        run.server.connect(run.phone)
        with locked(run.device, wait_s=30):
            pass


def test_a_waiting_program_that_is_killed_leaves_nothing(run: Run) -> None:
    with locked(run.device):
        words = [sys.executable, "-c", _HOLD_FOR_EVER.replace("sys.argv[2])", "sys.argv[2]), "
                 "wait_s=99, note=lambda text: print(text, flush=True)"),
                 run.server.address, run.phone.serial]  # fmt: skip
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "is in use by" in process.stdout.readline()
            process.kill()
    with locked(run.device, wait_s=30):
        pass


def test_clean_and_a_waiting_bench(run: Run) -> None:
    """The file that the bench waits for is removed: another one must not be locked besides."""
    notes: list[str] = []
    measured: list[bool] = []
    waits = threading.Thread(
        target=lambda: measured.append(run.measure(wait_s=60, note=notes.append).complete)
    )
    with locked(run.device):
        waits.start()
        while not notes:
            time.sleep(0.02)
        run.device.run("rm", "-rf", HOME)
    waits.join()
    assert measured == [True]
    clean_phones(run.server.address, (), all_devices=False)
    assert not (run.phone.root / HOME.lstrip("/")).exists()


@pytest.mark.parametrize(
    "script",
    [
        "echo 'sh: flock: inaccessible or not found' >&2; exit 127",
        "echo 'flock: flock: Function not implemented' >&2; exit 1",
    ],
)
def test_a_phone_that_cannot_lock_files_is_measured_with_a_note(run: Run, script: str) -> None:
    program = run.phone.root / "system/bin/flock"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    notes: list[str] = []
    assert run.measure(note=notes.append).complete
    why = script.partition("'")[2].partition("'")[0]
    assert notes == [
        f"the phone '{run.phone.serial}' cannot lock files ({why}); let no other program use it "
        "meanwhile"
    ]


def test_a_lock_that_cannot_be_written(run: Run) -> None:
    (run.phone.root / HOME.lstrip("/") / ".lock").mkdir(parents=True)
    with pytest.raises(PhoneError) as caught:
        run.measure()
    assert re.fullmatch(
        rf"the phone cannot lock '{HOME}/\.lock': .*[Dd]irectory.*; remove the file, or restart "
        "the phone", str(caught.value)
    ), str(caught.value)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holder"),
    [
        ("100 107 me on my computer (process 3)", "me on my computer (process 3) for 7 s"),
        ("100 220 me", "me for 2 min"),
        ("220 100 me", "me"),  # the clock was set back
        (" 100 ", "another program"),  # the file is still empty
        ("²  me", "me"),
        ("", "another program"),
        ("9" * 5000 + " 1 me", "me"),
    ],
)
def test_the_holder(text: str, holder: str) -> None:
    assert lock._holder(text) == holder


_QUICKEST = Preset("quickest", runs=1, seconds=0, blocks=1, starts=1)


@pytest.mark.parametrize(
    ("target", "count"),
    [
        ("adb", 5),
        ("app", 3),
        pytest.param("adb", 20, marks=pytest.mark.slow),
        pytest.param("app", 6, marks=pytest.mark.slow),
    ],
)
def test_benches_at_once_never_mix(
    run: Run, tmp_path: Path, target: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has an artifact of its own, whose latency shows which one was measured."""
    monkeypatch.setattr(lock, "_POLL_S", 0.5)  # so many that poll need both cores otherwise
    benches = []
    for index in range(count):
        own = Run(tmp_path / f"bench {index}", run.server, run.phone)
        own.folder.mkdir()
        write_small_artifact(own.folder / "ours", model=b"model %d" % index)
        benches.append(own)
    folders = [name_on_phone(each.folder / "ours") for each in benches]
    latencies = {name: 100.0 * 1.25**index for index, name in enumerate(folders)}
    run.phone.pretend(latency_ms=latencies)
    assert len(latencies) == count
    options = {"preset": _QUICKEST, "wait_s": 280}
    if target == "app":
        run.phone.install()
        options |= {"target": "app", "libraries": None}

    def bench(index: int) -> float:
        measured = benches[index].measure(**options).measurements
        (median,) = [each.latency.median_ms for each in measured if each.contender == "ours"]
        return median / latencies[folders[index]]

    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(bench, range(count)))
    # An input of 8 tokens instead of 128, and noise of a few percent.
    assert found == [pytest.approx(8 / 128, rel=0.1)] * count
