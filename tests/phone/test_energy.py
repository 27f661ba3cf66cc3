"""The energy of an answer on a stand-in with power rails: blocks, faults in them, refusals."""

import re
from collections.abc import Callable

import pytest
from phone_run import Run

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.energy import PLANS
from squeezebert_mobile.benchmarks.records.events import EnergyMeasured
from squeezebert_mobile.benchmarks.records.results import Results

pytestmark = [pytest.mark.phone, pytest.mark.timeout(120)]

BLOCKS = 2


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, "short", (1.0, 3.0, BLOCKS))


@pytest.fixture
def metered(run: Run) -> Run:
    run.phone.set_meter(idle_mw=700)
    # For 8 tokens an answer takes a sixteenth of these times: 1 ms.
    run.phone.pretend(latency_ms={"*": 16.0}, answer_mj=5.0)
    return run


def _check(results: Results) -> None:
    assert results.complete and results.schema_version == 5
    assert [each.contender for each in results.energy] == ["ours", "theirs"]
    for energy in results.energy:
        assert energy.source == "power stats" and len(energy.blocks) == BLOCKS
        # What the stand-in takes idle is real time, which is short: the rest are its answers.
        assert energy.rails_mj["[S2M_VDD_CPUCL2]:CPU"] == pytest.approx(5, rel=0.01)
        assert energy.answer_mj == pytest.approx(5, rel=0.1)
        assert energy.low_mj is None and energy.flags == ("few blocks",)
        state = energy.blocks[0].state
        assert (state.wakefulness, state.brightness, state.wifi) == ("Awake", 12, True)


def _indices(run: Run) -> list[tuple[str, int]]:
    return [(e.contender, e.index) for e in run.events if isinstance(e, EnergyMeasured)]


def _break(run: Run, nth: int) -> Callable[[float], None]:
    """Drop the connection in the nth pause, which is in an idle block."""
    pauses = 0

    def sleep(seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == nth:
            run.phone.drop()

    return sleep


def test_faults_in_the_middle_lose_nothing(metered: Run) -> None:
    """The connection is lost in an idle block, the phone plugged in in one of inference."""
    with pytest.raises(PhoneError, match="disconnected|offline|was lost"):
        metered.measure(energy=True, sleep=_break(metered, 4))
    measured = [("ours", 0), ("theirs", 0), ("ours", 1)]
    assert _indices(metered) == measured
    metered.server.wait_for(metered.phone, "device")

    def plug(seconds: float) -> None:
        metered.phone.set_battery(USB_powered="true")

    with pytest.raises(
        PhoneError, match=r"is plugged in \(usb\), so its energy cannot be"
    ) as error:
        metered.measure(energy=True, resume=True, sleep=plug)
    assert "with --resume" in "".join(error.value.__notes__)
    assert _indices(metered) == measured
    metered.phone.set_battery(USB_powered="false")
    # Android kills a runner in its block, which is measured again at once.
    results = metered.measure(
        energy=True,
        resume=True,
        at="energy theirs",
        do=lambda: metered.phone.faults.kill_runner(block=1),
    )
    _check(results)
    assert sorted(_indices(metered)) == [
        (label, index) for label in ("ours", "theirs") for index in range(BLOCKS)
    ]
    again = metered.measure(energy=True, resume=True)
    assert again == results
    with pytest.raises(PhoneError, match="cannot resume .*: the settings differ"):
        metered.measure(resume=True)


REFUSED: dict[str, tuple[Callable[[Run], object], str]] = {
    "plugged in": (
        lambda run: run.phone.set_battery(USB_powered="true"),
        r"the phone '[\d.:]+' is plugged in \(usb\), so its energy cannot be measured; connect it "
        r"by Wi-Fi with adb tcpip 5555, take it off every charger, then adb connect ADDRESS:5555 "
        r"and measure with --serial ADDRESS:5555",
    ),
    "on a wireless charger": (
        lambda run: run.phone.set_battery(Wireless_powered="true"),
        r".* is plugged in \(wireless\), .*",
    ),
    "battery faked": (
        lambda run: run.phone.set_battery(AC_powered="false\n  (UPDATES STOPPED -- use 'reset')"),
        r".* tells what dumpsys battery was told to, .* run: adb -s .* shell dumpsys battery reset",
    ),
    "screen off": (
        lambda run: run.phone.set_screen("Asleep"),
        r"the screen of the phone .* is off \(Asleep\), .*; turn it on, .*",
    ),
    "no counter": (
        lambda run: (
            (run.phone.root / "stand_in/meter.json").unlink(),
            run.phone.set_battery(Charge_counter=0),
        ),
        r".* tells adb neither the energy of power rails nor the charge of its battery; .*",
    ),
}


def test_refusals(metered: Run) -> None:
    """Each in one line, before anything is pushed or written."""
    battery = metered.phone.root / "stand_in/battery"
    as_it_was = battery.read_bytes()
    for change, message in REFUSED.values():
        change(metered)
        with pytest.raises(PhoneError) as caught:
            metered.measure(energy=True)
        assert re.fullmatch(message, str(caught.value))
        assert not metered.journal.exists() and not list(metered.phone.home.iterdir())
        battery.write_bytes(as_it_was)
        metered.phone.set_screen("Awake")


def test_with_a_battery_only(metered: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counter does not move: the figure is flagged."""
    monkeypatch.setitem(PLANS, "short", (1.0, 3.0, 1))
    (metered.phone.root / "stand_in/meter.json").unlink()
    results = metered.measure(energy=True)
    for energy in results.energy:
        assert energy.source == "battery" and energy.blocks[0].begin.charge_uah == 2_411_000
        assert energy.step_mj is None and "coarse counter" in energy.flags
