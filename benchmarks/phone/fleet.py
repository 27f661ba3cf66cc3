"""The commands that need a phone, from what was typed to what is printed.

A baseline is only exported once there is a phone to measure it on: that takes minutes.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.artifact import read_artifact
from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.progress import ProgressCallback, progress_bars
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.phone.adb import Adb, Device
from squeezebert_mobile.benchmarks.phone.app import check_app
from squeezebert_mobile.benchmarks.phone.choosing import choose
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.facts import check_android, read_phone
from squeezebert_mobile.benchmarks.phone.inbox import (
    name_in_app,
    name_of_zip,
    push_to_app,
    write_zip,
)
from squeezebert_mobile.benchmarks.phone.libraries import (
    Libraries,
    check_abi,
    check_formats,
    find_libraries,
)
from squeezebert_mobile.benchmarks.phone.measuring import measure_phone
from squeezebert_mobile.benchmarks.phone.pushing import clean
from squeezebert_mobile.benchmarks.phone.starting import PhoneTarget, check_cores
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.errors import InputError, SqueezeBertMobileError

__all__ = ["PhoneRequest", "Pushed", "bench_on_phones", "clean_phones", "push_to_phones", "zip_up"]


@dataclass(frozen=True)
class PhoneRequest:
    """What was asked of `bench --target adb` or `app`."""

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

    @property
    def devices(self) -> list[Device]:
        """The phones that were meant.

        Raises:
            PhoneError: there is none, or it is not clear which.
        """
        return _chosen(self.adb_server, self.serials, all_devices=self.all_devices)


def bench_on_phones(
    request: PhoneRequest, formats: Sequence[str], contenders: Callable[[], Sequence[Contender]]
) -> list[tuple[Path, Results]]:
    """Measure on one phone, or on several at once; each result is a file.

    Args:
        request: What was asked.
        formats: Those of the artifacts.
        contenders: Makes the contenders, which may take minutes.

    Returns:
        For each phone the results file and what is in it.

    Raises:
        PhoneError: a phone refuses, or is gone. What the others have measured is written.
        BenchmarkError: it cannot be measured as asked.
        InputError: the app was given runtime libraries.
    """
    if request.target == "app" and request.android_runtime:
        raise InputError(
            "--android-runtime only applies to --target adb: the app contains its own libraries; "
            "remove --android-runtime"
        )
    check_cores(request.target, request.cores)
    devices = request.devices
    libraries = {each.serial: _libraries(each, formats, request) for each in devices}
    taking_part = contenders()
    stop = threading.Event()

    def measure(device: Device) -> tuple[Path, Results]:
        path = request.output if len(devices) == 1 else _named(request.output, device.serial)
        journal = path.with_name(f"{path.name}.journal")
        results = measure_phone(
            taking_part,
            device=device,
            libraries=libraries[device.serial],
            preset=request.preset,
            target=request.target,
            threads=request.threads,
            sequence_lengths=request.sequence_lengths,
            cores=request.cores,
            cooling=request.cooling,
            journal=journal,
            resume=request.resume,
            progress=bars(device.serial if len(devices) > 1 else ""),
            stopped=stop.is_set,
        )
        results.write(path)
        if results.complete:
            journal.unlink()
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


def _all_or_raise(
    found: list[tuple[Path, Results]], errors: Sequence[BaseException | None]
) -> list[tuple[Path, Results]]:
    wrong = [error for error in errors if error]
    for error in wrong:
        if not isinstance(error, SqueezeBertMobileError):
            raise error
    if wrong:
        written = ", ".join(repr(str(path)) for path, _ in found) or "nothing"
        error = PhoneError("; ".join(str(each) for each in wrong))
        for each in wrong:
            for note in getattr(each, "__notes__", ()):
                error.add_note(note)
        error.add_note(f"written of the other phones: {written}")
        raise error
    return found


def _libraries(device: Device, formats: Sequence[str], request: PhoneRequest) -> Libraries | None:
    """What is to be pushed for the runtimes; nothing for the app, which has its own."""
    phone = read_phone(device, libraries={}, runner_sha256="")
    check_android(phone)
    check_abi(phone.abi)
    if request.target == "app":
        check_formats(formats)
        check_app(device)
        return None
    return find_libraries(formats, phone.abi, request.android_runtime)


def _named(output: Path, serial: str) -> Path:
    """The file of one phone of several; a serial may hold anything."""
    plain = "".join(char if char.isalnum() or char in "-." else "_" for char in serial)
    return output.with_name(f"{output.stem}-{plain}{output.suffix}")


def clean_phones(
    server: str | None, serials: Sequence[str], *, all_devices: bool
) -> list[tuple[str, int]]:
    """Remove what is ours from phones; tells for each how many bytes that was.

    Raises:
        PhoneError: there is no phone, or it refuses.
    """
    found = _chosen(server, serials, all_devices=all_devices)
    return [(each.serial, clean(each)) for each in found]


def _chosen(server: str | None, serials: Sequence[str], *, all_devices: bool) -> list[Device]:
    adb = Adb(server)
    found = choose(adb.listed(), serials, everyone=all_devices)
    return [Device(adb, each.serial) for each in found]


# The sample app -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Pushed:
    """An artifact as the app gets it."""

    name: str  # in the app
    bytes: int  # of the zip file
    to: str  # the zip file here, or the phone's serial


def zip_up(folder: Path, path: Path) -> Pushed:
    """Write an artifact as a zip file that the app reads.

    Raises:
        ArtifactError: the folder is not an artifact, or is damaged.
        InputError: the app takes no file of that name.
        PhoneError: phones do not run its format.
        BenchmarkError: the file cannot be written.
    """
    name = name_of_zip(path)
    manifest = read_artifact(folder)
    check_formats([manifest.format])
    write_zip(folder, manifest, path)
    return Pushed(name, path.stat().st_size, str(path))


def push_to_phones(
    folder: Path, server: str | None, serials: Sequence[str], *, all_devices: bool
) -> list[Pushed]:
    """Put an artifact into the sample app on phones, and bring the app to the front.

    Raises:
        ArtifactError: the folder is not an artifact, or is damaged.
        PhoneError: phones do not run its format; there is no phone; or it, or the app, refuses.
    """
    manifest = read_artifact(folder)
    check_formats([manifest.format])
    devices = _chosen(server, serials, all_devices=all_devices)
    for device in devices:
        check_app(device)
    name = name_in_app(folder)
    with tempfile.TemporaryDirectory() as temporary, progress_bars() as bars:
        archive = Path(temporary) / f"{name}.zip"
        write_zip(folder, manifest, archive, remedy="free some space there, or set TMPDIR")
        size = archive.stat().st_size
        for device in devices:
            bar = bars(device.serial if len(devices) > 1 else "")
            push_to_app(device, archive, name, _bytes_told(bar))
        return [Pushed(name, size, device.serial) for device in devices]


def _bytes_told(bar: ProgressCallback) -> Callable[[int, int], None]:
    begun = time.monotonic()

    def tell(done: int, of: int) -> None:
        elapsed = time.monotonic() - begun
        bar(f"push {done / 1e6:.0f} of {of / 1e6:.0f} MB", elapsed, elapsed * of / done)

    return tell
