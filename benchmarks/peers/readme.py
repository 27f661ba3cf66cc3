"""The summary table in the README."""

import re

from squeezebert_mobile.benchmarks.peers.tables import summary_table
from squeezebert_mobile.benchmarks.records.results import Flag, Results
from squeezebert_mobile.benchmarks.records.statistics import MIN_STABILITY
from squeezebert_mobile.benchmarks.report.formatting import DOUBT
from squeezebert_mobile.benchmarks.report.writers.markdown import escaped, markdown_table
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["check_marks", "readme_section", "readme_with"]

_BEGIN = "<!-- benchmarks.peers --readme writes from here -->"
_END = "<!-- to here -->"
_SECTION = re.compile(f"(?<={re.escape(_BEGIN)}\n).*?(?={re.escape(_END)})", re.DOTALL)
#: Reasons for a question mark in the summary table: phones and their flags are not in it.
_DOUBTS: dict[Flag, str] = {
    "drifting": "changed by more than 5 % during the run",
    "unstable": f"differed too much from run to run (stability below {MIN_STABILITY} of 100)",
}


def readme_section(results: Results) -> str:
    """The summary table, and below it the machine and versions that it was measured with."""
    machine, settings = results.host, results.settings
    summary = summary_table(results)
    versions = [
        f"{name} {machine.versions[name]}"
        for name in ("onnxruntime", "executorch", "torch", "transformers", "ai-edge-litert")
        if name in machine.versions
    ]
    virtual = ", a virtual machine" if machine.virtual else ""
    note = (
        f"{summary.caption}; base size, random weights, medians of alternating runs "
        f"(preset {settings.preset}). {machine.cpu}, {machine.usable_cores} cores{virtual}, "
        f"{results.created[:10]}; {', '.join(versions)}."
    )
    table = markdown_table(summary)
    if not results.complete:
        note += " The run was interrupted."
    if DOUBT in table:
        raised = {flag for each in results.measurements for flag in each.flags}
        reasons = [meaning for flag, meaning in _DOUBTS.items() if flag in raised]
        note += f" {DOUBT}: {', or '.join(reasons)}; read the ratios."
    return f"{table}\n\n{escaped(note)}\n"


def check_marks(text: str) -> None:
    """Check that the text of a README has the two marks.

    Raises:
        BenchmarkError: it has not.
    """
    if not _SECTION.search(text):
        raise BenchmarkError(
            f"the README has no place for the table; add the lines {_BEGIN!r} and {_END!r}"
        )


def readme_with(text: str, results: Results) -> str:
    """The text of a README with `readme_section` between its two marks."""
    return _SECTION.sub(lambda _: readme_section(results), text)
