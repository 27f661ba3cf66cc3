"""The commands that need a phone, from what was typed to what is printed.

A baseline is only exported once there is a phone to measure it on: that takes minutes.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.benchmarks.contenders import Contender
from squeezebert_mobile.benchmarks.phone.adb import Adb, Device
from squeezebert_mobile.benchmarks.phone.choosing import choose
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.facts import check_android, read_phone
from squeezebert_mobile.benchmarks.phone.libraries import Libraries, check_abi, find_libraries
from squeezebert_mobile.benchmarks.phone.measuring import measure_phone
from squeezebert_mobile.benchmarks.phone.pushing import clean
from squeezebert_mobile.benchmarks.progress import progress_bars
from squeezebert_mobile.benchmarks.protocol import Preset
from squeezebert_mobile.benchmarks.results import Results
from squeezebert_mobile.errors import SqueezeBertMobileError

__all__ = ["PhoneRequest", "bench_on_phones", "clean_phones"]


@dataclass(frozen=True)
class PhoneRequest:
    """What was asked of `bench --target adb`."""

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
        adb = Adb(self.adb_server)
        found = choose(adb.listed(), self.serials, everyone=self.all_devices)
        return [Device(adb, each.serial) for each in found]


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
    """
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


def _libraries(device: Device, formats: Sequence[str], request: PhoneRequest) -> Libraries:
    phone = read_phone(device, libraries={}, runner_sha256="")
    check_android(phone)
    check_abi(phone.abi)
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
    adb = Adb(server)
    found = choose(adb.listed(), serials, everyone=all_devices)
    return [(each.serial, clean(Device(adb, each.serial))) for each in found]
