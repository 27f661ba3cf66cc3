"""What `devices` and `doctor` print."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from squeezebert_mobile.benchmarks.phone.doctor import Check, DeviceStatus

__all__ = ["print_checks", "print_devices"]


def print_checks(checks: Sequence[Check], console: Console) -> None:
    """Print a line for each check, with the remedy where something is missing."""
    for check in checks:
        if check.found is not None:
            # Without line breaks, so that a long path can be copied.
            line = Text.assemble(("ok  ", "green"), f"{check.what}: {check.found}")
            console.print(line, soft_wrap=True)
            continue
        mark = ("no  ", "red") if check.needed else ("-   ", "yellow")
        console.print(Text.assemble(mark, f"{check.what}: {check.remedy}"))


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
        console.print(Text.assemble((device.serial, "bold"), f"  {device.state}  {facts}"))
        if device.remedy:
            console.print(Text(f"    {device.remedy}", style="yellow"))
