"""Prints counts as a table."""

from collections.abc import Sequence

from rich.table import Table

from squeezebert_mobile.benchmarks.arm64.counting import Count
from squeezebert_mobile.streams import Console

__all__ = ["print_counts"]

_MOST = 6  # operators shown in a row


def print_counts(counts: Sequence[Count], console: Console) -> None:
    """Print a row for each count: its instructions, and the largest operators."""
    table = Table(
        *("model", "cpu", "runtime", "M instructions", "of them"), box=None, pad_edge=False
    )
    table.columns[3].justify = "right"
    for each in counts:
        largest = list(each.by_operator.items())[:_MOST]
        parts = ", ".join(f"{name} {number / 1e6:.0f}" for name, number in largest)
        millions = f"{each.instructions / 1e6:.1f}"
        table.add_row(each.model, each.cpu, each.runtime, millions, parts)
    console.print(table)
    checked = sum(each.golden_texts or 0 for each in counts)
    lengths = "/".join(map(str, dict.fromkeys(each.sequence_length for each in counts)))
    console.print(
        f"Instructions of one inference, {lengths} tokens, one thread, under emulation: counts, "
        f"not times. {checked} golden answers were checked."
    )
