"""Several phones in one run, one of which breaks off: the advised command completes the run."""

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Cli
from phone_run import SHORT, name_on_phone
from phone_stand_in import PRETEND_RUNNER, AdbServer, StandIn
from small_artifact import write_small_artifact

from squeezebert_mobile.benchmarks import artifact_contenders
from squeezebert_mobile.benchmarks.phone import commands
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.commands import PhoneRequest, bench_on_phones
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.measurement import RESUME
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.errors import BenchmarkError

pytestmark = [pytest.mark.phone, pytest.mark.timeout(180)]

BLOCK = "1 thread, length 8"


class Several:
    """Three phones, and a request to measure on all of them."""

    def __init__(self, folder: Path, server: AdbServer, phones: list[StandIn]) -> None:
        self.folder, self.server, self.phones = folder, server, phones
        write_small_artifact(folder / "ours")
        self.models = artifact_contenders([folder / "ours"])
        self.runtime = folder / "onnxruntime-android.aar"
        with zipfile.ZipFile(self.runtime, "w") as archive:
            for name in ("libonnxruntime.so", "libonnxruntime4j_jni.so"):
                archive.writestr(f"jni/arm64-v8a/{name}", name.encode() * 1000)
        self.notes: list[str] = []

    def bench(self, **changes: Any) -> list[tuple[Path, Results]]:
        options: dict[str, Any] = {
            "target": "adb",
            "serials": (),
            "all_devices": True,
            "adb_server": self.server.address,
            "cores": "all",
            "android_runtime": (self.runtime,),
            "cooling": Cooling(limit_s=0),
            "preset": SHORT,
            "threads": (1,),
            "sequence_lengths": None,
            "output": self.folder / "phone.json",
            "resume": False,
        }
        self.notes.clear()
        request = PhoneRequest(**options | changes)
        return bench_on_phones(
            request, {"ours": "onnx"}, lambda: self.models, note=self.notes.append
        )

    def file(self, phone: StandIn) -> Path:
        return self.folder / f"phone-{phone.serial.replace(':', '_')}.json"


@pytest.fixture
def several(adb_server: AdbServer, tmp_path: Path) -> Iterator[Several]:
    phones = [
        StandIn(tmp_path / name, serialno=name, runner_command=PRETEND_RUNNER)
        for name in ("one", "two", "three")
    ]
    with phones[0], phones[1], phones[2]:
        for phone in phones:
            adb_server.connect(phone)
        yield Several(tmp_path, adb_server, phones)
        for phone in phones:
            adb_server.disconnect(phone)


@pytest.fixture
def break_off(several: Several, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the last phone lose its connection at a step of its run."""
    last = several.phones[-1]

    def at(step: str) -> None:
        measure, broken = commands.measure_phone, threading.Event()

        def breaking(*arguments: Any, **options: Any) -> Results:
            def progress(what: str, done: float, total: float) -> None:
                if what.startswith(step) and not broken.is_set():
                    broken.set()
                    last.drop()

            if options["device"].serial == last.serial:
                options["progress"] = progress
            return measure(*arguments, **options)

        monkeypatch.setattr(commands, "measure_phone", breaking)

    return at


def _reconnect(several: Several) -> None:
    last = several.phones[-1]
    several.server.disconnect(last)
    several.server.connect(last)


def test_the_advised_command_completes_the_run(
    several: Several, break_off: Callable[[str], None]
) -> None:
    break_off(BLOCK)
    with pytest.raises(PhoneError) as caught:
        several.bench()
    one, two, last = (several.file(phone) for phone in several.phones)
    notes = caught.value.__notes__
    assert any(note.endswith(RESUME) for note in notes)
    assert str(one) in notes[-1] and str(two) in notes[-1] and str(last) not in notes[-1]
    before = {path: path.read_bytes() for path in (one, two)}
    kept = last.with_name(f"{last.name}.journal").read_bytes()

    _reconnect(several)
    results = dict(several.bench(resume=True))
    assert results.keys() == {one, two, last}
    assert all(each.complete for each in results.values())
    assert {path: path.read_bytes() for path in (one, two)} == before  # not measured again
    notes = [note for note in several.notes if "was measured before" in note]
    assert sorted(notes) == sorted(
        f"{phone.serial!r} was measured before; its results are in {str(path)!r}"
        for phone, path in zip(several.phones[:2], (one, two), strict=True)
    )
    assert b'"phone-start"' in kept and not list(several.folder.glob("*.journal"))
    assert dict(several.bench(resume=True)).keys() == results.keys()  # nothing is left to do


def test_a_phone_that_broke_off_before_anything_was_measured(
    several: Several, break_off: Callable[[str], None]
) -> None:
    break_off("push")
    with pytest.raises(PhoneError):
        several.bench()
    assert not several.file(several.phones[-1]).exists()
    _reconnect(several)
    assert all(results.complete for _, results in several.bench(resume=True))


def test_the_other_phones_may_be_unplugged_when_it_is_resumed(
    several: Several, break_off: Callable[[str], None]
) -> None:
    break_off(BLOCK)
    with pytest.raises(PhoneError):
        several.bench()
    _reconnect(several)
    for phone in several.phones[:2]:
        several.server.disconnect(phone)
        several.server.wait_for(phone, None)
    last = several.phones[-1]
    ((path, results),) = several.bench(resume=True)
    assert (path, results.complete) == (several.file(last), True)
    ((path, again),) = several.bench(resume=True)
    assert (path, again) == (several.file(last), results)


def test_more_phones_may_be_connected_when_it_is_resumed(
    several: Several, break_off: Callable[[str], None]
) -> None:
    break_off(BLOCK)
    last = several.phones[-1]
    with pytest.raises(PhoneError):
        several.bench(serials=(last.serial,), all_devices=False)
    journal = several.folder / "phone.json.journal"
    assert journal.exists()
    _reconnect(several)
    results = dict(several.bench(resume=True))
    assert results.keys() == {
        *(several.file(phone) for phone in several.phones[:2]), several.folder / "phone.json"
    }  # fmt: skip
    assert all(each.complete for each in results.values()) and not journal.exists()


def test_results_of_another_command_are_not_taken_for_this_ones(
    several: Several, break_off: Callable[[str], None]
) -> None:
    several.bench()
    path = several.file(several.phones[0])
    before = path.read_bytes()
    with pytest.raises(PhoneError) as caught:
        several.bench(resume=True, threads=(2,))
    assert (
        f"{str(path)!r} has results of another run, and there is no journal to resume for "
        f"{several.phones[0].serial!r}; use the same command, or start a new run without --resume"
    ) in str(caught.value)
    assert path.read_bytes() == before


def test_a_phone_alone_without_a_journal_has_nothing_to_resume(several: Several) -> None:
    with pytest.raises(BenchmarkError, match="there is no '.*' to resume; remove --resume"):
        several.bench(serials=(several.phones[0].serial,), all_devices=False, resume=True)


@pytest.mark.parametrize("left", [b"", b'{"event":"beg'])
@pytest.mark.parametrize("together", [True, False])
def test_a_run_that_was_killed_at_once_leaves_nothing_to_remove(
    several: Several, left: bytes, together: bool
) -> None:
    phone = several.phones[0]
    output = several.file(phone) if together else several.folder / "phone.json"
    journal = output.with_name(f"{output.name}.journal")
    journal.write_bytes(left)
    options = {} if together else {"serials": (phone.serial,), "all_devices": False}
    assert all(results.complete for _, results in several.bench(**options))
    if together:
        journal.write_bytes(left)
        assert len(several.bench(resume=True)) == 3


# Artifacts that fail ------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["ours", "theirs"])
def test_an_artifact_with_wrong_golden_outputs_is_an_error_after_the_results(
    cli: Cli, several: Several, wrong: str
) -> None:
    phone = several.phones[0]
    theirs = several.folder / "theirs"
    write_small_artifact(theirs, model=b"another")
    folder = name_on_phone(several.folder / wrong)
    phone.pretend(golden_holds={folder: False}, latency_ms={"*": 100.0})
    output = several.folder / "phone.json"
    code, out, err = cli(
        *("bench", several.folder / "ours", "--target", "adb", "--baseline", theirs),
        *("--android-runtime", several.runtime, "--preset", "rapid", "--cool-down", 0),
        *("--serial", phone.serial, "--adb-server", several.server.address, "-o", output),
    )
    written = json.loads(output.read_text("utf-8"))
    assert written["complete"] and [each["contender"] for each in written["failures"]] == [wrong]
    assert "ours" in out
    if wrong == "ours":
        assert code == 1 and f"\nerror: {wrong!r} failed (load): the runner on the phone: " in err
    else:
        assert code == 0, err
