"""Checks of numbers on the command line, where typer accepts nan and inf.

Every comparison with nan is false: a limit of nan would never be exceeded.
"""

import math

import typer

__all__ = ["finite", "positive"]


def finite(value: float | None) -> float | None:
    """Callback of an option that takes any finite number."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def positive(value: float | None) -> float | None:
    """Callback of an option that takes a finite number above 0."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is not a finite number above 0.")
    return value
