"""What a phone is, and how it is at the moment."""

from collections.abc import Callable, Mapping

from squeezebert_mobile.benchmarks.phone import parsing
from squeezebert_mobile.benchmarks.phone.adb import Device
from squeezebert_mobile.benchmarks.phone.choosing import is_emulator
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.records.phone import Conditions, Connection, Phone

__all__ = ["check_android", "core_mask", "read_conditions", "read_phone"]

#: Set by the tests' program that speaks adb; no phone has it.
STAND_IN = "ro.squeezebertmobile.stand_in"

_OLDEST_SDK = 26  # Android 8, the runner's

_CPUS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq"
_CLUSTERS = f"grep -s . {_CPUS}/cpuinfo_max_freq {_CPUS}/scaling_governor"
_CLOCKS = f"grep -s . {_CPUS}/scaling_cur_freq"


def read_phone(device: Device, *, libraries: Mapping[str, str], runner_sha256: str) -> Phone:
    """Ask for what does not change.

    Args:
        device: The phone.
        libraries: What is pushed for the runtime: file -> SHA-256.
        runner_sha256: Of the runner.

    Raises:
        PhoneGone: the phone does not answer.
    """
    told = parsing.properties(device.run("getprop").out)

    def first(*names: str) -> str | None:
        return next((told[name] for name in names if told.get(name)), None)

    sdk = first("ro.build.version.sdk") or ""
    return Phone(
        serial=device.serial,
        connection=_connection(device.serial, told),
        manufacturer=first("ro.product.manufacturer"),
        model=first("ro.product.model") or device.serial,
        soc=first("ro.soc.model", "ro.board.platform", "ro.hardware"),
        android=first("ro.build.version.release"),
        sdk=int(sdk) if sdk.isdigit() and int(sdk) else None,
        security_patch=first("ro.build.version.security_patch"),
        build=first("ro.build.fingerprint"),
        abi=first("ro.product.cpu.abi") or "unknown",
        clusters=parsing.clusters(device.script(_CLUSTERS).out),
        memory_bytes=parsing.memory_bytes(device.run("cat", "/proc/meminfo").out),
        libraries=dict(libraries),
        runner_sha256=runner_sha256,
        stand_in=told.get(STAND_IN) == "1",
    )


def check_android(phone: Phone) -> None:
    """See that the runner can run there.

    Raises:
        PhoneError: Android is too old.
    """
    if phone.sdk is not None and phone.sdk < _OLDEST_SDK:
        raise PhoneError(
            f"{phone.model} has Android {phone.android} (API {phone.sdk}); measuring needs Android "
            f"8 (API {_OLDEST_SDK}) or later: take another phone"
        )


def _connection(serial: str, told: Mapping[str, str]) -> Connection:
    if is_emulator(serial) or "1" in {told.get("ro.kernel.qemu"), told.get("ro.boot.qemu")}:
        return "emulator"
    # adb calls a device over the network HOST:PORT, or by the name of its mDNS service.
    wireless = serial.rpartition(":")[2].isdigit() and ":" in serial or "._adb" in serial
    return "wireless" if wireless else "usb"


def read_conditions(device: Device, clock: Callable[[], float]) -> Conditions:
    """Ask for what changes: heat, power, clocks, load.

    Args:
        device: The phone.
        clock: The seconds since the run began.

    Raises:
        PhoneGone: the phone does not answer.
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
    """The hexadecimal mask for taskset; None leaves all cores to the scheduler.

    Args:
        phone: Whose cores.
        cores: "all", "big" (all but those of the lowest highest clock), or a mask such as f0.

    Raises:
        PhoneError: it is none of these, or the phone does not have those cores.
    """
    if cores == "all":
        return None
    numbers = [core for cluster in phone.clusters for core in cluster.cores]
    if cores == "big":
        if len(phone.clusters) < 2:
            raise PhoneError(
                f"{phone.model} does not tell which cores are big; give --cores MASK, as f0"
            )
        big = [core for cluster in phone.clusters[:-1] for core in cluster.cores]
        return f"{sum(1 << core for core in big):x}"
    try:
        mask = int(cores, 16)
    except ValueError:
        raise PhoneError(
            f"--cores {cores!r} is none of all, big and a hexadecimal mask such as f0"
        ) from None
    if mask <= 0 or (numbers and mask >> (max(numbers) + 1)):
        there = f"{phone.model} has the cores 0 to {max(numbers)}" if numbers else "give f0, say"
        raise PhoneError(f"--cores {cores} names cores that are not there; {there}")
    return f"{mask:x}"
