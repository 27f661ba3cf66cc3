"""A report that can be sent on: one HTML or Markdown file on one or several results files."""

from collections.abc import Sequence
from pathlib import Path

from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.html import as_html
from squeezebert_mobile.benchmarks.report.markdown import as_markdown
from squeezebert_mobile.benchmarks.report.sections import make_page
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.files import atomic_write

__all__ = ["write_report"]

_WRITERS = {".html": as_html, ".md": as_markdown}


def write_report(results: Sequence[tuple[str, Results]], path: Path) -> None:
    """Write a report to `path`; the file is there whole or not at all.

    Args:
        results: The name of each results file, as its reader knows it, and what is in it. All of
            several are compared with the first.
        path: A file whose name ends in .html or .md.

    Raises:
        BenchmarkError: no results, a file name of another kind, results that may not stand side by
            side, or the file cannot be written.
        MissingExtraError: jinja2 or matplotlib is not installed, which HTML needs.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise BenchmarkError(
            f"cannot write a report to {str(path)!r}: its name ends in neither .html nor .md; "
            "run again with -o report.html"
        )
    if not results:
        raise BenchmarkError(
            "there are no results to report; name a file that squeezebert-mobile bench -o has "
            "written"
        )
    atomic_write(path, writer(make_page(results)), what="report")
