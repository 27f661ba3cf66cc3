"""ETDump: operators that do not overlap, named by the program, and damaged files."""

from functools import partial

import numpy as np
import pytest
from etdump_file import Event, write_etdump, write_program
from numpy.typing import NDArray

from squeezebert_mobile.benchmarks.profiles.executorch import (
    called_operators,
    joined,
    operator_type,
    profiled_runs,
)
from squeezebert_mobile.benchmarks.profiles.runs import Operator, ProfiledRun, summarized

CALLED = ["embedding.out", "", "XnnpackBackend", "et_view.default"]
INIT: list[Event] = [("Method::init", "", 0, 1_000_000, 1_400_000)]
#: A run from 2 ms to 2.1 ms, as ExecuTorch writes it: what is within an event comes before it.
RUN: list[Event] = [
    ("native_call_embedding.out", "", 0, 2_002_000, 2_009_000),
    ("OPERATOR_CALL", "", 0, 2_001_000, 2_011_000),
    ("", "Convert (NC) #1", 2, 2_020_000, 2_021_000),
    ("", "Fully Connected (NC, QD8, F32, QC8W) GEMM #1", 2, 2_021_000, 2_051_000),
    ("", "Copy (NC, X32) #1", 2, 2_051_000, 2_051_000),
    ("", "Fully Connected (NC, QD8, F32, QC8W) GEMM #2", 2, 2_051_000, 2_081_000),
    ("DELEGATE_CALL", "", 2, 2_012_000, 2_085_000),
    ("OPERATOR_CALL", "", 3, 2_090_400, 2_090_900),  # of no name
    ("Method::execute", "", 0, 2_000_000, 2_100_000),
]


def _later(events: list[Event], ns: int) -> list[Event]:
    return [(name, part, at, begin + ns, end + ns) for name, part, at, begin, end in events]


def test_the_operators_of_a_run() -> None:
    first, second = profiled_runs(write_etdump(INIT, RUN, _later(RUN, 500_000)), CALLED)
    gemm = "Fully Connected (NC, QD8, F32, QC8W) GEMM"
    rest = "XnnpackBackend, in no operator"
    assert first == ProfiledRun(
        1000,  # µs after the model began to load
        100,
        (
            Operator("embedding.out", "embedding.out", 1001, 10, delegated=False),
            Operator(rest, rest, 1012, 8, delegated=True),
            Operator("Convert (NC) #1", "Convert (NC)", 1020, 1, delegated=True),
            Operator(f"{gemm} #1", gemm, 1021, 30, delegated=True),
            Operator("Copy (NC, X32) #1", "Copy (NC, X32)", 1051, 0, delegated=True),
            Operator(f"{gemm} #2", gemm, 1051, 30, delegated=True),
            Operator(rest, rest, 1081, 4, delegated=True),
            Operator("et_view.default", "et_view.default", 1090, 0, delegated=False),
        ),
    )
    assert second.begin == 1500 and [each.duration for each in second.operators] == [
        each.duration for each in first.operators
    ]


def test_what_a_profile_of_executorch_says() -> None:
    """By operator, and how much of it is delegated; of layers it knows nothing."""
    profile = summarized(profiled_runs(write_etdump(RUN), CALLED), "A", 1, 8)
    assert (profile.run_ms, profile.operators_ms) == (0.1, pytest.approx(0.083))
    assert profile.layers == () and profile.delegated_ms == pytest.approx(0.073)
    gemm = profile.operators[0]
    assert (gemm.name, gemm.calls, gemm.ms) == (
        "Fully Connected (NC, QD8, F32, QC8W) GEMM",
        2,
        0.06,
    )


def test_a_delegate_that_says_nothing_of_its_operators_is_one() -> None:
    events = [event for event in RUN if not event[1]]
    (run,) = profiled_runs(write_etdump(events), CALLED)
    assert [(each.type, each.duration) for each in run.operators if each.delegated] == [
        ("XnnpackBackend", 73)
    ]


def test_operators_of_a_delegate_do_not_overlap() -> None:
    """One within another, or beyond the end of its call, is not counted twice."""
    inner: list[Event] = [
        ("", "Convert (NC) #1", 2, 2_020_000, 2_040_000),
        ("", "Add (ND) #1", 2, 2_025_000, 2_030_000),
        ("", "Add (ND) #2", 2, 2_080_000, 2_090_000),
    ]
    (run,) = profiled_runs(write_etdump([*inner, RUN[6], RUN[8]]), CALLED)
    assert [(each.name, each.duration) for each in run.operators] == [
        ("XnnpackBackend, in no operator", 8),
        ("Convert (NC) #1", 20),
        ("XnnpackBackend, in no operator", 45),
    ]


def test_choices_are_one_run() -> None:
    executions = profiled_runs(write_etdump(RUN, _later(RUN, 150_000)), CALLED)
    (run,) = joined(executions, 2)
    assert (run.begin, run.duration) == (executions[0].begin, 250)
    assert run.operators == executions[0].operators + executions[1].operators
    assert joined(executions, 1) == executions


def test_the_operators_that_a_program_calls() -> None:
    called = "aten::embedding.out", "", "XnnpackBackend", "executorch_prim::et_view.default"
    assert called_operators(write_program(*called)) == CALLED
    with pytest.raises(ValueError, match="it has no method 'forward'"):
        called_operators(write_program("aten::add.out", method="backward"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("native_call_embedding.out", "embedding.out"),
        ("Convolution (NHWC, F32) IGEMM #12", "Convolution (NHWC, F32) IGEMM"),
        ("Mean (ND) Reduce2 #3", "Mean (ND) Reduce2"),
        ("", ""),
    ],
)
def test_the_kind_of_an_operator(name: str, kind: str) -> None:
    assert operator_type(name) == kind


# What is refused ----------------------------------------------------------------------------


def _told(content: NDArray[np.uint8], called: list[str] = CALLED) -> str:
    with pytest.raises(ValueError) as caught:
        profiled_runs(content, called)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_etdump_is_refused() -> None:
    noise = np.random.default_rng(0).integers(256, size=4000, dtype=np.uint8)
    for content in (noise[:0], noise, np.zeros(64, np.uint8), write_program("aten::add.out")):
        assert _told(content) == "it is no ETDump"


def test_an_etdump_of_another_program_is_refused() -> None:
    assert _told(write_etdump(RUN), CALLED[:3]) == (
        "it is damaged: an instruction calls what is not there"
    )


def test_an_event_that_ends_before_it_begins_is_refused() -> None:
    for begin, end in ((5, 4), (0, 2**63), (2**64 - 1, 2**64 - 1)):
        content = write_etdump([("OPERATOR_CALL", "", 0, begin, end)])
        assert _told(content) == "it is damaged: an event ends before it begins"


def test_a_file_cut_anywhere_is_refused() -> None:
    whole = write_etdump(INIT, RUN)
    for size in range(len(whole)):
        assert _told(whole[:size]) in {"it is no ETDump", "it is damaged: it is cut off"}


def _cut(content: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The start of a file, whose size says that it is all."""
    says = np.frombuffer((size - 4).to_bytes(4, "little"), np.uint8)
    return np.concatenate([says, content[4:size]])


def test_a_damaged_file_is_refused_or_read() -> None:
    """With bytes that are changed, or missing at an end that the size agrees with."""
    random = np.random.default_rng(0)
    dump, program = write_etdump(RUN), write_program("aten::add.out", "XnnpackBackend")
    read_dump = partial(profiled_runs, called=CALLED)
    cases = [(read_dump, _cut(dump, size)) for size in range(12, len(dump), 8)]
    for content, read in ((dump, read_dump), (program, called_operators)):
        for place in range(0, len(content), 7):
            damaged = content.copy()
            damaged[place] = random.integers(256)
            cases.append((read, damaged))
    for read, damaged in cases:
        try:
            read(damaged)
        except ValueError as error:
            assert str(error).startswith(("it is no ", "it is damaged: ")), str(error)
