"""Numbers and facts as the commands print them."""

import pytest

from squeezebert_mobile.cli.printing.tables import make_table, parameter_count, print_facts
from squeezebert_mobile.streams import Console


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1_538, "1,538"), (9_999, "9,999"), (10_000, "0.01 M"), (22_713_216, "22.71 M")],
)
def test_a_small_part_does_not_have_0_00_million_parameters(count: int, text: str) -> None:
    assert parameter_count(count) == text


def test_lines_in_a_file_are_whole_and_end_with_their_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    command = "squeezebert-mobile " + "export demo " * 20 + "-o DIR"
    print_facts(Console(), {"run": command, "a": "b"})
    table = make_table("name", "count")
    table.add_row("x", "1")
    Console().print(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"run  {command}", "a    b"]
    assert [line for line in lines if line != line.rstrip()] == []
