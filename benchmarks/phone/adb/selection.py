"""Device selection: the only phone, those with the given serials, or all phones.

adb lists a phone once for each connection: USB, HOST:PORT, and the name of its mDNS service.
"""

import shlex
from collections.abc import Callable, Sequence

from squeezebert_mobile.benchmarks.phone.adb.client import REMEDIES
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.parsing import ListedDevice

__all__ = ["connection_used", "is_emulator", "is_wireless", "remedy", "select_devices"]

_READY = "device"
_NONE = (
    "no phone is connected; connect one by cable with USB debugging enabled (Settings, "
    "Developer options), or over Wi-Fi with: adb pair, adb connect; to see what is missing, run: "
    "squeezebert-mobile doctor"
)


#: Returns a phone's own serial number; None if it has none.
SerialNumber = Callable[[ListedDevice], str | None]


def select_devices(
    listed: Sequence[ListedDevice],
    serials: Sequence[str],
    *,
    all_devices: bool,
    serial_number: SerialNumber = lambda device: None,
) -> list[ListedDevice]:
    """The devices to measure, each phone once.

    Args:
        listed: All devices that the adb server knows.
        serials: The serials to select; empty if only one phone is connected.
        all_devices: Select all phones that are ready. Emulators are only selected by serial.
        serial_number: Identifies a phone that has several connections.

    Raises:
        PhoneError: there is no such device, it is not ready, or the choice is ambiguous.
    """
    if serials:
        named = [_named(listed, serial) for serial in dict.fromkeys(serials)]
        return _each_once(named, serial_number)
    phones = [device for device in listed if not is_emulator(device.serial)]
    ready = _each_once([device for device in phones if device.state == _READY], serial_number)
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


def _each_once(devices: Sequence[ListedDevice], serial_number: SerialNumber) -> list[ListedDevice]:
    used = connection_used(devices, serial_number)
    return [device for device in devices if used[device.serial] == device.serial]


def connection_used(devices: Sequence[ListedDevice], serial_number: SerialNumber) -> dict[str, str]:
    """Serial in adb -> serial of the connection that is used for that phone.

    A connection by USB is preferred to one by address, and that to one by mDNS.

    Args:
        devices: Devices that are ready.
        serial_number: Returns a phone's own serial number; called if there are several devices.
    """
    if len(devices) < 2:
        return {device.serial: device.serial for device in devices}
    # By USB, adb's serial is the phone's own.
    phones = {device.serial: serial_number(device) or device.serial for device in devices}
    best: dict[str, str] = {}
    for serial in sorted(phones, key=lambda serial: (is_wireless(serial), _is_service(serial))):
        best.setdefault(phones[serial], serial)
    return {serial: best[phone] for serial, phone in phones.items()}


def is_wireless(serial: str) -> bool:
    """Whether a device is on the network: its serial is HOST:PORT, or that of an mDNS service."""
    return (serial.rpartition(":")[2].isdecimal() and ":" in serial) or _is_service(serial)


def _is_service(serial: str) -> bool:
    return "._adb" in serial


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
