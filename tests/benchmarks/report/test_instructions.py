"""The counts of a class of cores beside measured times."""

import json
from pathlib import Path

import pytest
from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.records.phone import Phone
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.facts import phone_facts
from squeezebert_mobile.benchmarks.report.instructions import COUNTS, core_class, instructions
from squeezebert_mobile.benchmarks.report.writers.page import Table

ROOT = Path(__file__).parents[3]
FEATURES = ("asimddp", "i8mm", "sve", "sve2")


def _results(features: tuple[str, ...] = FEATURES, **changes: object) -> Results:
    phone = Phone.model_validate(PHONE.model_dump() | {"features": features, **changes})
    results = phone_results(phone=phone)
    sizes = {"parameters": 51_100_000, "layers": 12}
    base = [
        each.model_copy(update=sizes if each.label.startswith("Squeeze") else {"layers": 12})
        for each in results.contenders
    ]
    return results.model_copy(update={"contenders": tuple(base)})


@pytest.mark.parametrize(
    ("features", "name"),
    [
        (FEATURES, "sve2"),
        (("asimddp", "i8mm"), "i8mm"),
        (("asimddp", "sve2"), "cortex-a76"),
        (("asimddp",), "cortex-a76"),
        (("sse4_2", "avx2"), None),
        ((), None),
    ],
)
def test_the_class_of_a_core(features: tuple[str, ...], name: str | None) -> None:
    assert core_class(features) == name


def test_counts_beside_measured_times() -> None:
    table, note = instructions(_results())
    assert isinstance(table, Table)
    ((name, ms, millions, rate),) = table.rows  # of base size, and counted: one of the models
    assert "SqueezeBERT int8" in str(name)
    assert str(millions) == "431"
    assert float(str(rate)) == pytest.approx(430.6 / float(str(ms).rstrip("?")), rel=0.01)
    assert "int8 matrix products and SVE2" in str(note)


@pytest.mark.parametrize("results", [_results(()), _results(stand_in=True), phone_results()])
def test_nothing_beside_unknown_cores_or_models(results: Results) -> None:
    assert list(instructions(results)) == []


def test_the_counts_are_those_of_the_documentation() -> None:
    counted = json.loads((ROOT / "docs/arm64/counts.json").read_text())
    for (format, precision), by_class in COUNTS.items():
        for name, millions in by_class.items():
            found = [
                each["instructions"] / 1e6
                for each in counted
                if each["model"] == f"ours SqueezeBERT {format} {precision}"
                and (each["cpu"], each["sequence_length"]) == (name, 128)
            ]
            assert millions == pytest.approx(found[0], abs=0.06), (format, precision, name)


def test_the_cores_are_among_the_facts() -> None:
    facts = phone_facts(_results(designs={"Cortex-X3": 1, "Cortex-A715": 4}))
    assert facts["designs"] == "1 Cortex-X3, 4 Cortex-A715"
    assert facts["features"] == "asimddp i8mm sve sve2"
