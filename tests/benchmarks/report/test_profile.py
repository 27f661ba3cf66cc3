"""The profiles in a report."""

import io

import pytest
from phone_results import phone_results

from squeezebert_mobile.benchmarks.records.profile import Profile, Share
from squeezebert_mobile.benchmarks.records.results import Failure, Results
from squeezebert_mobile.benchmarks.report import print_table
from squeezebert_mobile.streams import Console

EVIL = "<script>\x1b[31m[/x]`|$\n"


def _profile(label: str, scale: float, names: tuple[str, ...]) -> Profile:
    shares = tuple(Share(name=name, calls=2, ms=scale * (1 + i)) for i, name in enumerate(names))
    run_ms = 1.1 * sum(share.ms for share in shares)
    return Profile(
        contender=label,
        threads=1,
        sequence_length=128,
        runs=20,
        run_ms=run_ms,
        operators=shares[::-1],
        layers=tuple(
            Share(name=f"encoder.{index}.attention", calls=1, ms=share.ms)
            for index, share in enumerate(shares)
        ),
    )


@pytest.fixture
def profiled() -> Results:
    results = phone_results()
    names = tuple(f"Operator{index}" for index in range(12))
    profiles = [
        _profile(facts.label, index + 1, (EVIL, *names))
        for index, facts in enumerate(results.contenders)
    ]
    failure = Failure(contender=EVIL, stage="profile", error=EVIL)
    return results.model_copy(update={"profiles": tuple(profiles), "not_profiled": (failure,)})


def test_the_profile_in_a_terminal(profiled: Results) -> None:
    file = io.StringIO()
    print_table(profiled, Console(file=file, width=80))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    rows = [line.split() for line in text.splitlines()]
    at = next(i for i, row in enumerate(rows) if row[:3] == ["Profile", "by", "operator,"])
    end = next(i for i, row in enumerate(rows) if row[:1] == ["run"])
    table = {row[0]: row[1:] for row in rows[at:end] if row}
    assert table["Operator11"] == ["13.0", "13", "%", "26.0", "13", "%", "39.0", "13", "%",
                                   "52.0", "13", "%"]  # fmt: skip
    assert "Operator2" not in table
    assert table["others"][:3] == ["10.0", "10", "%"]  # 1 + 2 + 3 + 4
    assert table["between"][1:4] == ["9.10", "9", "%"]
    assert rows[end][1] == "100"
    (part,) = [row for row in rows if row[:1] == ["encoder.*.attention"]]
    assert part[1:4] == ["91.0", "91", "%"]
    assert "was not profiled: <script>" in text


def test_the_profile_in_a_report(profiled, written) -> None:
    page = written(profiled)
    assert "Where the time goes" in page and "encoder.11.attention" in page
    assert "Time by operator at 1 thread, 128 tokens." in page
    assert "13.0 (13 %)" in page
    assert "<script>" not in page and "\x1b" not in page
    text = written(profiled, suffix="md")
    assert "| Operator11 | 13.0 (13 %) |" in text


def test_a_profile_without_layers(profiled: Results, written) -> None:
    """A runtime that has delegates, and names no layers."""
    first, *others = profiled.profiles
    mixed = first.model_copy(update={"layers": (), "delegated_ms": first.run_ms / 4})
    text = written(profiled.model_copy(update={"profiles": (mixed, *others)}), suffix="md")
    assert f"By operator alone: {first.contender}. The runtime's profiler does not say" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| of which delegated |")]
    assert row.count("(25 %)") == 1
    heads = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert first.contender in heads["| operator"]
    assert first.contender not in heads["| layer"] and others[0].contender in heads["| layer"]
    none = profiled.model_copy(update={"profiles": (mixed,)})
    assert "Profile by layer" not in written(none, suffix="md")
    assert "of which delegated" not in written(profiled, suffix="md")


def test_without_profiles_there_is_no_section(written) -> None:
    assert "Where the time goes" not in written(phone_results())
