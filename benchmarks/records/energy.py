"""Records of energy on a phone, and the energy of an answer with its interval over the blocks."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from squeezebert_mobile.artifact.schema import Count, Record
from squeezebert_mobile.benchmarks.records.bootstrap import (
    MIN_BLOCKS,
    WIDE,
    block_draws,
    interval_of,
)

__all__ = [
    "ENERGY_FLAGS",
    "MIN_STEPS",
    "DeviceState",
    "Energy",
    "EnergyBlock",
    "EnergyFlag",
    "EnergyPlan",
    "EnergySource",
    "Reading",
    "charge_step",
    "energy_of",
]

#: The power rails by the power stats service or by the kernel's files; the battery's counter.
EnergySource = Literal["power stats", "iio", "battery"]
EnergyFlag = Literal["few blocks", "wide", "coarse counter", "throttled", "state changed"]

#: A block whose inference takes fewer steps of the counter is too short for it.
MIN_STEPS = 20

ENERGY_FLAGS: dict[EnergyFlag, str] = {
    "few blocks": f"fewer than {MIN_BLOCKS} blocks were measured: too few for an interval",
    "wide": "the 95 % interval is wider than 10 % of the energy",
    "coarse counter": (
        f"the inference of a block took fewer than {MIN_STEPS} steps of the counter: the blocks "
        "are too short for its resolution"
    ),
    "throttled": "the phone reported that it throttled its processor because it was hot",
    "state changed": "the screen or a radio was turned on or off between the blocks",
}

_Millijoules = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
_Finite = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
_Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class EnergyPlan(Record):
    """How energy is measured: blocks of inference, each after an idle one of the same length."""

    source: EnergySource
    seconds: Annotated[float, Field(gt=0, le=3600)]  # of each of the two
    blocks: Count


class DeviceState(Record):
    """What else takes power; None for what the phone does not report."""

    wakefulness: Annotated[str, Field(max_length=40)] | None  # of PowerManager: Awake, Dozing, ...
    brightness: Annotated[int, Field(ge=0, le=10**6)] | None  # of the screen, of 255
    airplane_mode: bool | None
    wifi: bool | None
    bluetooth: bool | None
    mobile_data: bool | None


class Reading(Record):
    """The counters at one moment: of all rails, or of the battery."""

    at_s: _Seconds  # since the run began
    rails_mj: dict[str, _Millijoules] = {}  # rail -> energy since the phone started
    step_mj: _Millijoules | None = None  # of the sum of the rails: it is told no finer
    charge_uah: Annotated[int, Field(ge=0, le=10**9)] | None = None
    voltage_mv: Annotated[float, Field(gt=0, le=10**5)] | None = None


class EnergyBlock(Record):
    """An idle block from `begin` to `middle`, and a block of inference from there to `end`."""

    begin: Reading
    middle: Reading
    end: Reading
    answers: Count
    state: DeviceState  # at the end
    thermal_status: int | None  # at the beginning

    def idle(self) -> tuple[float, float]:
        """Its seconds and mJ."""
        return _between(self.begin, self.middle)

    def busy(self) -> tuple[float, float]:
        """Its seconds and mJ."""
        return _between(self.middle, self.end)


class Energy(Record):
    """The energy of an answer of one contender at one workload, without what the phone takes idle.

    It is the energy of all blocks of inference, minus the mean power of the idle blocks over the
    same time, divided by the answers.
    """

    contender: str
    threads: Count
    sequence_length: Count
    source: EnergySource
    seconds: _Seconds  # of inference, over all blocks
    answers: Count
    answer_mj: _Finite
    low_mj: _Finite | None  # of the 95 % interval; None if there are too few blocks
    high_mj: _Finite | None
    idle_mw: _Finite
    busy_mw: _Finite
    #: The smallest step of the counter; None if it never moved.
    step_mj: _Millijoules | None
    rails_mj: dict[str, _Finite]  # of an answer, by rail, idle taken off; {} from the battery
    flags: tuple[EnergyFlag, ...]
    blocks: tuple[EnergyBlock, ...]


def energy_of(
    contender: str,
    workload: tuple[int, int],
    blocks: Sequence[EnergyBlock],
    *,
    source: EnergySource,
    charge_step_uah: int | None,
) -> Energy:
    """The energy of an answer, with an interval that resamples whole blocks.

    Args:
        contender: Its label.
        workload: The number of threads, the length.
        blocks: At least one.
        source: Where the readings are from.
        charge_step_uah: The smallest step of the battery's counter; see `charge_step`.
    """
    idle = np.array([block.idle() for block in blocks])
    busy = np.array([block.busy() for block in blocks])
    answers = np.array([block.answers for block in blocks], dtype=np.float64)
    answer_mj, low, high = _estimate(idle, busy, answers)
    step = _step(blocks, source, charge_step_uah)
    seconds = float(busy[:, 0].sum())
    return Energy(
        contender=contender,
        threads=workload[0],
        sequence_length=workload[1],
        source=source,
        seconds=seconds,
        answers=int(answers.sum()),
        answer_mj=answer_mj,
        low_mj=low,
        high_mj=high,
        idle_mw=_power(idle),
        busy_mw=_power(busy),
        step_mj=step,
        rails_mj=_rails(blocks),
        flags=tuple(_flags(blocks, answer_mj, (low, high), step)),
        blocks=tuple(blocks),
    )


def charge_step(blocks: Sequence[EnergyBlock]) -> int | None:
    """The step of the battery's counter in µAh: what all differences are multiples of."""
    charges = [
        reading.charge_uah
        for block in blocks
        for reading in (block.begin, block.middle, block.end)
        if reading.charge_uah is not None
    ]
    return math.gcd(*(abs(a - charges[0]) for a in charges)) or None if charges else None


def _between(earlier: Reading, later: Reading) -> tuple[float, float]:
    """Seconds and mJ between two readings."""
    seconds = later.at_s - earlier.at_s
    if earlier.charge_uah is not None and later.charge_uah is not None:
        volts = ((earlier.voltage_mv or 0) + (later.voltage_mv or 0)) / 2 / 1000
        return seconds, _charge_mj(earlier.charge_uah - later.charge_uah, volts)
    return seconds, sum(_rail_differences(earlier, later).values())


def _charge_mj(charge_uah: float, volts: float) -> float:
    return charge_uah * volts * 3.6  # 1 µAh is 3.6 mC


def _rail_differences(earlier: Reading, later: Reading) -> dict[str, float]:
    return {
        name: later.rails_mj[name] - energy
        for name, energy in earlier.rails_mj.items()
        if name in later.rails_mj
    }


def _power(rows: np.ndarray) -> float:
    """The mean power in mW of (seconds, mJ) rows."""
    seconds, energy = rows.sum(axis=0)
    return float(energy / seconds) if seconds > 0 else 0.0


def _estimate(
    idle: np.ndarray, busy: np.ndarray, answers: np.ndarray
) -> tuple[float, float | None, float | None]:
    """mJ an answer and the ends of its interval.

    A sample draws whole blocks. The idle power is the mean over those drawn, so that the steps of
    a coarse counter average out.
    """

    def answer_mj(drawn: np.ndarray) -> float:
        own_mj = busy[drawn, 1].sum() - _power(idle[drawn]) * busy[drawn, 0].sum()
        return float(own_mj / answers[drawn].sum())

    count = len(answers)
    figure = answer_mj(np.arange(count))
    if count < MIN_BLOCKS:
        return figure, None, None
    return figure, *interval_of([answer_mj(draw) for draw in block_draws(count)])


def _step(
    blocks: Sequence[EnergyBlock], source: EnergySource, charge_step_uah: int | None
) -> float | None:
    if source == "battery":
        volts = [(block.end.voltage_mv or 0) / 1000 for block in blocks]
        return charge_step_uah and _charge_mj(charge_step_uah, sum(volts) / len(volts))
    steps = [block.end.step_mj for block in blocks if block.end.step_mj is not None]
    return max(steps, default=None)


def _rails(blocks: Sequence[EnergyBlock]) -> dict[str, float]:
    """mJ of an answer by rail, without the idle power of that rail; largest first."""
    idle_s = sum(block.idle()[0] for block in blocks)
    busy_s = sum(block.busy()[0] for block in blocks)
    answers = sum(block.answers for block in blocks)
    names = set.intersection(*(_common_rails(block) for block in blocks))
    idle, busy = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for block in blocks:
        _add(idle, _rail_differences(block.begin, block.middle))
        _add(busy, _rail_differences(block.middle, block.end))
    own = {
        name: (busy[name] - (idle[name] * busy_s / idle_s if idle_s > 0 else 0.0)) / answers
        for name in names
    }
    return dict(sorted(own.items(), key=lambda rail: (-rail[1], rail[0])))


def _common_rails(block: EnergyBlock) -> set[str]:
    return set(block.begin.rails_mj) & set(block.middle.rails_mj) & set(block.end.rails_mj)


def _add(totals: dict[str, float], differences: Mapping[str, float]) -> None:
    for name in totals:
        totals[name] += differences[name]


def _flags(
    blocks: Sequence[EnergyBlock],
    answer_mj: float,
    interval: tuple[float | None, float | None],
    step_mj: float | None,
) -> list[EnergyFlag]:
    low, high = interval
    own_mj = answer_mj * sum(block.answers for block in blocks) / len(blocks)  # of a block
    raised: dict[EnergyFlag, bool] = {
        "few blocks": len(blocks) < MIN_BLOCKS,
        "wide": low is not None and high is not None and high - low > WIDE * answer_mj,
        "coarse counter": step_mj is None or own_mj < MIN_STEPS * step_mj,
        "throttled": any(block.thermal_status for block in blocks),
        "state changed": len({block.state for block in blocks}) > 1,
    }
    return [flag for flag, is_up in raised.items() if is_up]
