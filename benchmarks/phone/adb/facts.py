"""Facts about a phone: its hardware and system, its current conditions, its cores."""

from collections.abc import Callable, Mapping

from squeezebert_mobile.benchmarks.phone.adb import parsing
from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.selection import is_emulator, is_wireless
from squeezebert_mobile.benchmarks.records.phone import Conditions, Connection, Phone

__all__ = ["check_android", "core_mask", "read_conditions", "read_phone", "serial_number"]

#: A property that only the tests' stand-in for a phone sets.
STAND_IN = "ro.squeezebertmobile.stand_in"

#: What phones report that have no serial number of their own.
_NO_SERIAL_NUMBER = {"", "unknown", "0123456789ABCDEF"}

_MIN_SDK = 26  # Android 8, the minimum of the runner

_CPUS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq"
_CLUSTERS = f"grep -s . {_CPUS}/cpuinfo_max_freq {_CPUS}/scaling_governor"
_CLOCKS = f"grep -s . {_CPUS}/scaling_cur_freq"


def serial_number(device: Device) -> str | None:
    """The phone's own serial number; None if it has none, or does not answer."""
    try:
        text = device.run("getprop", "ro.serialno").out.strip()
    except PhoneError:
        return None
    return None if text in _NO_SERIAL_NUMBER else text


def read_phone(device: Device, *, libraries: Mapping[str, str], runner_sha256: str) -> Phone:
    """Read what does not change during a run.

    Args:
        device: The phone.
        libraries: The runtime's files that are pushed to it: name -> SHA-256.
        runner_sha256: Checksum of the runner.

    Raises:
        PhoneError: the phone reports none of its properties.
        PhoneUnreachable: the phone does not answer.
    """
    answer = device.run("getprop")
    properties = parsing.properties(answer.out)
    if not properties:
        why = answer.err.strip() or f"exit status {answer.code}, {len(answer.out)} characters"
        raise PhoneError(
            f"the phone {device.serial!r} did not answer getprop ({why}); wait until it has "
            "started, or restart it, then run again"
        )

    def first(*names: str) -> str | None:
        return next((properties[name] for name in names if properties.get(name)), None)

    designs, features = parsing.cores(device.run("cat", "/proc/cpuinfo").out)
    return Phone(
        serial=device.serial,
        connection=_connection(device.serial, properties),
        manufacturer=first("ro.product.manufacturer"),
        model=first("ro.product.model") or device.serial,
        soc=first("ro.soc.model", "ro.board.platform", "ro.hardware"),
        android=first("ro.build.version.release"),
        sdk=parsing.whole_number(first("ro.build.version.sdk") or "") or None,
        security_patch=first("ro.build.version.security_patch"),
        build=first("ro.build.fingerprint"),
        abi=first("ro.product.cpu.abi") or "unknown",
        clusters=parsing.clusters(device.script(_CLUSTERS).out),
        designs=designs,
        features=features,
        memory_bytes=parsing.memory_bytes(device.run("cat", "/proc/meminfo").out),
        libraries=dict(libraries),
        runner_sha256=runner_sha256,
        stand_in=properties.get(STAND_IN) == "1",
    )


def check_android(phone: Phone) -> None:
    """Check that the runner can run on the phone.

    Raises:
        PhoneError: its version of Android is too old.
    """
    if phone.sdk is not None and phone.sdk < _MIN_SDK:
        raise PhoneError(
            f"{phone.model} has Android {phone.android} (API {phone.sdk}); measuring requires "
            f"Android 8 (API {_MIN_SDK}) or later; use another phone"
        )


def _connection(serial: str, properties: Mapping[str, str]) -> Connection:
    if is_emulator(serial) or "1" in {
        properties.get("ro.kernel.qemu"),
        properties.get("ro.boot.qemu"),
    }:
        return "emulator"
    return "wireless" if is_wireless(serial) else "usb"


def read_conditions(device: Device, clock: Callable[[], float]) -> Conditions:
    """Read what changes during a run: temperatures, power, clocks, load.

    Args:
        device: The phone.
        clock: Returns the seconds since the run began.

    Raises:
        PhoneUnreachable: the phone does not answer.
    """
    heat = parsing.thermal(device.run("dumpsys", "thermalservice").out)
    power = parsing.battery(device.run("dumpsys", "battery").out)
    clocks = device.script(_CLOCKS).out
    return Conditions(
        at_s=round(clock(), 3),
        thermal_status=heat.status,
        celsius=heat.celsius,
        battery_percent=power.percent,
        battery_celsius=power.celsius,
        plugged=power.plugged,
        cpu_khz=parsing.cpu_khz(clocks, "scaling_cur_freq"),
        load_average=parsing.load_average(device.run("cat", "/proc/loadavg").out),
    )


def core_mask(phone: Phone, cores: str) -> str | None:
    """The hexadecimal mask for taskset; None lets the scheduler use all cores.

    Args:
        phone: The phone.
        cores: "all", "big" (all but the cluster with the lowest maximum clock), or a mask such
            as f0.

    Raises:
        PhoneError: `cores` is not valid, or the phone does not have these cores.
    """
    if cores == "all":
        return None
    numbers = [core for cluster in phone.clusters for core in cluster.cores]
    if cores == "big":
        if len(phone.clusters) < 2 or not all(cluster.max_khz for cluster in phone.clusters):
            raise PhoneError(
                f"{phone.model} does not report which cores are big; use --cores MASK, e.g. f0"
            )
        big = [core for cluster in phone.clusters[:-1] for core in cluster.cores]
        return f"{sum(1 << core for core in big):x}"
    try:
        mask = int(cores, 16)
    except ValueError:
        raise PhoneError(
            f"--cores {cores!r} is not valid; use all, big, or a hexadecimal mask such as f0"
        ) from None
    if mask <= 0 or (numbers and mask >> (max(numbers) + 1)):
        valid = f"{phone.model} has cores 0 to {max(numbers)}" if numbers else "use e.g. f0"
        raise PhoneError(f"--cores {cores} selects cores that do not exist; {valid}")
    return f"{mask:x}"
