"""Writes a page for a terminal: 80 columns, and the same text without colours in a pipe."""

from rich import box
from rich.console import Console  # noqa: TID251 - of the caller
from rich.table import Table as RichTable
from rich.text import Text

from squeezebert_mobile.benchmarks.report.writers.page import (
    Block,
    Cell,
    Listing,
    Page,
    Picture,
    Table,
    as_cell,
)
from squeezebert_mobile.errors import printable

__all__ = ["print_page"]


def print_page(page: Page, console: Console) -> None:
    """Print the banners, the sections and then the lead.

    Headings are left out, for tables have captions; figures are left out as well.
    """
    for text in page.banners:
        console.print(_text(text, "bold red"))
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
            console.print(_text(item, "red" if block.is_error else "dim"))
    elif not isinstance(block, Picture):
        console.print(_text(block, "dim"))


def _rich_table(table: Table) -> RichTable:
    """A table without a frame, whose first column may break names anywhere."""
    shown = RichTable(
        title=_text(table.caption),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        pad_edge=False,
    )
    first, *others = [_text(name, keep="\n") for name in table.header]
    shown.add_column(first, overflow="fold", min_width=16)
    for index, name in enumerate(others, start=1):
        shown.add_column(name, justify="left" if index in table.words else "right", no_wrap=True)
    under_heading = False
    for row in table.rows:
        if isinstance(row, str):
            shown.add_row(_text(row, "bold"))
            under_heading = True
        else:
            label, *cells = [_rich_cell(as_cell(cell)) for cell in row]
            shown.add_row(Text.assemble("  " * under_heading, label), *cells)
    return shown


def _rich_cell(cell: Cell) -> Text:
    styles = {"strong": "bold", "muted": "dim", "checksum": "", "": ""}
    detail = ("\n" + printable(cell.detail), "not bold dim") if cell.detail else ""
    return Text.assemble((printable(cell.text), styles[cell.style]), detail)


def _text(text: str, style: str = "", keep: str = "") -> Text:
    """Without markup; unprintable characters are escaped before the layout is made."""
    return Text(printable(text, keep=keep), style=style)
