"""The energy meter of a phone: its power rails where the shell may read them, else its battery."""

from collections.abc import Callable
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.phone.adb import meter_parsing as parsing
from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.parsing import battery
from squeezebert_mobile.benchmarks.phone.adb.selection import is_wireless
from squeezebert_mobile.benchmarks.records.energy import DeviceState, EnergySource, Reading

__all__ = ["Meter", "check_unplugged", "find_meter", "read_state"]

_SERVICE = "android.hardware.power.stats.IPowerStats/default"
_IIO = "/sys/bus/iio/devices/iio:device[0-9]*"
_IIO_FILES = (
    f"for each in {_IIO}; do cat $each/enabled_rails $each/energy_value 2>/dev/null; done; true"
)
_SUPPLIES = "/sys/class/power_supply/*"
_SUPPLY_FILES = f"grep -s . {_SUPPLIES}/charge_counter {_SUPPLIES}/voltage_now"
_SETTINGS = (
    "for each in airplane_mode_on wifi_on bluetooth_on mobile_data; do "
    'echo "$each=$(settings get global $each)"; done; '
    'echo "screen_brightness=$(settings get system screen_brightness)"'
)
_WITHOUT_CABLE = (
    "connect it by Wi-Fi with adb tcpip 5555, take it off every charger, then adb connect "
    "ADDRESS:5555 and measure with --serial ADDRESS:5555"
)


@dataclass(frozen=True)
class Meter:
    """Reads the counters of one source."""

    device: Device
    source: EnergySource
    read: Callable[[Device], Reading | None]  # with the time 0

    def reading(self, clock: Callable[[], float]) -> Reading:
        """The counters, at the middle of the time that reading them took.

        Raises:
            PhoneError: the phone no longer tells them.
            PhoneUnreachable: the phone does not answer.
        """
        before = clock()
        found = self.read(self.device)
        if found is None:
            raise PhoneError(
                f"the phone {self.device.serial!r} no longer tells its energy ({self.source}); "
                "restart it, and leave --energy out if that does not help"
            )
        return found.model_copy(update={"at_s": round((before + clock()) / 2, 4)})


def find_meter(device: Device) -> Meter:
    """The finest source of energy that the phone lets adb's shell read.

    Raises:
        PhoneError: there is none; or the phone is charging, or its screen is off.
        PhoneUnreachable: the phone does not answer.
    """
    check_unplugged(device)
    wakefulness = read_state(device).wakefulness
    if wakefulness not in {None, "Awake"}:
        raise PhoneError(
            f"the screen of the phone {device.serial!r} is off ({wakefulness}), so that it may "
            "sleep in the middle of a block; turn it on, set its timeout in the settings to the "
            "longest, and run again"
        )
    for source, read in _SOURCES.items():
        if read(device):
            return Meter(device, source, read)
    raise PhoneError(
        f"the phone {device.serial!r} tells adb neither the energy of power rails nor the charge "
        "of its battery; leave --energy out, or use another phone, such as a Pixel 6 or later"
    )


def check_unplugged(device: Device) -> None:
    """Check that the battery alone powers the phone.

    Raises:
        PhoneError: it is plugged in, or does not tell.
        PhoneUnreachable: the phone does not answer.
    """
    text = device.run("dumpsys", "battery").out
    name = f"the phone {device.serial!r}"
    if parsing.is_battery_faked(text):
        raise PhoneError(
            f"{name} tells what dumpsys battery was told to, so that nobody knows whether it is "
            f"charging; run: adb -s {device.serial} shell dumpsys battery reset"
        )
    plugged = battery(text).plugged
    if plugged is None:
        raise PhoneError(
            f"{name} does not tell whether it is charging, so its energy cannot be measured; leave "
            "--energy out"
        )
    if plugged != "unplugged" or not is_wireless(device.serial):
        by = "usb" if plugged == "unplugged" else plugged
        raise PhoneError(
            f"{name} is plugged in ({by}), so its energy cannot be measured; {_WITHOUT_CABLE}"
        )


def read_state(device: Device) -> DeviceState:
    """The screen and the radios.

    Raises:
        PhoneUnreachable: the phone does not answer.
    """
    return parsing.device_state(device.run("dumpsys", "power").out, device.script(_SETTINGS).out)


def _from_iio(device: Device) -> Reading | None:
    return _rails(parsing.iio_rails(device.script(_IIO_FILES).out))


def _from_power_stats(device: Device) -> Reading | None:
    return _rails(parsing.power_stats_rails(device.run("dumpsys", _SERVICE).out))


def _rails(found: parsing.Rails | None) -> Reading | None:
    if found is None:
        return None
    return Reading(at_s=0, rails_mj=found.millijoules, step_mj=round(found.step_mj, 6))


def _from_battery(device: Device) -> Reading | None:
    """Its files, if the shell may read them: the service keeps its figures for minutes."""
    found = parsing.supply_charge(device.script(_SUPPLY_FILES).out)
    if found is None:
        found = parsing.battery_charge(device.run("dumpsys", "battery").out)
    if found is None:
        return None
    return Reading(at_s=0, charge_uah=found.uah, voltage_mv=found.millivolts)


#: Finest first: the files have whole µWs, the service tells rounded ones.
_SOURCES: dict[EnergySource, Callable[[Device], Reading | None]] = {
    "iio": _from_iio,
    "power stats": _from_power_stats,
    "battery": _from_battery,
}
