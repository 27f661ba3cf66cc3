"""The table of docs/evaluate.md: one row is measured again, and none is missing."""

import re
from pathlib import Path

import accuracy_table
import pytest

from squeezebert_mobile.evaluation import score
from squeezebert_mobile.export import export_checkpoint, reference_pipeline
from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.runtime import load_artifact


def _row(name: str) -> list[float]:
    """The fractions in a row of the page."""
    match = re.search(
        rf"^\| {name} \|(.*)\|$", accuracy_table.PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert match
    cells = (cell.strip() for cell in match[1].split("|"))
    return [float(cell.rstrip("%")) / 100 for cell in cells if cell]


def test_the_accuracy_of_the_demo_in_int8(tmp_path: Path) -> None:
    data = accuracy_table.held_out("demo")
    assert len(data.examples) == 1200
    theirs = score(reference_pipeline(open_checkpoint("demo")), data, batch_size=32)
    export_checkpoint("demo", tmp_path / "int8")
    with load_artifact(tmp_path / "int8", threads=1) as model:
        ours = score(model, data)
    assert theirs.metrics["accuracy"] == pytest.approx(_row("the checkpoint")[0], abs=0.001)
    accuracy, same, *_ = _row("ONNX int8")
    assert ours.metrics["accuracy"] == pytest.approx(accuracy, abs=0.005)
    assert accuracy_table.agreement(ours, theirs) == pytest.approx(same, abs=0.005)


def test_every_format_and_precision_has_a_row() -> None:
    page = accuracy_table.PAGE.read_text(encoding="utf-8")
    for facts in accuracy_table.FORMATS.values():
        for precision in facts.precisions:
            cells = _row(f"{facts.name} {precision}")
            assert len(cells) == 2 * len(accuracy_table.DEMOS)
    assert page.count("<!-- accuracy -->") == 1
