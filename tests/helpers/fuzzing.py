"""Mutated files, and a guard against side effects of reading them."""

import copy
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from squeezebert_mobile.errors import SqueezeBertMobileError


class Content(bytes):
    """The bytes of a file, abbreviated in reports."""

    def __repr__(self) -> str:
        return f"Content({bytes(self[:200])!r}... {len(self)} bytes)"


# Documents ----------------------------------------------------------------------------------

_NUMBERS = st.one_of(
    st.integers(-3, 70),
    st.sampled_from([2**31, 2**63, -(2**63), 10**30, 1e308, -0.5]),
    st.floats(),
)
_TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "../out", "/etc/passwd", "model.onnx", "\ud800", "a" * 5000, "[PAD]"]),
)
_LEAVES = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _same_kind(value: Any) -> st.SearchStrategy[Any]:
    """Another value of the same JSON type."""
    match value:
        case bool():
            return st.booleans()
        case int() | float():
            return st.integers(0, 70) if isinstance(value, int) else st.floats(-9, 9)
        case str():
            return _TEXTS
        case list():
            return st.sampled_from([value[:-1], value + value[-1:], value[::-1], []])
    return _VALUES


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All containers in `value`, each with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@st.composite
def mutated_json(draw: st.DrawFn, document: Any) -> Content:
    """`document` with one to three values replaced, removed or added; sometimes damaged bytes."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        if not (places := list(_places(document))):
            break
        container, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["vary", "vary", "vary", "replace", "remove", "add"])):
            case "vary":
                container[key] = draw(_same_kind(container[key]))
            case "replace":
                container[key] = draw(_VALUES)
            case "remove":
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(_TEXTS)] = draw(_VALUES)
            case "add":
                container.append(draw(_VALUES))
    data = json.dumps(document).encode()
    return draw(mutated_bytes(data)) if draw(st.integers(0, 7)) == 7 else Content(data)


@st.composite
def mutated_bytes(draw: st.DrawFn, data: bytes) -> Content:
    """`data` with some bytes replaced by others."""
    start = draw(st.integers(0, len(data)))
    length = draw(st.sampled_from([0, 1, 4, 8, len(data)]))
    return Content(data[:start] + draw(st.binary(max_size=12)) + data[start + length :])


@st.composite
def mutated_safetensors(draw: st.DrawFn, data: bytes) -> Content:
    """A safetensors file with a mutated header or damaged bytes."""
    if draw(st.integers(0, 3)) == 3:
        return draw(mutated_bytes(data))
    length = int.from_bytes(data[:8], "little")
    header = draw(mutated_json(json.loads(data[8 : 8 + length])))
    stated = draw(st.sampled_from([len(header), len(header) + 1, 0, 2**62]))
    return Content(stated.to_bytes(8, "little") + header + data[8 + length :])


# The guard ----------------------------------------------------------------------------------

_WRITES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.truncate"}
_NEVER = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "socket.connect",
    "pickle.find_class",
}
_watched: list[Path] = []
_seen: list[str] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched:
        return
    if event == "open":
        path, mode, _ = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes and isinstance(path, str | bytes):
            _check_inside(event, path)
    elif event in _WRITES and isinstance(arguments[0], str | bytes):
        _check_inside(event, arguments[0])
    elif event in _NEVER:
        _seen.append(f"{event} {arguments!r:.80}")


def _check_inside(event: str, path: Any) -> None:
    if not Path(os.path.abspath(os.fsdecode(path))).is_relative_to(_watched[0]):
        _seen.append(f"{event} {path!r:.80}")


sys.addaudithook(_hook)


def attempt(folder: Path, call: Callable[[], Any]) -> bool:
    """Whether `call` succeeds. It may only raise this package's errors, and write to `folder`."""
    _seen.clear()
    _watched.append(folder)
    try:
        call()
    except SqueezeBertMobileError as error:
        assert "\n" not in str(error), error
        return False
    finally:
        _watched.clear()
        assert not _seen, _seen
    return True
