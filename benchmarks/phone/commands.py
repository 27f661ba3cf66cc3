"""Commands on one or several phones: bench, push, clean.

A baseline is exported only once there is a phone to measure it on, because exporting takes minutes.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.artifact import read_artifact
from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.progress import (
    ProgressCallback,
    progress_bars,
    report_push,
)
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.measure.settings import make_settings
from squeezebert_mobile.benchmarks.measure.unfinished_runs import remove_empty_journal
from squeezebert_mobile.benchmarks.phone.adb.client import Adb, Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.facts import (
    check_android,
    read_phone,
    serial_number,
)
from squeezebert_mobile.benchmarks.phone.adb.files import PushProgress, clean, make_home
from squeezebert_mobile.benchmarks.phone.adb.lock import WAIT_SECONDS, Note, locked
from squeezebert_mobile.benchmarks.phone.adb.meter import find_meter
from squeezebert_mobile.benchmarks.phone.adb.selection import select_devices
from squeezebert_mobile.benchmarks.phone.app.inbox import (
    name_in_app,
    name_of_zip,
    push_to_app,
    write_zip,
)
from squeezebert_mobile.benchmarks.phone.app.sample_app import check_app
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.libraries.lookup import Libraries, find_libraries
from squeezebert_mobile.benchmarks.phone.libraries.parts import check_abi, check_formats
from squeezebert_mobile.benchmarks.phone.measurement import RESUME, measure_phone
from squeezebert_mobile.benchmarks.phone.runner.launchers import (
    PhoneTarget,
    check_accelerator,
    check_cores,
    check_energy,
    check_profile,
)
from squeezebert_mobile.benchmarks.profiles.trace import Trace, trace_of
from squeezebert_mobile.benchmarks.records.journal import journal_of, keeping
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.records.targets import Accelerator
from squeezebert_mobile.errors import InputError, SqueezeBertMobileError
from squeezebert_mobile.files import check_new

__all__ = ["PhoneRequest", "Pushed", "bench_on_phones", "clean_phones", "push_to_phones", "zip_up"]


@dataclass(frozen=True)
class PhoneRequest:
    """The options of `bench --target adb` or `app`."""

    target: PhoneTarget
    serials: tuple[str, ...]
    all_devices: bool
    adb_server: str | None
    cores: str
    android_runtime: tuple[Path, ...]
    cooling: Cooling
    preset: Preset
    threads: tuple[int, ...]
    sequence_lengths: tuple[int, ...] | None
    output: Path
    resume: bool
    wait_s: float = WAIT_SECONDS
    accelerator: Accelerator = "cpu"
    energy: bool = False
    profile: bool = False
    from_text: bool = False
    force: bool = True  # replace existing results

    @property
    def devices(self) -> list[Device]:
        """The selected phones.

        Raises:
            PhoneError: there is none, or the choice is ambiguous.
        """
        return _selected(self.adb_server, self.serials, all_devices=self.all_devices)


def bench_on_phones(
    request: PhoneRequest,
    formats: Mapping[str, str],
    contenders: Callable[[], Sequence[Contender]],
    *,
    note: Note = lambda text: None,
) -> list[tuple[Path, Results]]:
    """Measure on one phone, or on several at the same time; each has its own results file.

    Args:
        request: The options.
        formats: The format of each artifact or model file.
        contenders: Creates the contenders, which may take minutes.
        note: Called with each note for the user.

    Returns:
        For each phone the path of the results file, and the results.

    Raises:
        PhoneError: a phone refuses something or is unreachable. The other phones' results are
            written.
        BenchmarkError: the contenders cannot be measured with these options.
        InputError: runtime libraries were passed for the app.
    """
    if request.target == "app" and request.android_runtime:
        raise InputError(
            "--android-runtime only applies to --target adb: the app contains its own libraries; "
            "remove --android-runtime"
        )
    if request.resume and journal_of(request.output) is None:
        raise InputError(
            f"a run with -o {str(request.output)!r} has no journal to resume; remove --resume, or "
            "name the results file of the interrupted run with -o"
        )
    check_cores(request.target, request.cores)
    check_accelerator(request.target, request.accelerator, formats)
    check_energy(request.target, energy=request.energy)
    check_profile(request.target, profile=request.profile)
    devices = request.devices
    for device in devices:
        own = _path_for(request.output, device.serial)
        check_new(
            own if len(devices) > 1 else request.output, force=request.force or request.resume
        )
    if request.energy:
        for device in devices:
            find_meter(device)  # before a baseline is exported
    libraries = {d.serial: _libraries(d, [*formats.values()], request) for d in devices}
    models = contenders()
    stop = threading.Event()

    def measure(device: Device) -> tuple[Path, Results]:
        path, resume = _place(request, device.serial, several=len(devices) > 1)
        if request.resume and not resume and (earlier := _finished(request, path, device, models)):
            note(f"{device.serial!r} was measured before; its results are in {str(path)!r}")
            return path, earlier
        journal = journal_of(path)
        trace = Trace() if request.profile else None
        results = measure_phone(
            models,
            device=device,
            libraries=libraries[device.serial],
            preset=request.preset,
            target=request.target,
            threads=request.threads,
            sequence_lengths=request.sequence_lengths,
            cores=request.cores,
            accelerator=request.accelerator,
            from_text=request.from_text,
            energy=request.energy,
            trace=trace,
            cooling=request.cooling,
            journal=journal,
            resume=resume,
            wait_s=request.wait_s,
            note=note,
            progress=bars(device.serial if len(devices) > 1 else ""),
            stopped=stop.is_set,
        )
        with keeping(journal, RESUME):
            results.write(path)
            if trace and (file := trace_of(path)):
                trace.write(file, results=path)
        if journal and results.complete:
            journal.unlink(missing_ok=True)
        return path, results

    with progress_bars() as bars:
        if len(devices) == 1:
            return [measure(devices[0])]
        with ThreadPoolExecutor(len(devices)) as pool:
            runs = [pool.submit(measure, device) for device in devices]
            try:
                errors = [run.exception() for run in runs]
            except KeyboardInterrupt:
                stop.set()
                errors = [run.exception() for run in runs]
    return _all_or_raise([run.result() for run, error in zip(runs, errors, strict=True)
                          if not error], errors)  # fmt: skip


def _place(request: PhoneRequest, serial: str, *, several: bool) -> tuple[Path, bool]:
    """The results file of a phone, and whether there is a run to resume.

    Phones may have been connected or unplugged since the run began, which changes the file. Of
    several phones some may have finished, or not have begun.
    """
    own = _path_for(request.output, serial)
    usual = own if several else request.output
    for journal in (journal_of(usual), journal_of(own)):
        if journal:
            remove_empty_journal(journal)
    if not request.resume:
        return usual, False
    if _is_there(journal_of(usual)):
        return usual, True
    if not several and _is_there(journal_of(own)):
        return own, True
    if several and _is_of_phone(journal_of(request.output), serial):
        return request.output, True
    if request.all_devices and own.exists():
        return own, False
    return usual, not (several or request.all_devices)


def _is_there(journal: Path | None) -> bool:
    return journal is not None and journal.exists()


def _is_of_phone(journal: Path | None, serial: str) -> bool:
    if journal is None or not journal.exists():
        return False
    phone = read_results(journal).phone
    return phone is not None and phone.serial == serial


def _finished(
    request: PhoneRequest, path: Path, device: Device, models: Sequence[Contender]
) -> Results | None:
    """The complete results of an earlier run of the same command on this phone.

    Raises:
        PhoneError: they are those of another command.
        BenchmarkError: the file cannot be read.
    """
    if not path.exists():
        return None
    earlier = read_results(path)
    settings = make_settings(
        models,
        request.preset,
        request.threads,
        request.sequence_lengths,
        cores=request.cores,
        accelerator=request.accelerator,
    )
    same = (
        earlier.complete
        and earlier.target == request.target
        and (earlier.settings.energy is not None) == request.energy
        and (bool(earlier.first_answers or earlier.from_text) or not request.from_text)
        and earlier.settings.model_copy(update={"energy": None}) == settings
        and earlier.contenders == tuple(each.facts for each in models)
        and earlier.phone is not None
        and earlier.phone.serial == device.serial
    )
    if not same:
        raise PhoneError(
            f"{str(path)!r} has results of another run, and there is no journal to resume for "
            f"{device.serial!r}; use the same command, or start a new run without --resume"
        )
    return earlier


def _all_or_raise(
    written: list[tuple[Path, Results]], errors: Sequence[BaseException | None]
) -> list[tuple[Path, Results]]:
    failures = [error for error in errors if error]
    for failure in failures:
        if not isinstance(failure, SqueezeBertMobileError):
            raise failure
    if failures:
        paths = ", ".join(repr(str(path)) for path, _ in written) or "none"
        error = PhoneError("; ".join(str(failure) for failure in failures))
        for failure in failures:
            for note in getattr(failure, "__notes__", ()):
                error.add_note(note)
        error.add_note(f"results of the other phones: {paths}")
        raise error
    return written


def _libraries(device: Device, formats: Sequence[str], request: PhoneRequest) -> Libraries | None:
    """The native libraries to push; None for the app, which has its own."""
    phone = read_phone(device, libraries={}, runner_sha256="")
    check_android(phone)
    check_abi(phone.abi)
    if request.target == "app":
        check_formats(formats)
        check_app(device)
        return None
    return find_libraries(formats, phone.abi, request.android_runtime)


def _path_for(output: Path, serial: str) -> Path:
    """The results file of one phone of several; a serial may contain any character."""
    plain = "".join(char if char.isalnum() or char in "-." else "_" for char in serial)
    return output.with_name(f"{output.stem}-{plain}{output.suffix}")


def clean_phones(
    server: str | None, serials: Sequence[str], *, all_devices: bool
) -> list[tuple[str, int]]:
    """Remove our files from phones; returns each serial with the bytes that were freed.

    Raises:
        PhoneError: there is no phone, it is in use, or the files cannot be removed.
    """
    devices = _selected(server, serials, all_devices=all_devices)
    freed = []
    for device in devices:
        with locked(device):
            freed.append((device.serial, clean(device)))
    return freed


def _selected(server: str | None, serials: Sequence[str], *, all_devices: bool) -> list[Device]:
    adb = Adb(server)
    listed = select_devices(
        adb.listed(),
        serials,
        all_devices=all_devices,
        serial_number=lambda device: serial_number(Device(adb, device.serial)),
    )
    return [Device(adb, device.serial) for device in listed]


# The sample app -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Pushed:
    """An artifact that was sent to the app, or written as a zip file for it."""

    name: str  # in the app
    bytes: int  # size of the zip file
    to: str  # path of the zip file, or serial of the phone


def zip_up(folder: Path, path: Path, *, force: bool = False) -> Pushed:
    """Write an artifact as a zip file that the app can import.

    Raises:
        ArtifactError: the folder is not an artifact, or is damaged.
        InputError: the app does not accept files of that name, or the file exists.
        PhoneError: phones cannot run its format.
        BenchmarkError: the file cannot be written.
    """
    name = name_of_zip(path)
    check_new(path, force=force, option="--zip")
    manifest = read_artifact(folder)
    check_formats([manifest.format])
    write_zip(folder, manifest, path)
    return Pushed(name, path.stat().st_size, str(path))


def push_to_phones(
    folder: Path,
    server: str | None,
    serials: Sequence[str],
    *,
    all_devices: bool,
    note: Note = lambda text: None,
) -> list[Pushed]:
    """Send an artifact to the sample app on phones, and bring the app to the foreground.

    While another program measures on a phone, this waits.

    Raises:
        ArtifactError: the folder is not an artifact, or is damaged.
        PhoneError: phones cannot run its format, there is no phone, or the phone or the app
            rejects it.
    """
    manifest = read_artifact(folder)
    check_formats([manifest.format])
    devices = _selected(server, serials, all_devices=all_devices)
    for device in devices:
        check_app(device)
    name = name_in_app(folder)
    with tempfile.TemporaryDirectory() as temporary, progress_bars() as bars:
        archive = Path(temporary) / f"{name}.zip"
        write_zip(folder, manifest, archive, remedy="free some space there, or set TMPDIR")
        size = archive.stat().st_size
        for device in devices:
            bar = bars(device.serial if len(devices) > 1 else "")
            make_home(device)
            with locked(device, wait_s=WAIT_SECONDS, note=note):
                push_to_app(device, archive, name, _timed_push(bar))
        return [Pushed(name, size, device.serial) for device in devices]


def _timed_push(bar: ProgressCallback) -> PushProgress:
    begun = time.monotonic()
    return lambda sent, total: report_push(bar, sent, total, time.monotonic() - begun)
