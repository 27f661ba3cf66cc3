"""Device selection: the only phone, those with the given serials, or all phones."""

import shlex
from collections.abc import Sequence

from squeezebert_mobile.benchmarks.phone.adb.client import REMEDIES
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.parsing import ListedDevice

__all__ = ["is_emulator", "remedy", "select_devices"]

_READY = "device"
_NONE = (
    "no phone is connected; connect one by cable with USB debugging enabled (Settings, "
    "Developer options), or over Wi-Fi with: adb pair, adb connect; to see what is missing, run: "
    "squeezebert-mobile doctor"
)


def select_devices(
    listed: Sequence[ListedDevice], serials: Sequence[str], *, all_devices: bool
) -> list[ListedDevice]:
    """The devices to measure.

    Args:
        listed: All devices that the adb server knows.
        serials: The serials to select; empty if only one phone is connected.
        all_devices: Select all phones that are ready. Emulators are only selected by serial.

    Raises:
        PhoneError: there is no such device, it is not ready, or the choice is ambiguous.
    """
    if serials:
        return [_named(listed, serial) for serial in dict.fromkeys(serials)]
    phones = [device for device in listed if not is_emulator(device.serial)]
    ready = [device for device in phones if device.state == _READY]
    if all_devices and ready:
        return ready
    if len(ready) > 1:
        raise PhoneError(
            f"{len(ready)} phones are connected ({_names(ready)}); select one with --serial "
            f"{shlex.quote(ready[0].serial)}, or use --all-devices"
        )
    if ready:
        return ready
    if phones:
        raise PhoneError("; ".join(_not_ready(device) for device in phones))
    if listed:
        raise PhoneError(
            f"only emulators are connected ({_names(listed)}), and emulator latency does not "
            "represent a phone's; connect a phone, or select an emulator with --serial "
            f"{shlex.quote(listed[0].serial)}"
        )
    raise PhoneError(_NONE)


def is_emulator(serial: str) -> bool:
    """Whether adb names the device an emulator."""
    return serial.startswith("emulator-")


def remedy(device: ListedDevice) -> str | None:
    """What to do before a device can be used; None if it is ready."""
    if device.state == _READY:
        return None
    return REMEDIES.get(device.state, "restart the phone")


def _named(listed: Sequence[ListedDevice], serial: str) -> ListedDevice:
    for device in listed:
        if device.serial == serial:
            if device.state != _READY:
                raise PhoneError(_not_ready(device))
            return device
    connected = f"connected: {_names(listed)}" if listed else "nothing is connected"
    raise PhoneError(f"no phone {serial!r}; {connected}; run: squeezebert-mobile devices")


def _not_ready(device: ListedDevice) -> str:
    return f"the phone {device.serial!r} is {device.state}; {remedy(device)}"


def _names(devices: Sequence[ListedDevice]) -> str:
    return ", ".join(repr(device.serial) for device in devices)
