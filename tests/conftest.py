"""One thread for torch in every test: tests are small, and may share the machine."""

import pytest
import torch
from commands import Cli, runner

torch.set_num_threads(1)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """The command line, called as a function."""
    return runner(monkeypatch, capfd)
