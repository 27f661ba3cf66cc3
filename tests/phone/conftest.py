"""An adb server for all tests, and a stand-in for a phone for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from phone_run import Run
from phone_stand_in import PRETEND_RUNNER, AdbServer, StandIn


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb")) as server:
        yield server


@pytest.fixture
def run(adb_server: AdbServer, tmp_path: Path) -> Iterator[Run]:
    with StandIn(tmp_path / "phone", "pixel 8", runner_command=PRETEND_RUNNER) as phone:
        adb_server.connect(phone)
        yield Run(tmp_path, adb_server, phone)
        adb_server.disconnect(phone)
