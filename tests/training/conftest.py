"""What fine-tuning tests start from: a checkpoint without a head, and a table of labelled texts."""

from pathlib import Path

import pytest
import tiny
from labelled import write
from small_training import TABLE


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny encoder without a head."""
    folder = tmp_path_factory.mktemp("start") / "headless"
    tiny.write_checkpoint(folder)
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A JSONL file with six texts and two labels."""
    return write(tmp_path, "table.jsonl", TABLE)
