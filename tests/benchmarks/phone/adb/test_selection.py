"""Device selection, and the messages where it is ambiguous."""

import pytest

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.parsing import ListedDevice
from squeezebert_mobile.benchmarks.phone.adb.selection import connection_used, select_devices

PIXEL = ListedDevice("8A1X", "device", "Pixel 3")
OTHER = ListedDevice("R58 $(x)", "device", "A52")
EMULATOR = ListedDevice("emulator-5554", "device", "sdk")
LOCKED, AWAY = (
    ListedDevice("8A1X", "unauthorized", None),
    ListedDevice("10.0.0.7:5555", "offline", None),
)


@pytest.mark.parametrize(
    ("listed", "serials", "all_devices", "chosen"),
    [
        ([PIXEL], [], False, [PIXEL]),
        ([PIXEL, EMULATOR, AWAY], [], False, [PIXEL]),
        ([PIXEL, OTHER], ["R58 $(x)"], False, [OTHER]),
        ([PIXEL, OTHER], ["R58 $(x)", "8A1X", "8A1X"], False, [OTHER, PIXEL]),
        ([PIXEL, OTHER, EMULATOR, AWAY], [], True, [PIXEL, OTHER]),
        ([PIXEL, EMULATOR], ["emulator-5554"], False, [EMULATOR]),
    ],
)
def test_chosen(
    listed: list[ListedDevice], serials: list[str], all_devices: bool, chosen: list[ListedDevice]
) -> None:
    assert select_devices(listed, serials, all_devices=all_devices) == chosen


# One phone with several connections ----------------------------------------------------------

ADDRESS = ListedDevice("192.168.1.7:41234", "device", "Pixel 3")
SERVICE = ListedDevice("adb-8A1X-x0y1z2._adb-tls-connect._tcp", "device", "Pixel 3")
OTHER_ADDRESS = ListedDevice("[fe80::1]:5555", "device", "A52")
#: Serial in adb -> ro.serialno.
NUMBERS = {
    PIXEL.serial: "8A1X",
    ADDRESS.serial: "8A1X",
    SERVICE.serial: "8A1X",
    OTHER.serial: "R58",
    OTHER_ADDRESS.serial: "R58",
}


def number(device: ListedDevice) -> str | None:
    return NUMBERS[device.serial]


@pytest.mark.parametrize(
    ("listed", "serials", "all_devices", "chosen"),
    [
        ([SERVICE, ADDRESS, PIXEL], [], True, [PIXEL]),
        ([SERVICE, ADDRESS], [], True, [ADDRESS]),
        ([SERVICE, PIXEL], [], True, [PIXEL]),
        ([SERVICE, OTHER_ADDRESS, ADDRESS, OTHER], [], True, [ADDRESS, OTHER]),
        ([PIXEL, ADDRESS, SERVICE], [], False, [PIXEL]),  # one phone: no question
        ([PIXEL, ADDRESS, SERVICE], [ADDRESS.serial], False, [ADDRESS]),
        ([PIXEL, ADDRESS, SERVICE], [ADDRESS.serial, PIXEL.serial], False, [PIXEL]),
        ([AWAY, PIXEL], [], True, [PIXEL]),
    ],
)
def test_a_phone_with_several_connections_is_selected_once(
    listed: list[ListedDevice], serials: list[str], all_devices: bool, chosen: list[ListedDevice]
) -> None:
    found = select_devices(listed, serials, all_devices=all_devices, serial_number=number)
    assert found == chosen


def test_phones_are_counted_and_not_their_connections() -> None:
    with pytest.raises(PhoneError) as caught:
        select_devices([SERVICE, PIXEL, OTHER_ADDRESS], [], all_devices=False, serial_number=number)
    assert str(caught.value) == (
        "2 phones are connected ('8A1X', '[fe80::1]:5555'); select one with --serial 8A1X, or use "
        "--all-devices"
    )


def test_phones_without_a_serial_number_are_each_their_own() -> None:
    listed = [ADDRESS, SERVICE, OTHER]
    found = select_devices(listed, [], all_devices=True, serial_number=lambda device: None)
    assert found == listed


def test_by_usb_adbs_serial_is_the_phones_own() -> None:
    """A phone that does not answer by USB is still known to be that of the address."""
    numbers = {PIXEL.serial: None, ADDRESS.serial: "8A1X"}
    used = connection_used([ADDRESS, PIXEL], lambda device: numbers[device.serial])
    assert used == {PIXEL.serial: PIXEL.serial, ADDRESS.serial: PIXEL.serial}


@pytest.mark.parametrize(
    ("listed", "serials", "message"),
    [
        (
            [],
            [],
            "no phone is connected; connect one by cable with USB debugging enabled (Settings, "
            "Developer options), or over Wi-Fi with: adb pair, adb connect; to see what is "
            "missing, run: squeezebert-mobile doctor",
        ),
        (
            [PIXEL, OTHER],
            [],
            "2 phones are connected ('8A1X', 'R58 $(x)'); select one with --serial 8A1X, or use "
            "--all-devices",
        ),
        (
            [OTHER, PIXEL],
            [],
            "2 phones are connected ('R58 $(x)', '8A1X'); select one with --serial 'R58 $(x)', or "
            "use --all-devices",
        ),
        (
            [LOCKED],
            [],
            "the phone '8A1X' is unauthorized; unlock the phone and allow USB debugging in the "
            "dialog that it shows",
        ),
        (
            [AWAY],
            ["10.0.0.7:5555"],
            "the phone '10.0.0.7:5555' is offline; unplug the cable and plug it in again, or "
            "run: adb reconnect offline",
        ),
        (
            [EMULATOR],
            [],
            "only emulators are connected ('emulator-5554'), and emulator latency does not "
            "represent a phone's; connect a phone, or select an emulator with --serial "
            "emulator-5554",
        ),
        (
            [PIXEL],
            ["8A1Y"],
            "no phone '8A1Y'; connected: '8A1X'; run: squeezebert-mobile devices",
        ),
        ([], ["x"], "no phone 'x'; nothing is connected; run: squeezebert-mobile devices"),
    ],
)
@pytest.mark.parametrize("all_devices", [False, True])
def test_refused(
    listed: list[ListedDevice], serials: list[str], message: str, all_devices: bool
) -> None:
    if all_devices and len(listed) > 1:
        assert (
            select_devices(listed, serials, all_devices=True) == listed
        )  # then there is no question
        return
    with pytest.raises(PhoneError) as caught:
        select_devices(listed, serials, all_devices=all_devices)
    assert str(caught.value) == message
