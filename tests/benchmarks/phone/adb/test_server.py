"""Finding adb, and starting its server: what is used, and what is said if there is none."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import adbutils
import pytest
from commands import Cli

from squeezebert_mobile.benchmarks.phone import doctor
from squeezebert_mobile.benchmarks.phone.adb import server
from squeezebert_mobile.benchmarks.phone.adb.client import Adb
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, PhoneUnreachable
from squeezebert_mobile.benchmarks.phone.adb.server import find_adb

REAL_ADB = adbutils.adb_path()
NONE = "there is no adb in the package adbutils, on PATH or in ANDROID_HOME; "


def _no_program() -> str:
    raise adbutils.AdbError("No adb exe could be found. Install adb on your system")


def _no_package() -> str:
    raise ModuleNotFoundError("No module named 'adbutils.binaries'")


@pytest.fixture(params=[_no_program, _no_package])
def no_adb(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """adbutils as its source distribution installs it, on a computer without adb."""
    monkeypatch.setattr(adbutils, "adb_path", request.param)
    for name in ("ADBUTILS_ADB_PATH", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(probe.getsockname()[1]))


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Makes an SDK in a folder, whose adb is a script."""

    def make(script: str) -> Path:
        path = tmp_path / "sdk $(x)" / "platform-tools" / "adb"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


def test_adbutils_comes_first(
    monkeypatch: pytest.MonkeyPatch, program: Callable[..., Path]
) -> None:
    path = str(program("true"))
    monkeypatch.setattr(adbutils, "adb_path", lambda: path)
    monkeypatch.setenv("ANDROID_HOME", "/nowhere")
    assert find_adb() == path


@pytest.mark.parametrize("name", ["ANDROID_HOME", "ANDROID_SDK_ROOT"])
@pytest.mark.usefixtures("no_adb")
def test_adb_of_an_sdk(
    monkeypatch: pytest.MonkeyPatch, program: Callable[..., Path], name: str
) -> None:
    path = program("true")
    monkeypatch.setenv(name, str(path.parents[1]))
    assert find_adb() == str(path)


@pytest.mark.parametrize(
    ("platform", "remedy"),
    [
        ("linux", "run: apt-get install adb (other distributions call the package android-tools)"),
        ("darwin", "run: brew install --cask android-platform-tools"),
        ("win32", "run: winget install Google.PlatformTools"),
        (
            "freebsd14",
            "install it from https://developer.android.com/tools/releases/platform-tools",
        ),
    ],
)
@pytest.mark.usefixtures("no_adb")
def test_no_adb(monkeypatch: pytest.MonkeyPatch, platform: str, remedy: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("ANDROID_HOME", "/nowhere")
    with pytest.raises(PhoneError) as caught:
        find_adb()
    assert str(caught.value) == NONE + remedy


@pytest.mark.usefixtures("no_adb")
def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADBUTILS_ADB_PATH", "/nowhere/adb")
    with pytest.raises(PhoneError) as caught:
        find_adb()
    assert str(caught.value) == (
        "ADBUTILS_ADB_PATH is '/nowhere/adb', which is not a program; set it to the path of adb, "
        "or unset it"
    )


@pytest.mark.parametrize("command", [("devices",), ("clean",), ("clean", "--all-devices")])
@pytest.mark.usefixtures("no_adb")
def test_commands_without_adb(cli: Cli, command: tuple[str, ...]) -> None:
    code, out, err = cli(*command)
    assert (code, out) == (1, "") and err.startswith(f"error: {NONE}") and err.count("\n") == 1


@pytest.mark.usefixtures("no_adb")
def test_doctor_without_adb(cli: Cli) -> None:
    code, out, err = cli("doctor", "--json")
    checks = {check["what"]: check for check in json.loads(out)}
    assert (code, err) == (1, "")
    for what in ("adb program", "adb server"):
        assert checks[what]["found"] is None and checks[what]["remedy"].startswith(NONE)


@pytest.mark.usefixtures("no_adb")
def test_a_remote_server_needs_no_program() -> None:
    checks = {check.what: check for check in doctor.check_computer("127.0.0.1:9")}
    assert not checks["adb program"].needed
    assert "no adb server answers at 127.0.0.1:9" in str(checks["adb server"].remedy)


@pytest.mark.parametrize(
    ("script", "reason"),
    [("exit 3", "exit status 3"), ("sleep 30", "no answer within 0.5 s"), (None, "Exec format")],
)
@pytest.mark.usefixtures("no_adb")
def test_a_server_that_does_not_start(
    monkeypatch: pytest.MonkeyPatch, program: Callable[..., Path], script: str | None, reason: str
) -> None:
    monkeypatch.setattr(server, "_SECONDS", 0.5)
    path = program(script or "")
    if script is None:  # a program for another processor
        path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(57))
    monkeypatch.setenv("ANDROID_HOME", str(path.parents[1]))
    with pytest.raises(PhoneUnreachable) as caught:
        Adb().listed()
    message = str(caught.value)
    assert message.startswith(f"the adb server does not start ({reason}")
    assert message.endswith(f"; to see why, run: '{path}' start-server")


@pytest.mark.usefixtures("no_adb")
@pytest.mark.phone
def test_the_server_is_started_by_the_adb_of_an_sdk(
    monkeypatch: pytest.MonkeyPatch, program: Callable[..., Path], tmp_path: Path
) -> None:
    path = program(f'exec "{REAL_ADB}" "$@"')
    monkeypatch.setenv("ANDROID_HOME", str(path.parents[1]))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ADB_MDNS_AUTO_CONNECT", "ADB_LIBUSB", "ADB_LOCAL_TRANSPORT_MAX_PORT"):
        monkeypatch.setenv(name, "0")
    try:
        assert Adb().version == 41
    finally:
        subprocess.run([REAL_ADB, "kill-server"], capture_output=True, check=False)


@pytest.mark.parametrize("port", ["", "adb", "0", "65536", "-1", "\u00b2"])
def test_a_port_that_is_none(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", port)
    with pytest.raises(PhoneError) as caught:
        Adb()
    assert str(caught.value) == (
        f"ANDROID_ADB_SERVER_PORT is {port!r}, which is not a port; set it to a number from 1 to "
        "65535, or unset it"
    )


@pytest.mark.parametrize("host", ["", "a..b", "x" * 64, "a b", "\0", "http://farm", "[::1]"])
def test_a_host_that_is_none(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    if "\0" not in host:  # which an environment cannot have
        monkeypatch.setenv("ANDROID_ADB_SERVER_HOST", host)
        with pytest.raises(PhoneError) as caught:
            Adb()
        assert str(caught.value) == (
            f"ANDROID_ADB_SERVER_HOST is {host!r}, which is not the name or address of a host; "
            "set it to one, or unset it"
        )
    if host != "[::1]":
        with pytest.raises(PhoneError, match="is not a valid address; use HOST:PORT"):
            Adb(f"{host}:5037")


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        "farm",
        "farm:",
        ":5037",
        "farm:0",
        "farm:65536",
        "farm:\u00b2",
        "farm:\uff15",
        "a:-1",
    ],
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(PhoneError) as caught:
        Adb(address)
    assert str(caught.value) == (
        f"--adb-server {address!r} is not a valid address; use HOST:PORT, e.g. farm:5037"
    )


def test_an_address_of_ipv6() -> None:
    with pytest.raises(PhoneUnreachable, match=r"no adb server answers at ::1:9 "):
        Adb("[::1]:9").listed()
