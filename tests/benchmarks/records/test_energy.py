"""The energy of an answer: computed from readings, assembled from a journal, in older files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from phone_results import PHONE, STATE, phone_results

from squeezebert_mobile.benchmarks.phone.resume import JournalView
from squeezebert_mobile.benchmarks.records.assembly import assemble
from squeezebert_mobile.benchmarks.records.energy import (
    EnergyBlock,
    EnergyPlan,
    Reading,
    charge_step,
    energy_of,
)
from squeezebert_mobile.benchmarks.records.events import (
    Begin,
    EnergyMeasured,
    Event,
    NoEnergy,
)
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Failure

IDLE_MW, ANSWER_MJ, ANSWERS, SECONDS = 500.0, 40.0, 100, 20.0


def _blocks(
    count: int, *, source: str = "power stats", step_uah: int = 1, odd: float = 0.0
) -> Iterator[EnergyBlock]:
    """Blocks of a phone that takes 500 mW idle and 40 mJ an answer; `odd` ones take more of it."""
    energy, now = 5_000.0, 100.0
    for index in range(count):
        readings = []
        own = ANSWERS * ANSWER_MJ * (1 + odd * (index % 2))
        for extra in (0.0, IDLE_MW * SECONDS, IDLE_MW * (SECONDS + 2) + own):
            energy += extra
            now += {0.0: 0.0, IDLE_MW * SECONDS: SECONDS}.get(extra, SECONDS + 2)
            if source == "battery":
                used = energy / 4.0 / 3.6  # mJ at 4 V in µAh
                charge = int((3_000_000 - used) // step_uah * step_uah)
                readings.append(Reading(at_s=now, charge_uah=charge, voltage_mv=4000))
            else:
                rails = {"CPU": 0.75 * energy, "Display": 0.25 * energy}
                readings.append(Reading(at_s=now, rails_mj=rails, step_mj=0.02))
        begin, middle, end = readings
        yield EnergyBlock(
            begin=begin, middle=middle, end=end, answers=ANSWERS, state=STATE, thermal_status=0
        )


def test_idle_is_taken_off_over_the_time_of_each_block() -> None:
    """Inference took two seconds longer than the idle blocks."""
    found = energy_of("m", (1, 128), list(_blocks(6)), source="power stats", charge_step_uah=None)
    assert found.answer_mj == pytest.approx(ANSWER_MJ)
    assert (found.low_mj, found.high_mj) == (pytest.approx(40), pytest.approx(40))
    assert found.idle_mw == pytest.approx(IDLE_MW)
    assert found.busy_mw == pytest.approx(IDLE_MW + ANSWERS * ANSWER_MJ / (SECONDS + 2))
    assert found.answers == 600 and found.seconds == pytest.approx(6 * 22)
    assert found.rails_mj == {"CPU": pytest.approx(30), "Display": pytest.approx(10)}
    assert found.step_mj == 0.02 and found.flags == ()


def test_flags() -> None:
    few = energy_of("m", (1, 8), list(_blocks(5)), source="iio", charge_step_uah=None)
    assert few.low_mj is None and few.flags == ("few blocks",)
    wide = energy_of("m", (1, 8), list(_blocks(6, odd=0.5)), source="iio", charge_step_uah=None)
    assert wide.flags == ("wide",)
    assert wide.low_mj and wide.high_mj and wide.low_mj < 50 < wide.high_mj
    blocks = list(_blocks(6))
    blocks[2] = blocks[2].model_copy(
        update={"state": STATE.model_copy(update={"wakefulness": "Asleep"}), "thermal_status": 2}
    )
    changed = energy_of("m", (1, 8), blocks, source="iio", charge_step_uah=None)
    assert changed.flags == ("throttled", "state changed")


@pytest.mark.parametrize(
    "step_uah,is_coarse",
    [(1, False), (10, False), (100, True), (1000, True)],  # 4 J are 278 µAh at 4 V
)
def test_a_battery_of_any_step(step_uah: int, is_coarse: bool) -> None:
    blocks = list(_blocks(6, source="battery", step_uah=step_uah))
    assert charge_step(blocks) == step_uah
    found = energy_of("m", (1, 8), blocks, source="battery", charge_step_uah=step_uah)
    assert found.step_mj == pytest.approx(step_uah * 4.0 * 3.6)
    assert ("coarse counter" in found.flags) == is_coarse
    assert found.answer_mj == pytest.approx(ANSWER_MJ, abs=3 * step_uah * 14.4 / ANSWERS / 6)
    assert found.rails_mj == {}


def test_a_counter_that_never_moves() -> None:
    blocks = list(_blocks(6, source="battery", step_uah=10**6))
    assert charge_step(blocks) is None and charge_step([]) is None
    found = energy_of("m", (1, 8), blocks, source="battery", charge_step_uah=None)
    assert found.answer_mj == 0 and found.step_mj is None and "coarse counter" in found.flags


def test_a_rail_that_is_not_always_told_is_left_out() -> None:
    blocks = list(_blocks(6))
    rails = {"CPU": blocks[0].middle.rails_mj["CPU"]}
    blocks[0] = blocks[0].model_copy(
        update={"middle": blocks[0].middle.model_copy(update={"rails_mj": rails})}
    )
    found = energy_of("m", (1, 8), blocks, source="iio", charge_step_uah=None)
    assert set(found.rails_mj) == {"CPU"}


# Journals -----------------------------------------------------------------------------------

LABEL = "SqueezeBERT int8"


def _begin(plan: EnergyPlan | None) -> Begin:
    results = phone_results()
    return Begin(
        created=results.created,
        settings=results.settings.model_copy(update={"energy": plan}),
        machine=None,
        load_before=None,
        contenders=results.contenders,
        phone=PHONE,
    )


def _measured(index: int, block: EnergyBlock, label: str = LABEL) -> EnergyMeasured:
    return EnergyMeasured(contender=label, threads=1, sequence_length=128, index=index, block=block)


PLAN = EnergyPlan(source="power stats", seconds=20, blocks=6)


def test_a_journal_holds_every_block(tmp_path: Path) -> None:
    """Written, read as by an interrupted run's --resume, and assembled, in any order."""
    blocks = list(_blocks(6))
    failure = Failure(contender="BERT-base fp32", stage="energy", error="no memory")
    events: list[Event] = [_begin(PLAN)]
    events += [_measured(index, blocks[index]) for index in (0, 1, 2, 5, 4, 3)]
    events += [NoEnergy(failure=failure)]
    path = tmp_path / "phone.json.journal"
    with Journal(path) as journal:
        for event in events:
            journal.add(event)
    results = read_results(path)
    assert results.schema_version == 5 and results.settings.energy == PLAN
    (energy,) = results.energy
    assert energy.contender == LABEL and energy.blocks == tuple(blocks)
    assert energy.answer_mj == pytest.approx(ANSWER_MJ)
    assert results.no_energy == (failure,) and not results.failures
    with Journal(path, resume=True) as journal:
        view = JournalView(journal.events)
        assert view.energy_blocks(LABEL, (1, 128)) == set(range(6))
        assert view.energy_blocks(LABEL, (2, 128)) == view.energy_blocks("x", (1, 128)) == set()
        assert view.without_energy == {"BERT-base fp32"} and not view.failed


def test_of_a_block_that_is_there_twice_the_last_counts() -> None:
    first, second = _blocks(2)
    results = assemble([_begin(PLAN), _measured(0, first), _measured(0, second)])
    assert results.energy[0].blocks == (second,)


def test_what_is_not_of_the_run_is_left_out() -> None:
    (block,) = _blocks(1)
    assert assemble([_begin(PLAN), _measured(0, block, "unknown")]).energy == ()
    assert assemble([_begin(None), _measured(0, block)]).energy == ()


@pytest.mark.parametrize(
    "change",
    [
        {"answers": 0},
        {"begin": {"at_s": -1}},
        {"begin": {"at_s": 1, "rails_mj": {"CPU": float("nan")}}},
        {"end": {"at_s": 1, "charge_uah": -5}},
    ],
)
def test_impossible_readings_are_refused(change: dict[str, object]) -> None:
    (block,) = _blocks(1)
    with pytest.raises(ValueError, match="validation error"):
        EnergyBlock.model_validate(block.model_dump() | change)


def test_files_of_versions_without_energy_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    data = json.loads(phone_results().to_json())
    for name in ("energy", "no_energy"):
        del data[name]
    del data["settings"]["energy"]
    for version in (1, 2, 3):
        path.write_text(json.dumps(data | {"schema_version": version}))
        results = read_results(path)
        assert results.energy == () and results.settings.energy is None
