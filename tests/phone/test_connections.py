"""One phone that adb lists several times, by each of its connections."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Cli
from phone_run import Run
from phone_stand_in import PRETEND_RUNNER, StandIn

from squeezebert_mobile.benchmarks.phone.adb.client import Adb, Device
from squeezebert_mobile.benchmarks.phone.adb.facts import serial_number
from squeezebert_mobile.benchmarks.phone.commands import clean_phones
from squeezebert_mobile.benchmarks.phone.doctor import list_devices

pytestmark = [pytest.mark.phone, pytest.mark.timeout(120)]


@pytest.fixture
def twice(run: Run) -> Iterator[tuple[str, str]]:
    """The serials of one phone that is connected by two addresses."""
    second = run.phone.serial.replace("127.0.0.1", "localhost")
    run.server.client.connect(second, timeout=10)
    yield run.phone.serial, second
    run.server.client.disconnect(second)


def test_all_devices_are_all_phones(run: Run, twice: tuple[str, str], tmp_path: Path) -> None:
    assert set(run.server.states()) == set(twice)
    (freed,) = clean_phones(run.server.address, (), all_devices=True)
    assert freed[0] in twice
    with StandIn(tmp_path / "other", "pixel 3", runner_command=PRETEND_RUNNER) as other:
        run.server.connect(other)
        found = [name for name, _ in clean_phones(run.server.address, (), all_devices=True)]
        run.server.disconnect(other)
    assert len(found) == 2 and other.serial in found


def test_devices_says_which_connection_is_used(run: Run, twice: tuple[str, str]) -> None:
    used, other = sorted(list_devices(Adb(run.server.address)), key=lambda each: bool(each.remedy))
    assert used.remedy is None
    assert other.remedy == (
        f"the same phone as {used.serial!r}, which is used; to use this one, pass its --serial"
    )


@pytest.mark.parametrize("number", ["", "unknown", "0123456789ABCDEF"])
def test_phones_without_a_serial_number_of_their_own(
    run: Run, twice: tuple[str, str], number: str
) -> None:
    run.phone.set_properties(**{"ro.serialno": number})
    assert serial_number(Device(Adb(run.server.address), twice[0])) is None
    assert len(clean_phones(run.server.address, (), all_devices=True)) == 2


def test_devices_as_json_lists_every_connection(cli: Cli, run: Run, twice: tuple[str, str]) -> None:
    code, out, _ = cli("devices", "--json", "--adb-server", run.server.address)
    assert code == 0 and {each["serial"] for each in json.loads(out)} == set(twice)
