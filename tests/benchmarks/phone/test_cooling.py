"""When a phone is too hot to be measured, and how long to wait."""

import pytest

from squeezebert_mobile.benchmarks.phone.cooling import Cooling, why_hot
from squeezebert_mobile.benchmarks.records.phone import Conditions


def conditions(**changes: object) -> Conditions:
    values: dict[str, object] = {
        "at_s": 0.0,
        "thermal_status": 0,
        "celsius": {},
        "battery_percent": 80,
        "battery_celsius": 30.0,
        "plugged": "usb",
        "cpu_khz": {},
        "load_average": None,
    }
    return Conditions.model_validate(values | changes)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"thermal_status": 2}, "thermal status 2"),
        ({"battery_celsius": 37.0}, None),
        ({"battery_celsius": 37.1}, "37.1 of 37 °C"),
        ({"celsius": {"VIRTUAL-SKIN": 36.0}, "battery_celsius": 40.0}, None),
        ({"celsius": {"skin-therm": 39.5, "cpu": 80.0}}, "39.5 of 37 °C"),
        ({"battery_celsius": None, "thermal_status": None}, None),
    ],
)
def test_why_hot(changes: dict[str, object], why: str | None) -> None:
    assert why_hot(conditions(**changes), 37) == why


@pytest.mark.parametrize(("hot_looks", "limit", "slept"), [(0, 60, 0), (3, 60, 15), (99, 12, 12)])
def test_waits_until_cool_or_until_the_limit(hot_looks: int, limit: float, slept: float) -> None:
    looks, told, pauses = [], [], []

    def look() -> Conditions:
        looks.append(1)
        return conditions(thermal_status=3 if len(looks) <= hot_looks else 0)

    now = Cooling(limit_s=limit).wait(
        look, lambda why, left: told.append((why, left)), pauses.append
    )
    assert sum(pauses) == slept
    assert now.thermal_status == (3 if hot_looks == 99 else 0)
    assert [left for _, left in told] == [limit - 5 * i for i in range(len(told))]
    assert all(why == "cooling down: thermal status 3" for why, _ in told)
