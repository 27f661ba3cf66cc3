"""A Hub on the loopback interface, with an empty cache."""

from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
import tiny


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small checkpoint."""
    folder = tmp_path_factory.mktemp("hub") / "checkpoint"
    tiny.write_checkpoint(folder, task="text-classification")
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub_server.HubServer]:
    """The server; huggingface_hub asks it, and its cache is in tmp_path/home."""
    from huggingface_hub.utils import close_session

    monkeypatch.chdir(tmp_path)
    with hub_server.served() as server:
        hub_server.use(monkeypatch, server.endpoint, tmp_path / "home")
        yield server
        close_session()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited for before another attempt, without waiting."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds
