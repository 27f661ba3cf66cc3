"""Which phone: the only one, the one named, or all of them; else what to do about it."""

import shlex
from collections.abc import Sequence

from squeezebert_mobile.benchmarks.phone.adb import REMEDIES
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.parsing import Listed

__all__ = ["choose", "is_emulator", "remedy"]

_READY = "device"
_NONE = (
    "no phone is connected; connect one by cable with USB debugging switched on (Settings, "
    "Developer options), or over Wi-Fi with: adb pair, adb connect; squeezebert-mobile doctor "
    "shows what is missing"
)


def choose(listed: Sequence[Listed], serials: Sequence[str], *, everyone: bool) -> list[Listed]:
    """The devices to measure.

    Args:
        listed: What the adb server knows.
        serials: Those asked for; none where there is but one.
        everyone: All that are ready. Emulators only take part when they are named.

    Raises:
        PhoneError: there is none, it is not ready, or several could be meant.
    """
    if serials:
        return [_named(listed, serial) for serial in dict.fromkeys(serials)]
    phones = [each for each in listed if not is_emulator(each.serial)]
    ready = [each for each in phones if each.state == _READY]
    if everyone and ready:
        return ready
    if len(ready) > 1:
        raise PhoneError(
            f"{len(ready)} phones are connected ({_names(ready)}); choose with --serial "
            f"{shlex.quote(ready[0].serial)}, or measure on --all-devices"
        )
    if ready:
        return ready
    if phones:
        raise PhoneError("; ".join(_not_ready(each) for each in phones))
    if listed:
        raise PhoneError(
            f"only emulators are connected ({_names(listed)}), and their latency is no phone's; "
            f"connect a phone, or name one with --serial {shlex.quote(listed[0].serial)}"
        )
    raise PhoneError(_NONE)


def is_emulator(serial: str) -> bool:
    """Whether adb calls it one."""
    return serial.startswith("emulator-")


def remedy(device: Listed) -> str | None:
    """What to do about a device; None where it is ready."""
    if device.state == _READY:
        return None
    return REMEDIES.get(device.state, "restart the phone")


def _named(listed: Sequence[Listed], serial: str) -> Listed:
    for each in listed:
        if each.serial == serial:
            if each.state != _READY:
                raise PhoneError(_not_ready(each))
            return each
    there = f"connected: {_names(listed)}" if listed else "nothing is connected"
    raise PhoneError(f"no phone {serial!r}; {there}; run: squeezebert-mobile devices")


def _not_ready(device: Listed) -> str:
    return f"the phone {device.serial!r} is {device.state}; {remedy(device)}"


def _names(devices: Sequence[Listed]) -> str:
    return ", ".join(repr(each.serial) for each in devices)
