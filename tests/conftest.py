"""One thread for torch in every test: tests are small, and may share the machine."""

import pytest
import torch
from commands import Cli, runner
from hypothesis import settings

torch.set_num_threads(1)

settings.register_profile("short", max_examples=100, deadline=None)
settings.register_profile("fuzz", max_examples=20_000, deadline=None)  # make fuzz
settings.load_profile("short")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """The command line, called as a function."""
    return runner(monkeypatch, capfd)
