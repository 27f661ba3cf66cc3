"""The plugin's output: the instructions of a run, in total and by operator."""

import pytest
from emulated import EVENTS, LINES

from squeezebert_mobile.benchmarks.arm64.reading import (
    instructions_by_operator,
    instructions_of_run,
)
from squeezebert_mobile.errors import BenchmarkError


def test_only_the_second_run_is_counted() -> None:
    assert instructions_of_run(LINES, 0) == 100
    assert instructions_by_operator(LINES, 1, EVENTS) == {"Gemm": 70, "Gelu": 5}


def test_a_short_run_has_one_clock_reading_less() -> None:
    last = len(LINES) - 1 - LINES[::-1].index("mark 2100")
    short = LINES[: last - 1] + LINES[last:]
    assert instructions_by_operator(short, 1, EVENTS) == {"Gemm": 70, "Gelu": 5}


def test_an_unexpected_number_of_readings_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="read the clock 15 times instead of 12 or 13"):
        instructions_by_operator(LINES, 1, [*EVENTS[:5], EVENTS[-1]])
    with pytest.raises(BenchmarkError, match="3 marks of runs instead of 4"):
        instructions_by_operator([line for line in LINES if line != "mark 2100"], 1, EVENTS)


def test_operators_of_a_delegate_follow_each_other() -> None:
    events = [
        *("begin Method::execute", "begin OPERATOR_CALL", "begin native_call_embedding.out"),
        *("end", "end", "begin DELEGATE_CALL", "skip 2", "part 1 Add (ND) #1"),
        *("part 3 Concatenate (ND, X32) #1", "part 1 Add (ND) #2", "end", "end"),
    ]
    at = [0, 1, 2, 12, 13, 14, 15, 16, 116, 117, 118, 216, 316, 900, 901]
    lines = ["mark 0", "mark 0", "mark 0", *(f"clock {each}" for each in at), "mark 999"]
    assert instructions_by_operator(lines, 1, events) == {
        "Add (ND)": 200,
        "Concatenate (ND, X32)": 100,
        "embedding.out": 10,
    }
    with pytest.raises(BenchmarkError, match="14 times instead of 15"):
        instructions_by_operator(lines[:-2] + lines[-1:], 1, events)
