"""The test vectors and tables of the Kotlin tokenizer still match the tokenizers library."""

import json
from pathlib import Path

import pack_runner
import pytest
import unicode_tables
import wordpiece_vectors

GOLDEN = Path(__file__).parents[2] / "golden" / "wordpiece.json"


def test_golden_vectors() -> None:
    recorded = json.loads(GOLDEN.read_text(encoding="ascii"))
    assert recorded == json.loads(json.dumps(wordpiece_vectors.golden())), (
        "run: make unicode-tables"
    )


@pytest.mark.slow
def test_unicode_tables() -> None:
    recorded = pack_runner.TABLES.read_text(encoding="ascii")
    assert recorded == unicode_tables.tables(), "run: make unicode-tables"
