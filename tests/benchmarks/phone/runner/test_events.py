"""Lines of a runner: events of docs/runner.md are read, everything else is refused in one line."""

import json
import time
from typing import Any

import pytest

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.runner.events import parse_event

OUTPUT = {"max_abs_diff": 0.5, "tolerance": 1, "same_answers": None, "texts": 8, "holds": True}
EVENTS: dict[str, dict[str, Any]] = {
    "hello": {"protocol": 1},
    "progress": {"stage": "load", "done": 0, "of": 1},
    "artifact": {"model_sha256": "0" * 64},
    "load": {"load_ns": 1_000_000},
    "golden": {"outputs": {"logits": OUTPUT}},
    "ready": {},
    "warm_up": {"id": "1", "samples_ns": [5_000_000] * 3, "stable": True, "context": {}},
    "block": {"id": "2", "samples_ns": [5_000_000]},
    "probe": {"id": "3", "samples_ns": [5_000_000]},
    "profile": {"id": "4", "file": "/data/local/tmp/squeezebert-mobile/job-profile_1.json"},
    "error": {"kind": "memory", "message": "the heap is full"},
}


def _line(name: str, **changes: Any) -> bytes:
    fields = {"event": name, **EVENTS[name], **changes}
    kept = {field: value for field, value in fields.items() if value is not ...}
    return json.dumps(kept).encode()


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_read(name: str) -> None:
    assert parse_event(_line(name, more=1)) == {"event": name, **EVENTS[name], "more": 1}


def _refused(line: bytes) -> str:
    with pytest.raises(PhoneError) as caught:
        parse_event(line)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    assert message.endswith("; restart the phone, and report it if that does not help")
    return message


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field) for name in EVENTS if name not in ("hello", "progress", "artifact")
     for field in EVENTS[name]],
)  # fmt: skip
@pytest.mark.parametrize("value", [..., None, "x", True, [], 0.5, -1, 10**30, [None], {"": {}}])
def test_a_missing_or_wrong_field_is_named(name: str, field: str, value: Any) -> None:
    fits = {"id": str, "kind": str, "message": str, "stable": bool}.get(field)
    if fits is not None and isinstance(value, fits) or (field, value) == ("context", {"": {}}):
        return
    message = _refused(_line(name, **{field: value}))
    assert message.startswith(f"the runner sent an invalid {name!r} event, at {field}")


@pytest.mark.parametrize(
    "samples",
    [[], [0], [-5_000_000], [5_000_000, 0], [1], [999], [600_000_000_001], [5e6], ["5000000"],
     [10**400], [True], [[5_000_000]], [5_000_000] * 100_001, None],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("name", ["warm_up", "block", "probe"])
def test_impossible_times_are_refused(name: str, samples: Any) -> None:
    message = _refused(_line(name, samples_ns=samples))
    assert f"invalid {name!r} event, at samples_ns" in message


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "-0.5", "null"]
)
@pytest.mark.parametrize("field", ["max_abs_diff", "tolerance"])
def test_no_number_that_a_journal_cannot_hold(field: str, value: str) -> None:
    line = _line("golden", outputs={"logits": OUTPUT | {field: 12345}})
    line = line.replace(b"12345", value.encode())
    if (field, value) == ("max_abs_diff", "null"):
        parse_event(line)  # an output is NaN: an error of the kind golden follows
    else:
        _refused(line)


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "\x1b[31m", "", "x" * 201, "é"])
def test_names_of_outputs_are_plain(name: str) -> None:
    assert "'golden' event" in _refused(_line("golden", outputs={name: OUTPUT}))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"W/linker: unused DT entry",
        b"\x00\xff\xfe",
        b"[]",
        b"{}",
        b'{"event": 1}',
        b'{"event": "load", "load_ns": NaN}',
        b'{"event": "load", "load_ns": ' + b"9" * 5000 + b"}",
        b"[" * 1_000_000,
        b'{"event": "load", "load_ns": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b'{"a":' * 200_000,
        b'"' + b"a" * 1_000_000,
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_line_that_is_no_event(line: bytes) -> None:
    begun = time.monotonic()
    assert _refused(line).startswith("the runner wrote a line that is not an event: ")
    assert time.monotonic() - begun < 20  # 1 MB; a busy machine
