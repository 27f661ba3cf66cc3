"""What a measurement on a phone needs, what of it is there, and how to get the rest."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.phone import choosing, parsing
from squeezebert_mobile.benchmarks.phone.adb import Adb, Device
from squeezebert_mobile.benchmarks.phone.app import PACKAGE, check_app
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.facts import check_android, read_phone
from squeezebert_mobile.benchmarks.phone.libraries import ONNX_RUNTIME_VERSION, check_abi
from squeezebert_mobile.benchmarks.phone.pushing import RUNNER
from squeezebert_mobile.errors import MissingExtraError, require, require_extra

__all__ = ["Check", "SeenDevice", "check_all", "look_at_devices"]


@dataclass(frozen=True)
class Check:
    """One thing that is needed."""

    what: str
    found: str | None  # None: it is not there
    remedy: str | None = None
    needed: bool = True  # False: there is another way


@dataclass(frozen=True)
class SeenDevice:
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
    """The computer's side: packages, adb, the runner, and where the runtimes' libraries come from.

    Args:
        server: The address of an adb server elsewhere, or None.
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
        yield Check("adb program", require("adbutils", "bench").adb_path())
        adb = Adb(server)
        yield Check("adb server", f"{server or 'on this computer'}, version {adb.version}")
    except (PhoneError, MissingExtraError) as error:
        yield Check("adb server", None, str(error))


def _runner() -> Check:
    if RUNNER.is_file():
        return Check("runner", f"{RUNNER.name}, {RUNNER.stat().st_size / 1e3:.0f} kB")
    return Check("runner", None, "install squeezebert-mobile again, or in a clone run: make runner")


def _libraries() -> Check:
    what = "Maven, for the phone's libraries"
    maven = shutil.which("mvn")
    if maven is None:
        aar = f"onnxruntime-android-{ONNX_RUNTIME_VERSION}.aar"
        remedy = f"apt-get install maven, or give {aar} with --android-runtime"
        return Check(what, None, remedy, needed=False)
    told = subprocess.run([maven, "-version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"Apache Maven [\w.-]+", told)  # it colours its words
    return Check(what, version[0] if version else maven)


def check_all(server: str | None) -> list[Check]:
    """The computer, then each device."""
    checks = check_computer(server)
    if any(check.what == "adb server" and check.found is None for check in checks):
        return checks
    seen = look_at_devices(Adb(server))
    none = "connect one by cable, USB debugging switched on, or with: adb pair, adb connect"
    return checks + (
        [
            Check(f"device {each.serial}", _summary(each) if each.remedy is None else None,
                  each.remedy, needed=False)
            for each in seen
        ]
        or [Check("a phone", None, none)]
    ) + [_app(server, each) for each in seen if each.remedy is None]  # fmt: skip


def _app(server: str | None, device: SeenDevice) -> Check:
    what = f"sample app on {device.serial}"
    try:
        check_app(Device(Adb(server), device.serial))
    except PhoneError as error:
        return Check(what, None, str(error), needed=False)
    return Check(what, f"{PACKAGE}, a debug build")


def _summary(device: SeenDevice) -> str:
    told = (device.model, f"Android {device.android}", device.abi, device.connection)
    return ", ".join(part for part in told if part)


def look_at_devices(adb: Adb) -> list[SeenDevice]:
    """Every device that the server knows, with what is to be done before it can be measured.

    Raises:
        PhoneGone: the server does not answer.
    """
    return [_seen(adb, each) for each in adb.listed()]


def _seen(adb: Adb, listed: parsing.Listed) -> SeenDevice:
    if todo := choosing.remedy(listed):
        return _not_asked(listed, todo)
    try:
        phone = read_phone(Device(adb, listed.serial), libraries={}, runner_sha256="")
        check_android(phone)
        check_abi(phone.abi)
    except PhoneError as error:
        return _not_asked(listed, str(error))
    if choosing.is_emulator(listed.serial):
        todo = "its latency is no phone's; name it with --serial"
    return SeenDevice(
        serial=phone.serial,
        state=listed.state,
        model=phone.model,
        android=phone.android,
        abi=phone.abi,
        soc=phone.soc,
        connection=phone.connection,
        remedy=todo,
    )


def _not_asked(listed: parsing.Listed, todo: str) -> SeenDevice:
    return SeenDevice(
        serial=listed.serial,
        state=listed.state,
        model=listed.model,
        android=None,
        abi=None,
        soc=None,
        connection=None,
        remedy=todo,
    )
