"""What `devices` and `doctor` print."""

from collections.abc import Sequence

from rich.text import Text

from squeezebert_mobile.benchmarks.phone.doctor import Check, DeviceStatus
from squeezebert_mobile.errors import printable
from squeezebert_mobile.streams import Console

__all__ = ["print_checks", "print_devices"]


def print_checks(checks: Sequence[Check], console: Console) -> None:
    """Print a line for each check, with the remedy where something is missing."""
    for check in checks:
        if check.found is not None:
            # Without line breaks, so that a long path can be copied.
            line = Text.assemble(("ok  ", "green"), printable(f"{check.what}: {check.found}"))
            console.print(line, soft_wrap=True)
            continue
        mark = ("no  ", "red") if check.needed else ("-   ", "yellow")
        console.print(Text.assemble(mark, printable(f"{check.what}: {check.remedy}")))


def print_devices(devices: Sequence[DeviceStatus], console: Console) -> None:
    """Print a line for each device, and below it the remedy if it cannot be measured."""
    if not devices:
        console.print("No devices found; to see what is missing, run: squeezebert-mobile doctor")
    for device in devices:
        known = (
            device.model,
            f"Android {device.android}" if device.android else None,
            device.soc,
            device.abi,
            device.connection,
        )
        facts = ", ".join(part for part in known if part)
        line = printable(f"  {device.state}  {facts}")
        console.print(Text.assemble((printable(device.serial), "bold"), line))
        if device.remedy:
            console.print(f"    {device.remedy}", style="yellow", highlight=False)
