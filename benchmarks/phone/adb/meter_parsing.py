"""Parsers for what Android tells about energy: rails, the battery's counter, screen and radios.

The formats are those of AOSP: the dump of Pixel's power stats service (PowerStatsAidl.cpp), the
files that it reads (IioEnergyMeterDataProvider.cpp), the kernel's sysfs-class-power, and the dumps
of BatteryService and PowerManager. What is missing or impossible is None, or absent.
"""

import re
import struct
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.phone.adb.parsing import whole_number
from squeezebert_mobile.benchmarks.records.energy import DeviceState

__all__ = [
    "Charge",
    "Rails",
    "battery_charge",
    "device_state",
    "iio_rails",
    "is_battery_faked",
    "power_stats_rails",
    "supply_charge",
]

_TITLE = "PowerStats HAL 2.0 energy meter"
_CHANNEL = re.compile(r"^\s*(\S(?:.*\S)?)\s+([0-9]{1,15}\.[0-9]{2}) mWs\b")
_PRINTED_MJ = 0.01  # two decimals of mWs

_ENABLED = re.compile(r"CH[0-9]{1,4}(\[[^\]]{1,50}\]:\S+)")
_VALUE = re.compile(r"CH[0-9]{1,4}\(T=[0-9]+\)\[([^\]]{1,50})\], ([0-9]{1,18})")
_MICRO = 1e-3  # µWs in mWs

_MOST_CHARGE_UAH = 10**8
_VOLTS = (2.0, 20.0)  # of a battery with one to four cells


@dataclass(frozen=True)
class Rails:
    """The energy of each rail since the phone started, and how finely their sum is told."""

    millijoules: dict[str, float]
    step_mj: float


@dataclass(frozen=True)
class Charge:
    """The charge of a battery and its voltage."""

    uah: int
    millivolts: float


def power_stats_rails(text: str) -> Rails | None:
    """The energy meter of `dumpsys android.hardware.power.stats.IPowerStats/default`.

    The service divides µWs that it has converted to a 32-bit float, so that a large number is told
    less finely than its two decimals.
    """
    _, _, rest = text.partition(f" {_TITLE} ")
    section, _, _ = rest.partition(f" End of {_TITLE} ")
    found = {}
    for line in section.splitlines()[1:]:
        if match := _CHANNEL.match(line):
            found[match[1]] = float(match[2])
    if not found:
        return None
    return Rails(found, sum(max(_PRINTED_MJ, _spacing(value)) for value in found.values()))


def _spacing(mws: float) -> float:
    """The distance of two neighbouring 32-bit floats of µWs, in mWs."""
    bits = struct.unpack("<I", struct.pack("<f", mws / _MICRO))[0]
    (above,) = struct.unpack("<f", struct.pack("<I", bits + 1))
    (here,) = struct.unpack("<f", struct.pack("<I", bits))
    return float(above - here) * _MICRO


def iio_rails(text: str) -> Rails | None:
    """`enabled_rails` and `energy_value` of all iio devices, one after the other."""
    names: dict[str, str] = {}
    values: dict[str, float] = {}
    for line in map(str.strip, text.splitlines()):
        if match := _ENABLED.fullmatch(line):
            names[match[1][1:].partition("]")[0]] = match[1]
        elif match := _VALUE.fullmatch(line):
            values[match[1]] = int(match[2]) * _MICRO
    found = {names.get(rail, f"[{rail}]"): value for rail, value in values.items()}
    return Rails(found, _MICRO * len(found)) if found else None


def supply_charge(text: str) -> Charge | None:
    """charge_counter in µAh and voltage_now in µV of the first supply that has both.

    Args:
        text: Output of `grep -s .` on these files of all of /sys/class/power_supply.
    """
    supplies: dict[str, dict[str, int | None]] = {}
    for line in map(str.strip, text.splitlines()):
        path, _, value = line.partition(":")
        folder, _, file = path.rpartition("/")
        supplies.setdefault(folder, {})[file] = whole_number(value)
    for files in supplies.values():
        microvolts = files.get("voltage_now")
        if charge := _charge(files.get("charge_counter"), microvolts and microvolts / 1000):
            return charge
    return None


def battery_charge(text: str) -> Charge | None:
    """`Charge counter` in µAh and `voltage` in mV of `dumpsys battery`."""
    fields = dict(re.findall(r"^\s*([\w ]+): (\S+)\s*$", text, re.MULTILINE))
    return _charge(*(whole_number(fields.get(name, "")) for name in ("Charge counter", "voltage")))


def _charge(uah: int | None, millivolts: float | None) -> Charge | None:
    if not uah or not millivolts or uah > _MOST_CHARGE_UAH:
        return None
    low, high = _VOLTS
    return Charge(uah, millivolts) if low <= millivolts / 1000 <= high else None


def is_battery_faked(text: str) -> bool:
    """Whether `dumpsys battery unplug` or `set` was used: the service repeats what it was told."""
    return "UPDATES STOPPED" in text


def device_state(power: str, settings: str) -> DeviceState:
    """The screen and the radios.

    Args:
        power: Output of `dumpsys power`.
        settings: Lines of name=value, as `settings get` prints them.
    """
    wakefulness = re.search(r"^\s*mWakefulness=(\w{1,40})", power, re.MULTILINE)
    values = dict(line.strip().split("=", 1) for line in settings.splitlines() if "=" in line)

    def is_on(name: str) -> bool | None:
        # Of Wi-Fi and Bluetooth: 2 is on in airplane mode, 3 is off because of it.
        return {"0": False, "1": True, "2": True, "3": False}.get(values.get(name, ""))

    brightness = whole_number(values.get("screen_brightness", ""))
    return DeviceState(
        wakefulness=wakefulness[1] if wakefulness else None,
        brightness=brightness if brightness is not None and brightness <= 10**6 else None,
        airplane_mode=is_on("airplane_mode_on"),
        wifi=is_on("wifi_on"),
        bluetooth=is_on("bluetooth_on"),
        mobile_data=is_on("mobile_data"),
    )
