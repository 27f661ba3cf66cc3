"""Waiting until a phone is cool: what it does while it throttles says nothing of a model."""

from collections.abc import Callable
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.records.phone import Conditions

__all__ = ["Cooling", "why_hot"]

_EVERY = 5.0  # seconds between two looks


@dataclass(frozen=True)
class Cooling:
    """When to wait, and how long at most."""

    max_celsius: float = 37.0  # of the skin sensor, or the battery where there is none
    limit_s: float = 300.0  # for one wait; MLPerf Mobile's app waits five minutes before each test

    def wait(
        self,
        look: Callable[[], Conditions],
        tell: Callable[[str, float], None],
        sleep: Callable[[float], None],
    ) -> Conditions:
        """Wait while the phone is hot; what follows after the limit is flagged, not refused.

        Args:
            look: How the phone is now.
            tell: Called with the reason and the seconds that may still pass.
            sleep: Lets seconds pass.

        Returns:
            How the phone was at the end.
        """
        left = self.limit_s
        while (why := why_hot(now := look(), self.max_celsius)) and left > 0:
            tell(f"cooling down: {why}", left)
            pause = min(_EVERY, left)
            sleep(pause)
            left -= pause
        return now


def why_hot(conditions: Conditions, max_celsius: float) -> str | None:
    """Why a phone should not be measured now; None if it may be."""
    if conditions.thermal_status:
        return f"thermal status {conditions.thermal_status}"
    skin = [value for name, value in conditions.celsius.items() if "skin" in name.lower()]
    battery = conditions.battery_celsius
    warmest = max(skin) if skin else battery
    if warmest is not None and warmest > max_celsius:
        return f"{warmest:.1f} of {max_celsius:g} °C"
    return None
