"""Waiting until a phone has cooled down: latency while it throttles says little about a model."""

from collections.abc import Callable
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.records.phone import Conditions

__all__ = ["Cooling", "why_hot"]

_POLL_SECONDS = 5.0  # between two readings of the conditions


@dataclass(frozen=True)
class Cooling:
    """Above which temperature to wait, and for how long at most."""

    max_celsius: float = 37.0  # of the skin sensor, or of the battery if there is none
    limit_s: float = 300.0  # per wait; MLPerf Mobile's app waits five minutes before each test

    def wait(
        self,
        read: Callable[[], Conditions],
        report: Callable[[str, float], None],
        sleep: Callable[[float], None],
    ) -> Conditions:
        """Wait while the phone is hot. After the limit the run goes on, with flagged figures.

        Args:
            read: Reads the phone's conditions.
            report: Called with the reason and the maximum of seconds left to wait.
            sleep: Waits for some seconds.

        Returns:
            The conditions at the end.
        """
        left = self.limit_s
        while (reason := why_hot(now := read(), self.max_celsius)) and left > 0:
            report(f"cooling down: {reason}", left)
            pause = min(_POLL_SECONDS, left)
            sleep(pause)
            left -= pause
        return now


def why_hot(conditions: Conditions, max_celsius: float) -> str | None:
    """Why the phone is too hot to be measured; None if it is not."""
    if conditions.thermal_status:
        return f"thermal status {conditions.thermal_status}"
    skin = [value for name, value in conditions.celsius.items() if "skin" in name.lower()]
    battery = conditions.battery_celsius
    warmest = max(skin) if skin else battery
    if warmest is not None and warmest > max_celsius:
        return f"{warmest:.1f} of {max_celsius:g} °C"
    return None
