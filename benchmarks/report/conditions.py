"""The temperature, clock and power of a phone during the run."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from squeezebert_mobile.benchmarks.records.phone import Conditions
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report import figures
from squeezebert_mobile.benchmarks.report.formatting import THERMAL_STATUSES, format_number
from squeezebert_mobile.benchmarks.report.writers.page import Block, Listing, Picture, Row, Table

__all__ = ["condition_notes", "conditions"]

_READINGS: dict[str, Callable[[Conditions], float | None]] = {
    "temperature of the hottest sensor, °C": lambda c: max(c.celsius.values(), default=None),
    "temperature of the battery, °C": lambda c: c.battery_celsius,
    "highest clock of a core, GHz": lambda c: max(c.cpu_khz.values()) / 1e6 if c.cpu_khz else None,
    "battery, %": lambda c: c.battery_percent,
}


def conditions(results: Results) -> Iterator[Block]:
    """Ranges, notes and a figure over time."""
    readings = {
        name: [value for each in results.conditions if (value := of(each)) is not None]
        for name, of in _READINGS.items()
    }
    readings["fixed arithmetic between blocks, ms"] = [each.median_ms for each in results.probes]
    rows: list[Row] = [(name, *_spread(values)) for name, values in readings.items() if values]
    if rows:
        yield Table("Over the run", ("", "first", "lowest", "highest", "last"), tuple(rows))
    yield from condition_notes(results)
    if figures.panels(results) and max(len(results.conditions), len(results.probes)) > 1:
        shown = figures.shown_sensors(results)
        count = len({name for each in results.conditions for name in each.celsius})
        some = f" The {len(shown)} hottest of {count} sensors." if count > len(shown) else ""
        yield Picture(
            alt="Temperature, thermal status, clock and fixed arithmetic over time; "
            "the table above has their ranges.",
            caption=f"Over time; a grey line marks the start of each block.{some}",
            draw=partial(figures.over_time, results),
        )


def _spread(values: Sequence[float]) -> tuple[str, ...]:
    return tuple(map(format_number, (values[0], min(values), max(values), values[-1])))


def condition_notes(results: Results) -> tuple[Listing, ...]:
    """Throttling, power, battery and load, in a sentence each."""
    notes = tuple(_notes(results.conditions))
    return (Listing(notes),) if notes else ()


def _notes(conditions: Sequence[Conditions]) -> Iterator[str]:
    statuses = [c.thermal_status for c in conditions if c.thermal_status is not None]
    if statuses:
        worst = max(statuses)
        name = THERMAL_STATUSES[worst] if 0 <= worst < len(THERMAL_STATUSES) else str(worst)
        hot = sum(status > 0 for status in statuses)
        share = f", throttled at {hot} of {len(statuses)} readings" if hot else ""
        yield f"Thermal status: {name} at worst{share}."
    if plugs := list(dict.fromkeys(c.plugged for c in conditions if c.plugged)):
        yield f"Power: {', then '.join(plugs)}."
    battery = [c.battery_celsius for c in conditions if c.battery_celsius is not None]
    if battery:
        yield f"Battery: {min(battery):.1f} to {max(battery):.1f} °C."
    loads = [c.load_average for c in conditions if c.load_average is not None]
    if loads:
        yield f"Load average over a minute: {loads[0]:.2f} at first, {loads[-1]:.2f} at last."
