"""Measuring on a phone: checks, the journal, and what is kept when a run is interrupted."""

import datetime
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.from_text import check_takes_text
from squeezebert_mobile.benchmarks.measure.progress import ProgressCallback
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.measure.settings import make_settings
from squeezebert_mobile.benchmarks.measure.unfinished_runs import is_measured, keeping_measurements
from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.facts import core_mask, read_phone
from squeezebert_mobile.benchmarks.phone.adb.files import make_home
from squeezebert_mobile.benchmarks.phone.adb.lock import WAIT_SECONDS, Note, locked
from squeezebert_mobile.benchmarks.phone.adb.meter import find_meter
from squeezebert_mobile.benchmarks.phone.app.sample_app import apk_sha256
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.energy import EnergyRun, energy_plan
from squeezebert_mobile.benchmarks.phone.from_text import measure_from_text
from squeezebert_mobile.benchmarks.phone.libraries.lookup import Libraries
from squeezebert_mobile.benchmarks.phone.profile import collect, profile_contenders
from squeezebert_mobile.benchmarks.phone.resume import check_resumable
from squeezebert_mobile.benchmarks.phone.run import PhoneRun
from squeezebert_mobile.benchmarks.phone.runner.launchers import (
    PhoneTarget,
    check_accelerator,
    check_cores,
    check_energy,
    check_profile,
)
from squeezebert_mobile.benchmarks.phone.runner_jar import RUNNER_JAR
from squeezebert_mobile.benchmarks.profiles.trace import Trace
from squeezebert_mobile.benchmarks.records.assembly import assemble
from squeezebert_mobile.benchmarks.records.events import Begin, End, Resumed
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.records.targets import Accelerator

__all__ = ["RESUME", "measure_phone"]

#: What to do after an error, if there is a journal.
RESUME = "to continue, run the same command with --resume"
_IN_USE = "run again when that has ended, or wait longer with --wait SECONDS"


def measure_phone(
    contenders: Sequence[Contender],
    *,
    device: Device,
    libraries: Libraries | None,
    preset: Preset,
    target: PhoneTarget = "adb",
    threads: Sequence[int] = (1,),
    sequence_lengths: Sequence[int] | None = None,
    cores: str = "all",
    accelerator: Accelerator = "cpu",
    from_text: bool = False,
    energy: bool = False,
    trace: Trace | None = None,
    cooling: Cooling | None = None,
    journal: Path | None = None,
    resume: bool = False,
    wait_s: float = WAIT_SECONDS,
    note: Note = lambda text: None,
    progress: ProgressCallback | None = None,
    sleep: Callable[[float], None] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> Results:
    """Measure `contenders` against each other on a phone.

    Ctrl-C ends the measurement early: the results then contain the finished blocks, and their
    `complete` is False. Before anything was measured it raises KeyboardInterrupt.

    Args:
        contenders: The artifacts to measure.
        device: The phone.
        libraries: The result of `find_libraries` for the contenders' formats and the phone's ABI;
            None in the app, which has its own libraries.
        preset: How long to measure.
        target: Where the runner runs: as a process of adb's shell ("adb") or in the sample app
            ("app").
        threads: The numbers of threads to measure with.
        sequence_lengths: The lengths to measure at, as in `measure_host`.
        cores: "all", "big" or a mask for taskset, such as "f0".
        accelerator: What is asked to run LiteRT artifacts.
        from_text: After the timed blocks, measure the time from text to answer, and to the first
            answer of a process.
        energy: After that, measure the energy of an answer.
        trace: Profile each contender after that, and collect its runs here.
        cooling: When to wait for the phone to cool down.
        journal: The file to which every event is appended as soon as it happens.
        resume: Continue the run in the existing journal; of a complete run, return the results.
        wait_s: How long to wait, in seconds, while another program uses the phone.
        note: Called with each note for the user.
        progress: Called with the current step, the seconds elapsed and the seconds expected.
        sleep: Waits for some seconds.
        stopped: Called between visits; if it returns True the run ends as with Ctrl-C.

    Raises:
        BenchmarkError: the contenders cannot be measured with these options, or all of them fail.
        PhoneError: the phone refuses something, or is unreachable; the journal has what was
            measured.
    """
    assert (libraries is None) == (target == "app"), target
    check_cores(target, cores)
    check_accelerator(target, accelerator, {each.label: each.format for each in contenders})
    check_energy(target, energy=energy)
    check_profile(target, profile=trace is not None)
    if from_text:
        check_takes_text(contenders)
    meter = find_meter(device) if energy else None
    settings = make_settings(
        contenders,
        preset,
        threads,
        sequence_lengths,
        cores=cores,
        accelerator=accelerator,
        energy=energy_plan(preset, meter.source) if meter else None,
    )
    checksums = libraries.sha256 if libraries else {}
    runner_sha256 = sha256_of(RUNNER_JAR) if libraries else apk_sha256(device)
    phone = read_phone(device, libraries=checksums, runner_sha256=runner_sha256)
    mask = core_mask(phone, cores)
    begin = Begin(
        created=_now(),
        settings=settings,
        machine=None,
        load_before=None,
        contenders=tuple(contender.facts for contender in contenders),
        phone=phone,
        target=target,
    )
    with Journal(journal, resume=resume) as log:
        if resume:
            check_resumable(begin, log.events, journal)
            if isinstance(log.events[-1], End):  # only the results are missing
                return _assembled(log, trace)
            log.add(Resumed(created=_now()))
        else:
            log.add(begin)
        try:
            with keeping_measurements(log, remedy=RESUME):
                make_home(device)
                with locked(device, wait_s=wait_s, remedy=_IN_USE, note=note, stopped=stopped):
                    run = PhoneRun(
                        list(contenders), device, preset, settings, log, cooling or Cooling(),
                        progress, sleep, stopped, from_text,
                    )  # fmt: skip
                    run.prepare(libraries, mask)
                    run.measure_starts()
                    for count in settings.threads:
                        run.measure_threads(count)
                    if from_text:
                        measure_from_text(run)
                    if meter and settings.energy:
                        EnergyRun(run, meter, settings.energy).measure()
                    if trace:
                        profile_contenders(run)
                log.add(End(load_after=None))
        except KeyboardInterrupt:
            if not is_measured(log.events):
                log.remove()
                raise
        return _assembled(log, trace)


def _assembled(log: Journal, trace: Trace | None) -> Results:
    if trace:
        collect(trace, log.events)
    return assemble(log.events)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
