"""Journals on a full disk, removed or replaced during a run, and used by two runs at once."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from phone_events import begin, visits, warm_ups

from squeezebert_mobile.benchmarks.measure.contenders import Contender, artifact_contenders
from squeezebert_mobile.benchmarks.measure.host import bench_on_host, measure_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.events import BlockMeasured, End, Event
from squeezebert_mobile.benchmarks.records.journal import Journal, journal_of
from squeezebert_mobile.benchmarks.records.reading import read_events, read_results
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.errors import BenchmarkError

Pretend = Callable[..., Contender]
EVENTS: list[Event] = [begin(), *warm_ups(), *visits(6)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "results.json.journal"


def _host(pretend: Pretend, short: Preset, path: Path, model: Callable[..., object]) -> Results:
    return bench_on_host(
        [pretend("A", model)],
        output=path.with_suffix(""),
        preset=short,
        threads=(1,),
        sequence_lengths=None,
    )


def _after(runs: int, do: Callable[[], object]) -> Callable[..., None]:
    """A model that does something in one of its runs."""
    left = iter(range(runs))

    def model(feed: object) -> None:
        if next(left, -1) == runs - 1:
            do()

    return model


# A full disk --------------------------------------------------------------------------------------


@pytest.fixture
def limited() -> Iterator[Callable[[int], None]]:
    """Sets the largest size of a file that this process may write, as a full disk would."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file sizes")
@pytest.mark.parametrize("more", [0, 1, 100, 250])
def test_an_event_that_does_not_fit(path: Path, limited: Callable[[int], None], more: int) -> None:
    with Journal(path) as log:
        for event in EVENTS[:5]:
            log.add(event)
        limited(path.stat().st_size + more)
        with pytest.raises(BenchmarkError) as caught:
            for event in EVENTS[5:]:
                log.add(event)
        limited(1 << 30)
        whole = len(log.events) - 1
    assert str(caught.value) == (
        f"cannot write the journal {str(path)!r}: File too large; free some space there, or "
        "choose another place with -o"
    )
    assert read_events(path) == EVENTS[:whole]
    with Journal(path, resume=True) as log:
        assert log.events == EVENTS[:whole]
        for event in EVENTS[whole:]:
            log.add(event)
    assert read_events(path) == EVENTS


def _full(*_: object) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("runs", [3, 40])
def test_a_host_run_on_a_full_disk(
    pretend: Pretend, short: Preset, path: Path, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    def fill() -> None:
        monkeypatch.setattr(Journal, "_write", _full)

    with pytest.raises(BenchmarkError) as caught:
        _host(pretend, short, path, _after(runs, fill))
    assert str(caught.value) == (
        f"cannot write the journal {str(path)!r}: No space left on device; free some space there, "
        "or choose another place with -o"
    )
    assert caught.value.__notes__ == [
        f"what was measured is kept in {str(path)!r}; squeezebert-mobile report reads it"
    ]
    blocks = sum(isinstance(event, BlockMeasured) for event in read_events(path))
    assert blocks == 0 if runs == 3 else blocks > 0
    assert len(read_results(path).starts["A"]) == 1


def test_a_host_run_on_a_disk_that_is_full_at_once(
    pretend: Pretend, short: Preset, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_write", _full)
        with pytest.raises(BenchmarkError, match="No space left on device") as caught:
            _host(pretend, short, path, lambda feed: None)
    assert not hasattr(caught.value, "__notes__") and not path.exists()
    assert _host(pretend, short, path, lambda feed: None).complete


# Removed, cut or replaced ---------------------------------------------------------------------


REMOVALS: dict[str, Callable[[Path], object]] = {
    "the journal": lambda path: path.unlink(),
    "its folder": lambda path: shutil.rmtree(path.parent),
    "its content": lambda path: os.truncate(path, 0),
    "a part of it": lambda path: os.truncate(path, path.stat().st_size // 2),
    "moved": lambda path: path.rename(path.with_name("moved")),
    "the folder moved": lambda path: path.parent.rename(path.parent.with_name("moved")),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot remove an open file")
@pytest.mark.parametrize("case", REMOVALS)
def test_what_was_removed_is_written_again(path: Path, case: str) -> None:
    with Journal(path) as log:
        for event in EVENTS[:9]:
            log.add(event)
        REMOVALS[case](path)
        for event in EVENTS[9:]:
            log.add(event)
        assert read_events(path) == EVENTS
        with pytest.raises(BenchmarkError, match="another benchmark is writing"):
            Journal(path, resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot remove an open file")
@pytest.mark.parametrize("case", REMOVALS)
@pytest.mark.parametrize("last", [False, True])
def test_a_host_run_whose_files_are_removed(
    pretend: Pretend, short: Preset, path: Path, case: str, last: bool
) -> None:
    """`last`: after the last event."""
    runs = 0

    def model(feed: object) -> None:
        nonlocal runs
        runs += 1
        if runs == 30:
            REMOVALS[case](path)

    if not last:
        results = _host(pretend, short, path, model)
    else:
        with Journal(path) as log:
            results = measure_host([pretend("A", 0.001)], preset=short, journal=log)
            REMOVALS[case](path)
            results.write(path.with_suffix(""))
            log.remove()
    assert results.complete and read_results(path.with_suffix("")) == results
    assert not path.exists()


def test_a_journal_that_was_replaced_is_not_overwritten(path: Path) -> None:
    with Journal(path) as log:
        for event in EVENTS[:5]:
            log.add(event)
        path.unlink()
        path.write_text("of another program")
        with pytest.raises(BenchmarkError) as caught:
            log.add(EVENTS[5])
        log.remove()
    assert str(caught.value) == (
        f"the journal {str(path)!r} was replaced by another file during the run; end the program "
        "that writes it, and run again with another file as -o"
    )
    assert path.read_text() == "of another program"


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes and /dev")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("resume", [False, True])
def test_a_journal_that_is_no_file(path: Path, resume: bool) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(BenchmarkError, match="it is a named pipe, not a regular file"):
        Journal(path, resume=resume)
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(BenchmarkError, match="it is a device, not a regular file"):
        Journal(path, resume=resume)


# Two at once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["new", "resume"])
@pytest.mark.parametrize("second", ["new", "resume"])
def test_two_runs_with_one_journal(path: Path, first: str, second: str) -> None:
    if first == "resume":
        with Journal(path) as log:
            log.add(EVENTS[0])
    with Journal(path, **({} if first == "new" else {first: True})) as log:
        if not log.events:
            log.add(EVENTS[0])
        with pytest.raises(BenchmarkError) as caught:
            Journal(path, **({} if second == "new" else {second: True}))
        assert str(caught.value) == (
            f"another benchmark is writing {str(path)!r}; wait until it ends, or choose another "
            "file with -o"
        )
        log.add(EVENTS[1])
    assert read_events(path) == EVENTS[:2]
    with Journal(path, resume=True) as log:
        assert log.events == EVENTS[:2]


def test_two_host_benches_with_one_output(pretend: Pretend, short: Preset, path: Path) -> None:
    errors: list[str] = []

    def second() -> None:
        with pytest.raises(BenchmarkError) as caught:
            _host(pretend, short, path, lambda feed: None)
        errors.append(str(caught.value))

    results = _host(pretend, short, path, _after(20, second))
    assert errors == [
        f"another benchmark is writing {str(path)!r}; wait until it ends, or choose another file "
        "with -o"
    ]
    assert results.complete and read_results(path.with_suffix("")) == results
    assert not path.exists()


def test_the_lock_ends_with_its_process(path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from squeezebert_mobile.benchmarks.records.journal import Journal
log = Journal(Path(sys.argv[1]), resume=True)
print("locked", flush=True)
time.sleep(60)
"""
    with Journal(path) as log:
        log.add(EVENTS[0])
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "locked\n"
        with pytest.raises(BenchmarkError, match="another benchmark is writing"):
            Journal(path, resume=True)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with Journal(path, resume=True) as log:
        assert log.events == EVENTS[:1]


def test_what_is_to_be_resumed_must_be_there(path: Path) -> None:
    with pytest.raises(BenchmarkError, match="there is no .* to resume; remove --resume"):
        Journal(path, resume=True)
    assert not path.parent.exists()


# Cut off ----------------------------------------------------------------------------------------


def test_a_journal_cut_at_every_byte_of_its_last_three_lines(path: Path) -> None:
    first = begin()
    names = {
        each.label: f"{each.label} caf\u00e9 \u6771\u4eac \U0001f600" for each in first.contenders
    }
    contenders = tuple(
        each.model_copy(update={"label": names[each.label]}) for each in first.contenders
    )
    events: list[Event] = [first.model_copy(update={"contenders": contenders})]
    events += [each.model_copy(update={"contender": names[each.contender]}) for each in visits(2)]
    with Journal(path) as log:
        for event in events:
            log.add(event)
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    assert not lines[-1].isascii()
    for end in range(len(data) - sum(map(len, lines[-3:])), len(data) + 1):
        whole = data[:end].count(b"\n")
        path.write_bytes(data[:end])
        assert read_events(path) == events[:whole]
        assert not read_results(path).complete
        with Journal(path, resume=True) as log:
            assert log.events == events[:whole]
            for event in events[whole:]:
                log.add(event)
            log.add(End(load_after=None))
        assert path.read_bytes() == data + b'{"event":"end","load_after":null}\n'


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_a_name_that_is_not_utf_8(make_artifact: Callable[..., Path], path: Path) -> None:
    folder = make_artifact("ours")
    names = [b"caf\xe9", b"caf\xff", "caf\u00e9".encode()]
    folders = [Path(os.fsdecode(os.path.join(os.fsencode(folder.parent), name))) for name in names]
    for other in folders:
        shutil.copytree(folder, other)
    contenders = artifact_contenders(folders)
    assert [each.label for each in contenders] == ["caf\\udce9", "caf\\udcff", "caf\u00e9"]
    facts = tuple(each.facts for each in contenders)
    with Journal(path) as log:
        log.add(begin().model_copy(update={"contenders": facts}))
    assert read_results(path).contenders == facts


def test_the_journal_of_an_output() -> None:
    assert journal_of(Path("a.json")) == Path("a.json.journal")
