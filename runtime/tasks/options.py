"""Checks of the pipelines' options."""

from squeezebert_mobile.errors import InputError

__all__ = ["check_count", "check_top_k"]


def check_count(name: str, value: int, least: int) -> None:
    """Raise InputError unless the option `name` is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={value!r} must be a whole number of at least {least}")


def check_top_k(top_k: int | None) -> None:
    """Raise InputError unless `top_k` is a positive integer or None."""
    if top_k is not None:
        check_count("top_k", top_k, 1)
