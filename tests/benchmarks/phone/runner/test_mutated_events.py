"""Fuzzing: mutated lines of a runner are measured with, or refused in one line.

`make test` tries a few lines of each event, `make fuzz` 160,000 in total.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzzing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.benchmarks import artifact_contenders
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.measure.settings import make_settings
from squeezebert_mobile.benchmarks.phone.adb.client import CommandResult
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.run import PhoneRun
from squeezebert_mobile.benchmarks.phone.runner.launchers import ShellLauncher
from squeezebert_mobile.benchmarks.phone.runners import Place, Runners
from squeezebert_mobile.benchmarks.records.events import EVENT
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.errors import SqueezeBertMobileError

CELL = (1, 8)
PRESET = Preset("short", runs=1, seconds=0, blocks=1, starts=1)
MS = 1_000_000
OUTPUT = {"max_abs_diff": 0.01, "tolerance": 0.1, "same_answers": 1, "texts": 1, "holds": True}
CONTEXT = {"at_ns": 1, "memory_kb": 90_000, "peak_memory_kb": 95_000, "cpu_khz": {"cpu0": 1}}


def _events(model_sha256: str) -> dict[str, dict[str, Any]]:
    answers = {
        "warm_up": {"input": "8", "samples_ns": [9 * MS] * 3, "stable": True, "context": CONTEXT},
        "block": {"input": "8", "samples_ns": [5 * MS], "before": CONTEXT, "after": CONTEXT},
        "probe": {"samples_ns": [4 * MS] * 5, "result": -1},
    }
    return {
        "hello": {"protocol": 1, "onnxruntime": "1.29.0", "pid": 7},
        "artifact": {"model_sha256": model_sha256, "read_ns": 5},
        "load": {"load_ns": 20 * MS, "before": CONTEXT, "after": CONTEXT},
        "golden": {"outputs": {"logits": OUTPUT}},
        "ready": {},
        **{
            name: {"id": str(index), **fields}
            for index, (name, fields) in enumerate(answers.items(), 1)
        },
    }


class _Program:
    """Writes the lines, whatever it is told."""

    code, errors = 1, ""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    def lines(self) -> Iterator[bytes]:
        for line in self._lines:
            yield from line.split(b"\n")

    def write(self, data: bytes) -> None: ...
    def set_timeout(self, silence_s: float, most_s: float) -> None: ...
    def close(self) -> None: ...


class _Device:
    """A phone with nothing but a runner."""

    serial = "fuzzed"

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def push(self, *arguments: Any, **options: Any) -> None: ...

    def run(self, *arguments: str, **options: Any) -> CommandResult:
        return CommandResult(0, "", "")

    def start(self, *arguments: Any, **options: Any) -> _Program:
        return _Program(self.lines)


@pytest.fixture
def measure(tmp_path: Path) -> Callable[[list[bytes]], None]:
    """Checks, starts and measures one artifact with these lines, and reads the journal."""
    write_small_artifact(tmp_path / "ours")
    contenders = artifact_contenders([tmp_path / "ours"])
    settings = make_settings(contenders, PRESET, (1,), None)
    device = _Device()

    def run(lines: list[bytes]) -> None:
        device.lines = lines
        log = Journal()
        options: Any = (list(contenders), device, PRESET, settings, log, Cooling(), None)
        phone_run = PhoneRun(*options, sleep=lambda seconds: None, stopped=lambda: False)
        folders = {"ours": "/data/local/tmp/ours"}
        where: Any = device
        place = Place(where, ShellLauncher((), None), folders, "0")
        runners = phone_run.runners = Runners(list(contenders), place, settings, log)
        (contender,) = contenders
        try:
            phone_run._check(contender)
            runners.warm_up(contender, CELL)
            phone_run._visit("ours", CELL, 0.005, runners)
            runners.ask("ours", CELL, "probe")
            runners.running.clear()
            phone_run._start(contender)
        finally:
            for event in log.events:
                assert EVENT.validate_json(event.model_dump_json()) == event

    return run


def _line(name: str, fields: dict[str, Any]) -> bytes:
    return json.dumps({"event": name, **fields}).encode()


@pytest.mark.parametrize("name", _events(""))
def test_mutated_events(name: str, measure: Callable[[list[bytes]], None], tmp_path: Path) -> None:
    events = _events(read_manifest(tmp_path / "ours").files["model.onnx"].sha256)
    lines = {event: _line(event, fields) for event, fields in events.items()}
    measure(list(lines.values()))
    document = {"event": name, **events[name]}
    outcomes = {True: 0, False: 0}
    mutated = st.one_of(fuzzing.mutated_json(document), fuzzing.mutated_bytes(lines[name]))

    @given(mutated)
    def measures_or_refuses(line: bytes) -> None:
        changed = list((lines | {name: bytes(line)}).values())
        try:
            measure(changed)
        except SqueezeBertMobileError as error:
            assert str(error).isprintable() and len(str(error)) < 2000
            outcomes[False] += 1
        else:
            outcomes[True] += 1

    measures_or_refuses()
    print(f"{name}: {outcomes[True]} measured, {outcomes[False]} refused")
    assert outcomes[True] and outcomes[False]
