"""The checks of `doctor` and `devices`: what measuring on a phone requires, and how to fix it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.phone.adb import parsing, selection
from squeezebert_mobile.benchmarks.phone.adb.client import Adb, Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.facts import (
    check_android,
    read_phone,
    serial_number,
)
from squeezebert_mobile.benchmarks.phone.adb.server import find_adb
from squeezebert_mobile.benchmarks.phone.app.sample_app import PACKAGE, check_app
from squeezebert_mobile.benchmarks.phone.libraries.parts import ONNX_RUNTIME, check_abi
from squeezebert_mobile.benchmarks.phone.runner_jar import RUNNER_JAR
from squeezebert_mobile.errors import MissingExtraError, require_extra
from squeezebert_mobile.programs import MAVEN

__all__ = ["Check", "DeviceStatus", "check_all", "list_devices"]


@dataclass(frozen=True)
class Check:
    """A requirement."""

    what: str
    found: str | None  # None: missing
    remedy: str | None = None
    needed: bool = True  # False: there is an alternative


@dataclass(frozen=True)
class DeviceStatus:
    """A device, and whether it can be measured."""

    serial: str
    state: str
    model: str | None
    android: str | None
    abi: str | None
    soc: str | None
    connection: str | None
    remedy: str | None  # None: it can be measured


def check_computer(server: str | None) -> list[Check]:
    """Check the computer: Python packages, adb, the runner, Maven for the native libraries.

    Args:
        server: Address of a remote adb server, or None.
    """
    return [*_packages(), *_adb(server), _runner(), _libraries()]


def _packages() -> Iterator[Check]:
    try:
        require_extra("bench")
    except MissingExtraError as error:
        yield Check("Python packages", None, str(error))
    else:
        yield Check("Python packages", "squeezebert-mobile[bench]")


def _adb(server: str | None) -> Iterator[Check]:
    try:
        yield Check("adb program", find_adb())
    except (PhoneError, MissingExtraError) as error:
        yield Check("adb program", None, str(error), needed=server is None)
    try:
        adb = Adb(server)
        yield Check("adb server", f"{server or 'on this computer'}, version {adb.version}")
    except (PhoneError, MissingExtraError) as error:
        yield Check("adb server", None, str(error))


def _runner() -> Check:
    if RUNNER_JAR.is_file():
        return Check("runner", f"{RUNNER_JAR.name}, {RUNNER_JAR.stat().st_size / 1e3:.0f} kB")
    return Check("runner", None, "install squeezebert-mobile again, or in a clone run: make runner")


def _libraries() -> Check:
    what = "Maven, for the phone's libraries"
    maven = shutil.which("mvn")
    if maven is None:
        install = MAVEN.command or MAVEN.remedy
        remedy = f"{install}, or pass {ONNX_RUNTIME.file} with --android-runtime"
        return Check(what, None, remedy, needed=False)
    command = [maven, "-version"]
    output = subprocess.run(command, capture_output=True, text=True, errors="replace").stdout
    version = re.search(r"Apache Maven [\w.-]+", output)  # in colour
    return Check(what, version[0] if version else maven)


def check_all(server: str | None) -> list[Check]:
    """Check the computer, then each device."""
    checks = check_computer(server)
    if any(check.what == "adb server" and check.found is None for check in checks):
        return checks
    devices = list_devices(Adb(server))
    if not devices:
        remedy = "connect one by cable with USB debugging enabled, or with: adb pair, adb connect"
        return [*checks, Check("phone", None, remedy)]
    ready = [device for device in devices if device.remedy is None]
    return [
        *checks,
        *(_device(device) for device in devices),
        *(_app(server, device) for device in ready),
    ]


def _device(device: DeviceStatus) -> Check:
    summary = _summary(device) if device.remedy is None else None
    return Check(f"device {device.serial}", summary, device.remedy, needed=False)


def _app(server: str | None, device: DeviceStatus) -> Check:
    what = f"sample app on {device.serial}"
    try:
        check_app(Device(Adb(server), device.serial))
    except PhoneError as error:
        return Check(what, None, str(error), needed=False)
    return Check(what, f"{PACKAGE}, a debug build")


def _summary(device: DeviceStatus) -> str:
    facts = (device.model, f"Android {device.android}", device.abi, device.connection)
    return ", ".join(fact for fact in facts if fact)


def list_devices(adb: Adb) -> list[DeviceStatus]:
    """All devices that the server knows, with what to do before they can be measured.

    Raises:
        PhoneUnreachable: the server does not answer.
    """
    listed = adb.listed()
    used = selection.connection_used(
        [device for device in listed if selection.remedy(device) is None],
        lambda device: serial_number(Device(adb, device.serial)),
    )
    return [_status(adb, device, used.get(device.serial)) for device in listed]


def _status(adb: Adb, listed: parsing.ListedDevice, used: str | None) -> DeviceStatus:
    if remedy := selection.remedy(listed):
        return _not_ready(listed, remedy)
    try:
        phone = read_phone(Device(adb, listed.serial), libraries={}, runner_sha256="")
        check_android(phone)
        check_abi(phone.abi)
    except PhoneError as error:
        return _not_ready(listed, str(error))
    if selection.is_emulator(listed.serial):
        remedy = "emulator latency does not represent a phone's; select it with --serial"
    elif used != listed.serial:
        remedy = f"the same phone as {used!r}, which is used; to use this one, pass its --serial"
    return DeviceStatus(
        serial=phone.serial,
        state=listed.state,
        model=phone.model,
        android=phone.android,
        abi=phone.abi,
        soc=phone.soc,
        connection=phone.connection,
        remedy=remedy,
    )


def _not_ready(listed: parsing.ListedDevice, remedy: str) -> DeviceStatus:
    return DeviceStatus(
        serial=listed.serial,
        state=listed.state,
        model=listed.model,
        android=None,
        abi=None,
        soc=None,
        connection=None,
        remedy=remedy,
    )
