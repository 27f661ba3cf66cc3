"""The energy of an answer in a terminal and in reports."""

import io
from pathlib import Path

import pytest
from parsed_page import Parsed
from phone_results import PHONE, STATE, phone_results

from squeezebert_mobile.benchmarks.records.energy import (
    Energy,
    EnergyBlock,
    EnergyPlan,
    Reading,
)
from squeezebert_mobile.benchmarks.records.results import Failure, Results
from squeezebert_mobile.benchmarks.report import print_table, write_report
from squeezebert_mobile.streams import Console

pytestmark = pytest.mark.usefixtures("undrawn")

EVIL = "<script>\x1b[31m[/x]`|$\n"


def _energy(label: str, scale: float) -> Energy:
    reading = Reading(at_s=1, rails_mj={EVIL: 5})
    block = EnergyBlock(
        begin=reading, middle=reading, end=reading, answers=5, state=STATE, thermal_status=0
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


def _changed(measured: Results, **fields: object) -> Results:
    """A run of which only the first model's energy is another one, and the last has none."""
    first, *others, _ = measured.energy
    changed = first.model_copy(update={"answer_mj": 20.125, "low_mj": None, **fields})
    return measured.model_copy(update={"energy": (changed, *others), "no_energy": ()})


def _side_by_side(tmp_path: Path, suffix: str, *results: Results) -> str:
    path = tmp_path / f"report{suffix}"
    write_report([(f"{name}.json", each) for name, each in zip("abc", results, strict=False)], path)
    return path.read_text(encoding="utf-8")


def test_side_by_side(measured: Results, tmp_path: Path) -> None:
    """In HTML and Markdown: each file's energy with its interval and doubt, and the change."""
    other = _changed(measured, flags=("few blocks",))
    page = Parsed(_side_by_side(tmp_path, ".html", measured, other, phone_results()))
    phones = [f"{name}.json ({PHONE.model})" for name in "abc"]
    changes = ["change in b.json", "change in c.json"]
    header = ["model", "threads", "tokens", *(f"{phone}, mJ" for phone in phones), *changes]
    at = page.rows.index(header)
    labels = [each.contender for each in measured.energy]
    rows = page.rows[at + 1 : at + 1 + len(labels)]
    assert [row[0] for row in rows] == labels
    assert rows[0][3:] == ["40.2 (39.5-41.0)", "20.1?", "", "0.50 (-50.0 %)", ""]
    assert rows[1][3:5] == ["80.5 (79.0-82.0)"] * 2 and rows[1][6] == "1.00 (+0.0 %)"
    assert rows[-1][3:] == ["161? (158-164)", "", "", "", ""]
    told = " ".join(page.said["li"])
    assert "Energy is measured by the phone's power rails, as its power stats service" in told
    assert "? wide: the 95 % interval is wider than 10 % of the energy (1 of 7)." in told
    assert "was not measured in 'a.json': " in told and "script" not in dict(page.tags)
    text = _side_by_side(tmp_path, ".md", measured, other)
    assert "40.2 (39.5-41.0) | 20.1? | 0.50 (-50.0 %) |" in text and "\x1b" not in text
    assert "<script>" not in text


def test_energies_of_two_sources_have_no_change(measured: Results, tmp_path: Path) -> None:
    other = _changed(measured, source="battery")
    text = _side_by_side(tmp_path, ".md", measured, other)
    assert "40.2 (39.5-41.0) | 20.1 |  |" in text
    assert "Energy in 'b.json' is measured by the battery's charge counter and voltage." in text
    assert "told only between files whose energy was measured in the same way." in text
    assert "| 80.5 (79.0-82.0) | 80.5 (79.0-82.0) | 1.00 (+0.0 %) |" in text


def test_side_by_side_without_energy(tmp_path: Path) -> None:
    assert "nergy" not in _side_by_side(tmp_path, ".md", phone_results(), phone_results(scale=0.8))


def test_nothing_without_energy() -> None:
    assert "Energy" not in _terminal(phone_results())
