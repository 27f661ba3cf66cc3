"""Which phone, and what one is told where that is not clear."""

import pytest

from squeezebert_mobile.benchmarks.phone.choosing import choose
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.parsing import Listed

PIXEL, OTHER = Listed("8A1X", "device", "Pixel 3"), Listed("R58 $(x)", "device", "A52")
EMULATOR = Listed("emulator-5554", "device", "sdk")
LOCKED, AWAY = Listed("8A1X", "unauthorized", None), Listed("10.0.0.7:5555", "offline", None)


@pytest.mark.parametrize(
    ("listed", "serials", "everyone", "chosen"),
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
    listed: list[Listed], serials: list[str], everyone: bool, chosen: list[Listed]
) -> None:
    assert choose(listed, serials, everyone=everyone) == chosen


@pytest.mark.parametrize(
    ("listed", "serials", "message"),
    [
        (
            [],
            [],
            "no phone is connected; connect one by cable with USB debugging switched on (Settings, "
            "Developer options), or over Wi-Fi with: adb pair, adb connect; squeezebert-mobile "
            "doctor shows what is missing",
        ),
        (
            [PIXEL, OTHER],
            [],
            "2 phones are connected ('8A1X', 'R58 $(x)'); choose with --serial 8A1X, or measure on "
            "--all-devices",
        ),
        (
            [OTHER, PIXEL],
            [],
            "2 phones are connected ('R58 $(x)', '8A1X'); choose with --serial 'R58 $(x)', or "
            "measure on --all-devices",
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
            "the phone '10.0.0.7:5555' is offline; take the cable out and in again, or run: adb "
            "reconnect offline",
        ),
        (
            [EMULATOR],
            [],
            "only emulators are connected ('emulator-5554'), and their latency is no phone's; "
            "connect a phone, or name one with --serial emulator-5554",
        ),
        (
            [PIXEL],
            ["8A1Y"],
            "no phone '8A1Y'; connected: '8A1X'; run: squeezebert-mobile devices",
        ),
        ([], ["x"], "no phone 'x'; nothing is connected; run: squeezebert-mobile devices"),
    ],
)
@pytest.mark.parametrize("everyone", [False, True])
def test_refused(listed: list[Listed], serials: list[str], message: str, everyone: bool) -> None:
    if everyone and len(listed) > 1:
        assert choose(listed, serials, everyone=True) == listed  # then there is no question
        return
    with pytest.raises(PhoneError) as caught:
        choose(listed, serials, everyone=everyone)
    assert str(caught.value) == message
