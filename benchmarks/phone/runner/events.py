"""The runner's events, as docs/runner.md describes them: parsed and checked, line by line.

What is not such an event is refused before it is used: a runner of another make, or a program that
writes to its output, must not end in figures or in a journal that cannot be read.
"""

import json
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.records.targets import Accelerator

__all__ = ["LONGEST_NS", "SHORTEST_NS", "parse_event"]

#: Limits of a run's time: no phone runs a model in less than a microsecond, and nobody waits for
#: one that needs more than ten minutes.
SHORTEST_NS, LONGEST_NS = 1_000, 600_000_000_000

_SHOWN = 80  # characters of an unexpected line in a message
_REMEDY = "restart the phone, and report it if that does not help"

_Nanoseconds = Annotated[int, Field(ge=0, le=LONGEST_NS)]
_Samples = Annotated[
    list[Annotated[int, Field(ge=SHORTEST_NS, le=LONGEST_NS)]],
    Field(min_length=1, max_length=100_000),
]
_Kilobytes = Annotated[int, Field(ge=0, lt=2**40)]
_Name = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,200}$")]
_Count = Annotated[int, Field(ge=0, lt=2**31)]


class _Fields(BaseModel):
    """The fields of an event that are used; others are ignored."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Context(_Fields):
    memory_kb: _Kilobytes | None = None
    peak_memory_kb: _Kilobytes | None = None


class _Output(_Fields):
    max_abs_diff: Annotated[float, Field(ge=0)] | None  # None: an output is NaN
    tolerance: Annotated[float, Field(ge=0)]
    same_answers: _Count | None
    texts: Annotated[int, Field(ge=1, lt=2**31)]


class _Operators(_Fields):
    accelerator: _Count
    cpu: _Count


class _Accelerator(_Fields):
    requested: Accelerator
    available: Annotated[list[_Name], Field(max_length=20)]
    reason: Annotated[str, StringConstraints(max_length=10_000)] | None
    operators: _Operators | None


class _Load(_Fields):
    load_ns: _Nanoseconds
    accelerator: _Accelerator | None = None


class _Golden(_Fields):
    outputs: Annotated[dict[_Name, _Output], Field(min_length=1)]


class _Times(_Fields):
    id: str
    samples_ns: _Samples


class _WarmUp(_Times):
    stable: bool
    context: _Context


class _FirstAnswer(_Fields):
    id: str
    since_start_ns: _Nanoseconds | None  # None: the kernel does not tell when a process began


class _Profile(_Fields):
    id: str
    file: Annotated[str, StringConstraints(pattern=r"^/[\x20-\x7e]{1,1000}$")]


class _Error(_Fields):
    kind: str
    message: str


#: Of the other events only the name is used, or values that are compared with expected ones.
_EVENTS: dict[str, type[_Fields]] = {
    "load": _Load,
    "golden": _Golden,
    "warm_up": _WarmUp,
    "block": _Times,
    "first_answer": _FirstAnswer,
    "probe": _Times,
    "profile": _Profile,
    "error": _Error,
}


def parse_event(line: bytes) -> dict[str, Any]:
    """The event of a line; its fields that are used have the right types and possible values.

    Raises:
        PhoneError: the line is something else.
    """
    try:
        event = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        shown = line[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN]
        raise PhoneError(f"the runner wrote a line that is not an event: {shown!r}; {_REMEDY}")
    name = event["event"]
    if name not in _EVENTS:
        return event
    try:
        _EVENTS[name].model_validate(event)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # A key may be any text: what is not ASCII is escaped, as in the values.
        where = ".".join(ascii(part).strip("'") for part in first["loc"])[:_SHOWN]
        value = "" if first["type"] == "missing" else f", not {first['input']!r:.{_SHOWN}}"
        raise PhoneError(
            f"the runner sent an invalid {name!r} event, at {where}: {first['msg']}{value}; "
            f"{_REMEDY}"
        ) from None
    return event


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
