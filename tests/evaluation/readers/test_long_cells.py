"""Cells of more than 128 KB, Python's limit for CSV."""

import csv
import json
from pathlib import Path

import pytest

from squeezebert_mobile.evaluation.readers.data import read_file
from squeezebert_mobile.evaluation.readers.formats import read_data

LONG = "wake me at six " * 20_000  # 300 kB


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.csv", f"text,label\n{LONG},a\nstop,b\n"),
        ("quoted.csv", f'text,label\n"{LONG}, ""now""\n{LONG}",a\nstop,b\n'),
        ("semicolons.csv", f"text;label\n{LONG};a\nstop;b\n"),
        ("delimiter.csv", f"sep=;\ntext;label\n{LONG};a\nstop;b\n"),
        ("tabs.tsv", f"text\tlabel\n{LONG}\ta\nstop\tb\n"),
        ("last.csv", f"text,label\nstop,b\n{LONG},a"),
        ("lines.jsonl", json.dumps({"text": LONG, "label": "a"}) + '\n{"text":"stop","label":"b"}'),
    ],
)
def test_a_long_cell(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    limit = csv.field_size_limit()
    data = read_data(read_file(tmp_path / name), "text-classification")
    assert len(data.examples) == 2
    assert max(len(str(example)) for example in data.examples) > len(LONG)
    assert csv.field_size_limit() == limit
