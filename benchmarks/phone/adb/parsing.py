"""Parsers for the output of adb and of Android's command-line tools. They run no commands.

Versions differ: Android 9 has no thermal service, old adbd ends lines with CRLF, and some phones
omit what others report. What is missing or impossible is None, or absent from the result.
"""

import math
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
    "cores",
    "cpu_khz",
    "devices",
    "free_bytes",
    "load_average",
    "memory_bytes",
    "package_path",
    "properties",
    "sha256",
    "start_refusal",
    "thermal",
    "whole_number",
]

Plug = Literal["unplugged", "ac", "usb", "wireless", "dock"]


# Numbers ------------------------------------------------------------------------------------


def whole_number(text: str) -> int | None:
    """A number of at most 18 digits 0 to 9, which fits in 64 bits; None if it is something else."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _decimal(text: str) -> float | None:
    """A finite number such as -1.5; None if it is something else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


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


_TEMPERATURE = re.compile(r"Temperature\{mValue=(?P<value>[^,}]+),.*?mName=(?P<name>[^,}]+)")


def thermal(text: str) -> Thermal:
    """The status, and the temperatures: current ones from the hardware, else cached ones."""
    match = re.search(r"Thermal Status:\s*(\S+)", text)
    status = whole_number(match[1]) if match else None
    sections = re.split(r"^(?=\S.*:\s*$)", text, flags=re.MULTILINE)
    for title in ("Current temperatures from HAL", "Cached temperatures"):
        for section in sections:
            if section.startswith(title) and (celsius := dict(_temperatures(section))):
                return Thermal(status, celsius)
    return Thermal(status, {})


def _temperatures(text: str) -> Iterator[tuple[str, float]]:
    for match in _TEMPERATURE.finditer(text):
        value = _decimal(match["value"])
        # An inactive sensor reports NaN, 0 or -273.
        if value is not None and -40 < value < 200:
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
    tenths = _decimal(fields.get("temperature", ""))
    return Battery(
        percent=_percent(fields.get("level", ""), fields.get("scale", "100")),
        celsius=tenths / 10 if tenths is not None and -400 < tenths < 2000 else None,
        plugged=cast(Plug, plugged) if "USB powered" in fields else None,
    )


def _percent(level: str, scale: str) -> int | None:
    """`level` of `scale` in percent; None if the phone reports something else."""
    part, whole = whole_number(level), whole_number(scale)
    if part is None or not whole or part > whole:
        return None
    return round(100 * part / whole)


# Cores and memory ---------------------------------------------------------------------------


def cpu_khz(text: str, file: str) -> dict[int, int]:
    """Core -> clock in kHz, from `grep . /sys/devices/system/cpu/cpu*/cpufreq/FILE`."""
    clocks = {core: whole_number(value) for core, value in _by_core(text, file).items()}
    return {core: khz for core, khz in clocks.items() if khz is not None}


def clusters(text: str) -> tuple[Cluster, ...]:
    """Cores grouped by maximum clock, fastest first; those that report 0 are last, with None.

    Args:
        text: Output of `grep .` on cpuinfo_max_freq and scaling_governor of all cores.
    """
    highest = cpu_khz(text, "cpuinfo_max_freq")
    governors = _by_core(text, "scaling_governor")
    groups: dict[int, list[int]] = {}
    for core, khz in sorted(highest.items()):
        groups.setdefault(khz, []).append(core)
    return tuple(
        Cluster(cores=tuple(cores), max_khz=khz or None, governor=governors.get(cores[0]))
        for khz, cores in sorted(groups.items(), reverse=True)
    )


def _by_core(text: str, file: str) -> dict[int, str]:
    values = {}
    for line in text.splitlines():
        path, _, value = line.strip().partition(":")
        core = re.search(r"/cpu([0-9]{1,4})/", path)
        if core and PurePosixPath(path).name == file:
            values[int(core[1])] = value.strip()
    return values


def memory_bytes(text: str) -> int | None:
    """Total memory, from /proc/meminfo."""
    total = re.search(r"^MemTotal:\s+(\S+) kB", text, re.MULTILINE)
    kilobytes = whole_number(total[1]) if total else None
    return 1024 * kilobytes if kilobytes else None


#: ARM's and Qualcomm's numbers of their designs, by implementer and part in /proc/cpuinfo.
_DESIGNS = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD44): "Cortex-X1",
    (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD48): "Cortex-X2",
    (0x41, 0xD4D): "Cortex-A715",
    (0x41, 0xD4E): "Cortex-X3",
    (0x41, 0xD80): "Cortex-A520",
    (0x41, 0xD81): "Cortex-A720",
    (0x41, 0xD82): "Cortex-X4",
    (0x41, 0xD85): "Cortex-X925",
    (0x41, 0xD87): "Cortex-A725",
    (0x51, 0x001): "Oryon",
}
#: Features that select other kernels, as /proc/cpuinfo names them.
_FEATURES = ("asimddp", "fphp", "asimdhp", "i8mm", "bf16", "sve", "sve2", "sme", "sme2")


def cores(text: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """How many cores there are of each design, and the features that all have.

    Args:
        text: /proc/cpuinfo of an ARM kernel; of others nothing is known.
    """
    designs: dict[str, int] = {}
    features: list[set[str]] = []
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        pairs = (line.partition(":") for line in paragraph.splitlines())
        fields = {name.strip(): value.strip() for name, _, value in pairs}
        numbers = [_hexadecimal(fields.get(f"CPU {name}", "")) for name in ("implementer", "part")]
        implementer, part = numbers
        if implementer is not None and part is not None:
            unknown = f"implementer {implementer:#x} part {part:#x}"
            design = _DESIGNS.get((implementer, part), unknown)
            designs[design] = designs.get(design, 0) + 1
        if "Features" in fields:
            features.append(set(fields["Features"].split()))
    common = set.intersection(*features) if features else set()
    return designs, tuple(name for name in _FEATURES if name in common)


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if re.fullmatch("(?:0[xX])?[0-9a-fA-F]{1,8}", text) else None


def load_average(text: str) -> float | None:
    """The load over one minute, from /proc/loadavg."""
    load = _decimal((text.split(maxsplit=1) or [""])[0])
    return load if load is not None and load >= 0 else None


def free_bytes(text: str) -> int | None:
    """Available space, from `df -k FOLDER`."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if len(rows) < 2:
        return None
    numbers = [number for word in rows[-1] if (number := whole_number(word)) is not None]
    return 1024 * numbers[2] if len(numbers) >= 3 else None


# Files --------------------------------------------------------------------------------------


def sha256(text: str) -> str | None:
    """The checksum that `sha256sum FILE` prints; None if it prints something else."""
    # If the name has a backslash or a line end, the line begins with a backslash.
    match = re.match(r"\\?([0-9a-f]{64})\s", text)
    return match[1] if match else None


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
