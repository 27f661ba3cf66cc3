"""Writes a page for a terminal: 80 columns, and the same text without colours in a pipe."""

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from squeezebert_mobile.benchmarks.report.page import (
    Block,
    Cell,
    Listing,
    Page,
    Picture,
    Table,
    as_cell,
)

__all__ = ["print_page"]


def print_page(page: Page, console: Console) -> None:
    """Print the banners, the sections and then the lead.

    Headings are left out, for tables have captions; figures are left out as well.
    """
    for text in page.banners:
        console.print(Text(text, style="bold red"))
    blocks = [block for section in page.sections for block in section.blocks]
    previous: Block | None = None
    for block in (*blocks, *page.lead):
        if isinstance(previous, Table) or (previous and isinstance(block, Table)):
            console.print()
        _print_block(block, console)
        previous = block


def _print_block(block: Block, console: Console) -> None:
    if isinstance(block, Table):
        console.print(_rich_table(block))
    elif isinstance(block, Listing):
        for item in block.items:
            console.print(Text(item, style="red" if block.is_error else "dim"))
    elif not isinstance(block, Picture):
        console.print(Text(block, style="dim"))


def _rich_table(table: Table) -> RichTable:
    """A table without a frame, whose first column may break names anywhere."""
    shown = RichTable(
        title=Text(table.caption),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        pad_edge=False,
    )
    first, *others = table.header
    shown.add_column(first, overflow="fold", min_width=16)
    for index, name in enumerate(others, start=1):
        shown.add_column(name, justify="left" if index in table.words else "right", no_wrap=True)
    under_heading = False
    for row in table.rows:
        if isinstance(row, str):
            shown.add_row(Text(row, style="bold"))
            under_heading = True
        else:
            label, *cells = [_rich_cell(as_cell(cell)) for cell in row]
            shown.add_row(Text.assemble("  " * under_heading, label), *cells)
    return shown


def _rich_cell(cell: Cell) -> Text:
    styles = {"strong": "bold", "muted": "dim", "checksum": "", "": ""}
    detail = ("\n" + cell.detail, "not bold dim") if cell.detail else ""
    return Text.assemble((cell.text, styles[cell.style]), detail)
