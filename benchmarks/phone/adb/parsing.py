"""Parsers for the output of adb and of Android's command-line tools. They run no commands.

Versions differ: Android 9 has no thermal service, old adbd ends lines with CRLF, and some phones
omit what others report. What is missing is None, or absent from the result.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, cast

from squeezebert_mobile.benchmarks.records.phone import Cluster

__all__ = [
    "Battery",
    "ListedDevice",
    "Thermal",
    "battery",
    "clusters",
    "cpu_khz",
    "devices",
    "free_bytes",
    "load_average",
    "memory_bytes",
    "package_path",
    "properties",
    "start_refusal",
    "thermal",
]

Plug = Literal["unplugged", "ac", "usb", "wireless", "dock"]


# adb ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ListedDevice:
    """A line of `adb devices -l`."""

    serial: str
    state: str
    model: str | None


def devices(text: str) -> list[ListedDevice]:
    """The devices of `adb devices -l`: serial, state, then name:value pairs.

    A serial may contain spaces, so the line is matched from its state on.
    """
    return [device for line in text.splitlines() if (device := _listed(line))]


_STATES = (
    "device|offline|unauthorized|authorizing|connecting|recovery|rescue|sideload|bootloader|"
    "host|detached|no permissions"
)
_LINE = re.compile(rf"(?P<serial>\S.*?)\s+(?P<state>{_STATES})(?P<rest>\b.*)")


def _listed(line: str) -> ListedDevice | None:
    match = _LINE.fullmatch(line.strip())
    if not match or line.startswith(("List of devices", "*")):
        return None
    model = re.search(r"\bmodel:(\S+)", match["rest"])
    name = model[1].replace("_", " ") if model else None
    return ListedDevice(match["serial"], match["state"], name)


def properties(text: str) -> dict[str, str]:
    """`getprop`: [name]: [value], where a value may span several lines."""
    pairs = re.findall(r"^\[([^\]\r\n]+)\]: \[(.*?)\]\r?$", text, re.MULTILINE | re.DOTALL)
    return dict(pairs)


# Temperatures and power ---------------------------------------------------------------------


@dataclass(frozen=True)
class Thermal:
    """`dumpsys thermalservice`."""

    status: int | None
    celsius: dict[str, float]


_TEMPERATURE = re.compile(r"Temperature\{mValue=(?P<value>[-\d.NaE]+),.*?mName=(?P<name>[^,}]+)")


def thermal(text: str) -> Thermal:
    """The status, and the temperatures: current ones from the hardware, else cached ones."""
    status = re.search(r"Thermal Status:\s*(\d+)", text)
    sections = re.split(r"^(?=\S.*:\s*$)", text, flags=re.MULTILINE)
    for title in ("Current temperatures from HAL", "Cached temperatures"):
        for section in sections:
            if section.startswith(title) and (celsius := dict(_temperatures(section))):
                return Thermal(int(status[1]) if status else None, celsius)
    return Thermal(int(status[1]) if status else None, {})


def _temperatures(text: str) -> Iterator[tuple[str, float]]:
    for match in _TEMPERATURE.finditer(text):
        value = float(match["value"])
        if -40 < value < 200:  # an inactive sensor reports NaN, 0 or -273
            yield match["name"], value


@dataclass(frozen=True)
class Battery:
    """`dumpsys battery`."""

    percent: int | None
    celsius: float | None
    plugged: Plug | None


def battery(text: str) -> Battery:
    """Level (reported in parts of `scale`), temperature (in tenths of a degree), power source."""
    fields = dict(re.findall(r"^\s*([\w ]+): (\S+)\s*$", text, re.MULTILINE))
    powered = [kind for kind in ("AC", "USB", "Wireless", "Dock")
               if fields.get(f"{kind} powered") == "true"]  # fmt: skip
    plugged = powered[0].lower() if powered else "unplugged"
    tenths = fields.get("temperature", "")
    return Battery(
        percent=_percent(fields.get("level", ""), fields.get("scale", "100")),
        celsius=int(tenths) / 10 if re.fullmatch(r"-?\d+", tenths) else None,
        plugged=cast(Plug, plugged) if "USB powered" in fields else None,
    )


def _percent(level: str, scale: str) -> int | None:
    """`level` of `scale` in percent; None if the phone reports something else."""
    if not (level.isdecimal() and scale.isdecimal() and 0 <= int(level) <= int(scale) != 0):
        return None
    return round(100 * int(level) / int(scale))


# Cores and memory ---------------------------------------------------------------------------


def cpu_khz(text: str, file: str) -> dict[int, int]:
    """Core -> clock in kHz, from `grep . /sys/devices/system/cpu/cpu*/cpufreq/FILE`."""
    return {core: int(value) for core, value in _by_core(text, file).items() if value.isdigit()}


def clusters(text: str) -> tuple[Cluster, ...]:
    """Cores grouped by maximum clock, fastest first.

    Args:
        text: Output of `grep .` on cpuinfo_max_freq and scaling_governor of all cores.
    """
    highest = cpu_khz(text, "cpuinfo_max_freq")
    governors = _by_core(text, "scaling_governor")
    groups: dict[int, list[int]] = {}
    for core, khz in sorted(highest.items()):
        groups.setdefault(khz, []).append(core)
    return tuple(
        Cluster(cores=tuple(cores), max_khz=khz, governor=governors.get(cores[0]))
        for khz, cores in sorted(groups.items(), reverse=True)
    )


def _by_core(text: str, file: str) -> dict[int, str]:
    values = {}
    for line in text.splitlines():
        path, _, value = line.strip().partition(":")
        core = re.search(r"/cpu(\d+)/", path)
        if core and PurePosixPath(path).name == file:
            values[int(core[1])] = value.strip()
    return values


def memory_bytes(text: str) -> int | None:
    """Total memory, from /proc/meminfo."""
    total = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(total[1]) * 1024 if total else None


def load_average(text: str) -> float | None:
    """The load over one minute, from /proc/loadavg."""
    first = text.split(maxsplit=1)[:1]
    try:
        return float(first[0]) if first else None
    except ValueError:
        return None


def free_bytes(text: str) -> int | None:
    """Available space, from `df -k FOLDER`."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if len(rows) < 2:
        return None
    numbers = [word for word in rows[-1] if word.isdigit()]
    return int(numbers[2]) * 1024 if len(numbers) >= 3 else None


# Apps ---------------------------------------------------------------------------------------


def package_path(text: str) -> str | None:
    """The first APK in `pm path PACKAGE`, which is the base APK; None if there is none."""
    path = re.search(r"^package:(/.+?)\r?$", text, re.MULTILINE)
    return path[1] if path else None


def start_refusal(text: str) -> str | None:
    """Why `am start` did not start an activity; None if it did.

    On many phones its exit status is always 0, and an error has one to twenty lines.
    """
    lines = [line.strip() for line in text.splitlines()]
    for pattern in (r"Error: (.+)", r"((?:\w+\.)*\w*(?:Exception|Error): .+)", r"(Error type \d+)",
                    r"(Exception occurred .+)"):  # fmt: skip
        for line in lines:
            if match := re.match(pattern, line):
                return match[1].rstrip(":")
    return None
