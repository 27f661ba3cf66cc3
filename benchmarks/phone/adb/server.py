"""The adb program of this computer, and its server."""

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, PhoneUnreachable
from squeezebert_mobile.benchmarks.phone.adb.parsing import whole_number
from squeezebert_mobile.errors import require
from squeezebert_mobile.programs import ADB

__all__ = ["find_adb", "local_server", "start_server", "valid_host", "valid_port"]

_SECONDS = 20.0  # for the server to start


def find_adb() -> str:
    """The path of the adb program: of adbutils or on PATH, or else of an Android SDK.

    Raises:
        PhoneError: there is none; the message says what to install.
        MissingExtraError: adbutils is not installed.
    """
    chosen = os.environ.get("ADBUTILS_ADB_PATH")
    if chosen and not shutil.which(chosen):
        raise PhoneError(
            f"ADBUTILS_ADB_PATH is {chosen!r}, which is not a program; set it to the path of adb, "
            "or unset it"
        )
    for path in _candidates():
        if found := shutil.which(path):
            return found
    raise PhoneError(
        f"there is no adb in the package adbutils, on PATH or in ANDROID_HOME; {ADB.remedy}"
    )


def _candidates() -> Iterator[str]:
    adbutils = require("adbutils", "bench")
    # Its source distribution, for Apple silicon and Linux on ARM64, has no programs.
    with contextlib.suppress(adbutils.AdbError, ImportError):
        yield str(adbutils.adb_path())
    for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        if folder := os.environ.get(name):
            yield str(Path(folder, "platform-tools", "adb"))


def local_server() -> tuple[str, int]:
    """Host and port of this computer's adb server, which adb's own variables can change.

    Raises:
        PhoneError: the port is not valid.
    """
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", "5037")
    if not valid_port(port):
        raise PhoneError(
            f"ANDROID_ADB_SERVER_PORT is {port!r}, which is not a port; set it to a number from 1 "
            "to 65535, or unset it"
        )
    host = os.environ.get("ANDROID_ADB_SERVER_HOST", "127.0.0.1")
    if not valid_host(host):
        raise PhoneError(
            f"ANDROID_ADB_SERVER_HOST is {host!r}, which is not the name or address of a host; set "
            "it to one, or unset it"
        )
    return host, int(port)


def valid_port(text: str) -> bool:
    """Whether this is the number of a port, from 1 to 65535."""
    return 0 < (whole_number(text) or 0) < 65536


def valid_host(text: str) -> bool:
    """Whether this can be the name or the address of a host; it may not exist."""
    if not re.fullmatch(r"[\w.:%-]+", text):
        return False
    try:
        text.encode("idna")
    except UnicodeError:  # an empty part, or one that is too long
        return False
    return True


def start_server(host: str, port: int) -> None:
    """Start this computer's adb server, unless one answers at `host` and `port`.

    Raises:
        PhoneError: there is no adb program.
        PhoneUnreachable: the server does not start.
    """
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), timeout=_SECONDS).close()
        return
    command = [find_adb(), "start-server"]
    # The server keeps the output open, so nothing may wait for its end.
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PhoneUnreachable(
            f"the adb server does not start ({_reason(error)}); to see why, run: "
            f"{shlex.join(command)}"
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {_SECONDS:g} s"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
