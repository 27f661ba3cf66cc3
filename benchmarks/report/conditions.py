"""The temperature, clock and power of a phone during the run, and the energy of an answer."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from squeezebert_mobile.benchmarks.records.energy import ENERGY_FLAGS, DeviceState, Energy
from squeezebert_mobile.benchmarks.records.phone import Conditions
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report import figures
from squeezebert_mobile.benchmarks.report.formatting import (
    DOUBT,
    THERMAL_STATUSES,
    format_number,
    workload_text,
)
from squeezebert_mobile.benchmarks.report.latency import stand_in_mark
from squeezebert_mobile.benchmarks.report.queries import main_workload
from squeezebert_mobile.benchmarks.report.writers.page import (
    Block,
    Cell,
    Listing,
    Picture,
    Row,
    Table,
)

__all__ = [
    "ENERGY_SOURCES",
    "condition_notes",
    "conditions",
    "energies",
    "energy_cell",
    "energy_doubts",
]

#: How the energy of an answer is measured.
ENERGY_SOURCES = {
    "power stats": "the phone's power rails, as its power stats service tells them",
    "iio": "the phone's power rails, as its kernel tells them",
    "battery": "the battery's charge counter and voltage",
}
_MOST_RAILS = 8  # the others take little

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


# Energy -------------------------------------------------------------------------------------


def energies(results: Results, *, compact: bool = False) -> Iterator[Block]:
    """A table for each workload, and how it was measured.

    Args:
        results: The results.
        compact: Only the main workload, without the rails.
    """
    workloads = dict.fromkeys((each.threads, each.sequence_length) for each in results.energy)
    if compact and main_workload(results) in workloads:
        workloads = {main_workload(results): None}
    for workload in workloads:
        here = [e for e in results.energy if (e.threads, e.sequence_length) == workload]
        title = workload_text(workload)
        yield Table(
            f"Energy of an answer, idle taken off, {title}{stand_in_mark(results)}",
            ("model", "mJ", "95 %\ninterval", "idle\nmW", "busy\nmW", "answers"),
            tuple(_energy_row(each) for each in here),
        )
        if not compact and any(each.rails_mj for each in here):
            yield _rails_table(title, here)
    if results.energy:
        yield Listing(tuple(_energy_notes(results)))
    if results.no_energy:
        yield Listing(
            tuple(
                f"The energy of {each.contender} was not measured: {each.error}"
                for each in results.no_energy
            )
        )


def _energy_row(energy: Energy) -> Row:
    cell = energy_cell(energy)
    return (
        energy.contender,
        cell.text,
        cell.detail,
        format_number(energy.idle_mw),
        format_number(energy.busy_mw),
        str(energy.answers),
    )


def energy_cell(energy: Energy) -> Cell:
    """The energy of an answer in mJ, marked if it is flagged, and its interval."""
    interval = (
        ""
        if energy.low_mj is None or energy.high_mj is None
        else f"{format_number(energy.low_mj)}-{format_number(energy.high_mj)}"
    )
    return Cell(f"{format_number(energy.answer_mj)}{DOUBT if energy.flags else ''}", interval)


def _rails_table(title: str, columns: Sequence[Energy]) -> Table:
    names = dict.fromkeys(name for each in columns for name in each.rails_mj)
    largest = sorted(names, key=lambda name: -sum(each.rails_mj.get(name, 0) for each in columns))
    rows = tuple(
        (name, *(format_number(each.rails_mj.get(name, 0.0)) for each in columns))
        for name in largest[:_MOST_RAILS]
    )
    header = ("rail", *(each.contender for each in columns))
    return Table(f"By rail, mJ of an answer, {title}", header, rows)


def _energy_notes(results: Results) -> Iterator[str]:
    first = results.energy[0]
    plan = results.settings.energy
    how = (
        f" {plan.blocks} blocks of {plan.seconds:g} s of inference, each after an idle one of the "
        "same length."
        if plan
        else ""
    )
    yield f"Measured by {ENERGY_SOURCES[first.source]}.{how}"
    steps = [each.step_mj for each in results.energy if each.step_mj is not None]
    yield (
        f"The counter moves in steps of {format_number(max(steps))} mJ."
        if steps
        else "The counter did not move."
    )
    states = [block.state for each in results.energy for block in each.blocks]
    if told := _state_text(states[0]):
        changed = ", and not the same all the time" if len(set(states)) > 1 else ""
        yield f"{told}{changed}."
    yield from energy_doubts(results.energy)


def energy_doubts(energies: Sequence[Energy]) -> Iterator[str]:
    """The meaning of each flag that an energy has."""
    for flag, meaning in ENERGY_FLAGS.items():
        if raised := [each for each in energies if flag in each.flags]:
            yield f"{DOUBT} {flag}: {meaning} ({len(raised)} of {len(energies)})."


def _state_text(state: DeviceState) -> str:
    """The screen and the radios, as far as they are known."""
    parts = []
    if state.wakefulness:
        screen = "on" if state.wakefulness == "Awake" else f"off ({state.wakefulness})"
        level = f" at brightness {state.brightness}" if state.brightness is not None else ""
        parts.append(f"the screen was {screen}{level}")
    for name, is_on in (
        ("airplane mode", state.airplane_mode),
        ("Wi-Fi", state.wifi),
        ("Bluetooth", state.bluetooth),
        ("mobile data", state.mobile_data),
    ):
        if is_on is not None:
            parts.append(f"{name} {'on' if is_on else 'off'}")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]
