"""The processes of a training, which torchrun describes in environment variables."""

import os
import re

from squeezebert_mobile.errors import InputError

__all__ = ["check_processes", "is_distributed", "is_first_process"]

_START = (
    "start several processes with torchrun, or one without it: unset RANK LOCAL_RANK WORLD_SIZE"
)


def is_distributed() -> bool:
    """Whether this is a process of torchrun."""
    return "LOCAL_RANK" in os.environ


def is_first_process() -> bool:
    """Whether this process prints the results."""
    return not is_distributed() or _number("RANK", 0) == 0


def check_processes() -> None:
    """Check the numbers of this process and of all processes.

    Raises:
        InputError: one is not a number, or they contradict each other.
    """
    if not is_distributed():
        return
    size = _number("WORLD_SIZE", 1)
    if size < 1:
        raise InputError(f"WORLD_SIZE is {size}, which must be at least 1; {_START}")
    for name in ("RANK", "LOCAL_RANK"):
        if (rank := _number(name, 0)) >= size:
            raise InputError(f"{name} is {rank}, which must be below WORLD_SIZE, {size}; {_START}")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if size > 1 and not os.environ.get(name):
            raise InputError(f"WORLD_SIZE is {size}, but {name} is not set; {_START}")


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text):
        raise InputError(f"{name} is {text!r}, which must be a number from 0; {_START}")
    return int(text)
