"""Device selection, and the messages where it is ambiguous."""

import pytest

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.parsing import ListedDevice
from squeezebert_mobile.benchmarks.phone.adb.selection import select_devices

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
