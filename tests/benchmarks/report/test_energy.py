"""The energy of an answer in a terminal and in reports."""

import io
from pathlib import Path

import pytest
from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.records.energy import (
    DeviceState,
    Energy,
    EnergyBlock,
    EnergyPlan,
    Reading,
)
from squeezebert_mobile.benchmarks.records.results import Failure, Results
from squeezebert_mobile.benchmarks.report import print_table, write_report
from squeezebert_mobile.streams import Console

EVIL = "<script>\x1b[31m[/x]`|$\n"


def _energy(label: str, scale: float) -> Energy:
    state = DeviceState(
        wakefulness="Awake",
        brightness=12,
        airplane_mode=True,
        wifi=True,
        bluetooth=False,
        mobile_data=None,
    )
    reading = Reading(at_s=1, rails_mj={EVIL: 5})
    block = EnergyBlock(
        begin=reading, middle=reading, end=reading, answers=5, state=state, thermal_status=0
    )
    return Energy(
        contender=label,
        threads=1,
        sequence_length=128,
        source="power stats",
        seconds=120,
        answers=500,
        answer_mj=scale * 40.25,
        low_mj=scale * 39.5,
        high_mj=scale * 41,
        idle_mw=512,
        busy_mw=2400,
        step_mj=0.084,
        rails_mj={"[S2M_VDD_CPUCL2]:CPU": scale * 30, EVIL: scale * 10},
        flags=("wide",) if scale > 3 else (),
        blocks=(block,),
    )


@pytest.fixture(scope="module")
def measured() -> Results:
    results = phone_results()
    plan = EnergyPlan(source="power stats", seconds=20, blocks=6)
    return results.model_copy(
        update={
            "settings": results.settings.model_copy(update={"energy": plan}),
            "energy": tuple(
                _energy(facts.label, 1 + index) for index, facts in enumerate(results.contenders)
            ),
            "no_energy": (Failure(contender=EVIL, stage="energy", error=EVIL),),
        }
    )


def _terminal(results: Results) -> str:
    file = io.StringIO()
    print_table(results, Console(file=file, width=80))
    return file.getvalue()


def test_in_a_terminal(measured: Results) -> None:
    text = _terminal(measured)
    assert max(map(len, text.splitlines())) <= 80 and "\x1b" not in text
    rows = [line.split() for line in text.splitlines()]
    at = next(i for i, row in enumerate(rows) if row[:4] == ["Energy", "of", "an", "answer,"])
    table = {" ".join(row[:2]): row[2:] for row in rows[at : at + 9] if len(row) > 2}
    assert table["SqueezeBERT int8"] == ["40.2", "39.5-41.0", "512", "2400", "500"]
    assert table["BERT-base fp32"][0] == "161?"
    words = " ".join(text.split())
    assert "its power stats service tells them. 6 blocks of 20 s of inference" in words
    assert "The counter moves in steps of 0.084 mJ." in words
    assert "The screen was on at brightness 12, airplane mode on, Wi-Fi on, Bluetooth off." in words
    assert "? wide: the 95 % interval is wider than 10 % of the energy (1 of 4)." in words
    assert "S2M_VDD_CPUCL2" not in words


def test_of_a_stand_in_the_table_says_so(measured: Results) -> None:
    phone = PHONE.model_copy(update={"stand_in": True})
    text = _terminal(measured.model_copy(update={"phone": phone}))
    words = " ".join(text.split())
    assert "idle taken off, 1 thread, 128 tokens (stand-in, not a phone)" in words


def test_in_markdown_with_the_rails(measured: Results, tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    write_report([("a.json", measured)], path)
    text = path.read_text(encoding="utf-8")
    assert "| SqueezeBERT int8 | 40.2 | 39.5-41.0 | 512 | 2400 | 500 |" in text
    assert "VDD" in text and "<script>" not in text and "\x1b" not in text
    assert "By rail, mJ of an answer, 1 thread, 128 tokens" in text


def test_nothing_without_energy() -> None:
    assert "Energy" not in _terminal(phone_results())
