"""Writes a page as Markdown for GitHub."""

import re
from collections.abc import Iterator

from squeezebert_mobile.benchmarks.report.writers.page import (
    Block,
    Listing,
    Page,
    Picture,
    Table,
    as_cell,
)
from squeezebert_mobile.errors import printable

__all__ = ["as_markdown", "escaped", "markdown_table"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]|#~$])")
_LIST = re.compile(r"^(?:([-+])|(\d+)([.)]))(?=\s|$)")


def as_markdown(page: Page) -> str:
    """The text of the file. Figures that are not files beside it are left out."""
    return "\n\n".join(_paragraphs(page)) + "\n"


def escaped(text: str) -> str:
    """`text` as Markdown that is shown as it is: no markup, no HTML, no end of a table cell."""
    text = _SPECIAL.sub(r"\\\1", printable(text))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LIST.sub(lambda f: rf"\{f[1]}" if f[1] else rf"{f[2]}\{f[3]}", text)


def _paragraphs(page: Page) -> Iterator[str]:
    yield f"# {escaped(page.title)}"
    for text in page.banners:
        yield f"> [!WARNING]\n> {escaped(text)}"
    yield from map(escaped, page.lead)
    for section in page.sections:
        if blocks := [text for block in section.blocks if (text := _block(block))]:
            yield f"{'#' * section.level} {escaped(section.title)}"
            yield from blocks


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return f"**{escaped(block.caption)}**\n\n{markdown_table(block)}"
    if isinstance(block, Listing):
        return "\n".join(f"- {escaped(each)}" for each in block.items)
    if isinstance(block, Picture):
        return f"![{escaped(block.alt)}]({block.file})" if block.file else ""
    return escaped(block)


def markdown_table(table: Table) -> str:
    """A table without its caption."""
    lines = [
        list(map(escaped, table.names)),
        ["---" if index in table.words else "---:" for index in range(len(table.header))],
    ]
    for row in table.rows:
        if isinstance(row, str):
            lines.append([f"**{escaped(row)}**", *[""] * (len(table.header) - 1)])
        else:
            lines.append([escaped(str(as_cell(cell))) for cell in row])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
