"""The counted instructions of the models on the cores of this class, beside the measured times."""

from collections.abc import Collection, Iterator

from squeezebert_mobile.benchmarks.records.results import ContenderFacts, Results
from squeezebert_mobile.benchmarks.report.formatting import format_median, format_number
from squeezebert_mobile.benchmarks.report.latency import model_cell
from squeezebert_mobile.benchmarks.report.queries import (
    MAIN_WORKLOAD,
    facts_of,
    is_stand_in,
    measurements_at,
)
from squeezebert_mobile.benchmarks.report.writers.page import Block, Row, Table

__all__ = ["COUNTS", "core_class", "instructions"]

#: Millions of instructions of SqueezeBERT-base at 128 tokens with one thread, by format and
#: precision, then by class of core: those of docs/arm64/counts.json, which a test compares.
COUNTS = {
    ("onnx", "int8"): {"cortex-a76": 528.7, "i8mm": 421.3, "sve2": 430.6},
    ("executorch", "int8"): {"cortex-a76": 389.2, "i8mm": 341.5, "sve2": 341.5},
}
_LAYERS, _PARAMETERS = 12, 51.1e6  # of SqueezeBERT-base; a head may have more or fewer
_TOLERANCE = 0.02

#: Class of core -> the features of /proc/cpuinfo that it has, and what it is; newest first.
_CLASSES = {
    "sve2": ({"i8mm", "sve2"}, "int8 matrix products and SVE2"),
    "i8mm": ({"i8mm"}, "int8 matrix products"),
    "cortex-a76": ({"asimddp"}, "int8 dot products"),
}


def core_class(features: Collection[str]) -> str | None:
    """The class of core that the counts know; None without int8 dot products."""
    for name, (needed, _) in _CLASSES.items():
        if needed <= set(features):
            return name
    return None


def instructions(results: Results) -> Iterator[Block]:
    """A table, if the cores are ARM's and models were measured that have been counted."""
    known = results.phone or results.machine
    name = core_class(known.features) if known and not is_stand_in(results) else None
    if name is None:
        return
    rows: list[Row] = []
    for each in measurements_at(results, MAIN_WORKLOAD):
        facts = facts_of(results, each.contender)
        if (millions := _millions(facts, name)) is not None:
            per_ns = millions / each.latency.median_ms
            cells = (format_median(each), format_number(millions), format_number(per_ns))
            rows.append((model_cell(results, facts, compact=False), *cells))
    if rows:
        header = ("model", "measured\nms", "counted\nM instructions", "instructions\nper ns")
        yield Table("Beside the counted instructions, 1 thread, 128 tokens", header, tuple(rows))
        yield (
            f"Counted under emulation for a core with {_CLASSES[name][1]}, as these cores have. A "
            "count is not a time: the instructions per nanosecond say how well the core is used, "
            "and fall when memory or heat is the limit."
        )


def _millions(facts: ContenderFacts, name: str) -> float | None:
    """The count of SqueezeBERT-base in this format and precision; None for any other model."""
    is_base = facts.layers == _LAYERS and facts.parameters is not None
    if not is_base or abs((facts.parameters or 0) / _PARAMETERS - 1) > _TOLERANCE:
        return None
    return COUNTS.get((facts.format, facts.precision), {}).get(name)
