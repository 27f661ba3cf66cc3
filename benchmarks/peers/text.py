"""Results on a terminal, in 80 columns."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from squeezebert_mobile.benchmarks.peers.grids import Grid, failures, goal_grid, grids, notes
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.terminal import plain_table

__all__ = ["print_survey"]


def print_survey(results: Results, console: Console | None = None) -> None:
    """Print every figure, what failed, and what has to be known to read them."""
    console = console or Console()
    if not results.complete:
        console.print(Text("INCOMPLETE: interrupted; this is what there was.", style="bold red"))
    for grid in (*grids(results), goal_grid(results)):
        if grid.groups:
            console.print(_table(grid), "")
    for failure in failures(results):
        console.print(Text(failure, style="red"))
    for note in notes(results):
        console.print(Text(note, style="dim"))


def _table(grid: Grid) -> Table:
    table = plain_table(grid.title, first=grid.header[0])
    for name in grid.header[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for heading, rows in grid.groups.items():
        table.add_row(Text(heading, style="bold"))
        for name, *cells in rows:
            style = "" if name.startswith("ours") else "dim"
            table.add_row(Text(f"  {name}", style=style), *map(Text, cells))
    return table
