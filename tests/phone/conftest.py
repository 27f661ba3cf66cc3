"""An adb server for all tests, and a stand-in for a phone for each."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from phone_run import Run
from phone_stand_in import PRETEND_RUNNER, AdbServer, StandIn


@pytest.fixture(scope="session", autouse=True)
def _without_waiting() -> Iterator[None]:
    """adbutils waits 40 ms within each push.

    It sends a file in small parts, each of which waits for the acknowledgement of the one before.
    """
    from adbutils import _adb

    connect = _adb.AdbConnection._create_socket

    def connected(self: _adb.AdbConnection) -> socket.socket:
        connection: socket.socket = connect(self)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_adb.AdbConnection, "_create_socket", connected)
        yield


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
