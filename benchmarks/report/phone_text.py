"""A measured phone in sentences."""

import statistics
from collections.abc import Iterator, Sequence

from squeezebert_mobile.benchmarks.records.phone import Cluster, Conditions, Phone, PhoneStart

__all__ = ["phone_notes", "start_cells"]

_MIB = 1 << 20


def start_cells(starts: Sequence[PhoneStart]) -> list[float | None]:
    """Medians: first load, later loads, first run (ms), resident, peak (MiB); None if untold."""
    again = [start.load_ms for start in starts if not start.first]
    resident = [s.resident_bytes / _MIB for s in starts if s.resident_bytes is not None]
    peak = [s.peak_bytes / _MIB for s in starts if s.peak_bytes is not None]
    first = [start.load_ms for start in starts if start.first]
    run = [start.first_run_ms for start in starts]
    return [
        statistics.median(each) if each else None for each in (first, again, run, resident, peak)
    ]


#: Who measured, by the results' target.
_CONTEXTS = {
    "adb": "Measured by a process of the shell, not by an app: Android schedules the two "
    "differently, above all with several threads.",
    "app": "Measured inside the sample app: figures in an app's scheduling context, not the "
    "shell's.",
}


def phone_notes(
    phone: Phone, target: str, cores: str, conditions: Sequence[Conditions]
) -> Iterator[str]:
    """What was measured on, by whom, and how it was."""
    if phone.stand_in:
        yield (
            "STAND-IN: this was no phone but a program that speaks adb; its latencies are those of "
            "the computer it ran on, and mean nothing."
        )
    parts = (
        " ".join(part for part in (phone.manufacturer, phone.model) if part),
        phone.soc,
        f"Android {phone.android}" if phone.android else None,
        phone.abi,
        " + ".join(map(_cluster, phone.clusters)),
        f"cores: {cores}",
        f"by {phone.connection}",
    )
    yield f"Phone: {', '.join(part for part in parts if part)}."
    yield _CONTEXTS[target]
    if said := list(_course(conditions)):
        yield f"Conditions: {'; '.join(said)}."


def _cluster(cluster: Cluster) -> str:
    clock = f" at {cluster.max_khz / 1e6:.2f} GHz" if cluster.max_khz else ""
    return f"{len(cluster.cores)} cores{clock}"


def _course(conditions: Sequence[Conditions]) -> Iterator[str]:
    warm = [each.battery_celsius for each in conditions if each.battery_celsius is not None]
    if warm:
        yield f"battery {min(warm):.1f} to {max(warm):.1f} °C"
    statuses = [each.thermal_status for each in conditions if each.thermal_status is not None]
    if statuses:
        throttled = sum(status > 0 for status in statuses)
        yield (
            f"throttled at {throttled} of {len(statuses)} looks" if throttled else "not throttled"
        )
    plugs = list(dict.fromkeys(each.plugged for each in conditions if each.plugged))
    if plugs:
        yield " then ".join("unplugged" if plug == "unplugged" else f"on {plug}" for plug in plugs)
