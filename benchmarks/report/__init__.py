"""Results for readers: printed in a terminal, or written to one HTML or Markdown file.

contents.py    which sections a page has
latency.py, starts.py, profile.py, conditions.py, facts.py, caveats.py, headline.py,
side_by_side.py, history.py, accuracy.py, instructions.py
               build the parts of a page from results
writers/       the page model, written for a terminal, as Markdown or as HTML
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console as AnyConsole  # noqa: TID251 - of the caller

from squeezebert_mobile.benchmarks.records.accuracy import Evaluated
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.contents import report_page, terminal_page
from squeezebert_mobile.benchmarks.report.writers.html import as_html
from squeezebert_mobile.benchmarks.report.writers.markdown import as_markdown
from squeezebert_mobile.benchmarks.report.writers.terminal import print_page
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.files import atomic_write
from squeezebert_mobile.streams import Console

__all__ = ["print_table", "write_report"]

_WRITERS = {".html": as_html, ".md": as_markdown}


def print_table(results: Results, console: AnyConsole | None = None) -> None:
    """Print latencies, ratios, start times and memory, with the notes needed to read them."""
    print_page(terminal_page(results), console or Console())


def write_report(
    results: Sequence[tuple[str, Results]], path: Path, *, evaluated: Sequence[Evaluated] = ()
) -> None:
    """Write a report to `path`, atomically.

    Args:
        results: The name of each results file as shown to the reader, and its content. Several
            are compared with the first.
        path: A file whose name ends in .html or .md.
        evaluated: Evaluations of the models, for latency against accuracy.

    Raises:
        BenchmarkError: no results, an unknown file suffix, results that cannot be compared, or a
            file that cannot be written.
        MissingExtraError: jinja2 or matplotlib, which HTML needs, is not installed.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise BenchmarkError(
            f"cannot write a report to {str(path)!r}: its name ends in neither .html nor .md; "
            "run again with -o report.html"
        )
    if not results:
        raise BenchmarkError(
            "there are no results to report; give a file written by squeezebert-mobile bench -o"
        )
    atomic_write(path, writer(report_page(results, evaluated)), what="report")
