"""A report as Markdown for GitHub, without its figures."""

import re
from collections.abc import Iterator

from squeezebert_mobile.benchmarks.report.parts import (
    Block,
    Listing,
    Page,
    Picture,
    Table,
    printable,
)

__all__ = ["as_markdown", "escaped"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]|#~$])")
_LIST = re.compile(r"^(?:([-+])|(\d+)([.)]))(?=\s|$)")


def as_markdown(page: Page) -> str:
    """The text of the file."""
    return "\n\n".join(_paragraphs(page)) + "\n"


def escaped(text: str) -> str:
    """`text` as it is to be read: no markup, no HTML, no end of a table's cell."""
    text = _SPECIAL.sub(r"\\\1", printable(text))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LIST.sub(lambda f: rf"\{f[1]}" if f[1] else rf"{f[2]}\{f[3]}", text)


def _paragraphs(page: Page) -> Iterator[str]:
    yield f"# {escaped(page.title)}"
    for text in page.banners:
        yield f"> [!WARNING]\n> {escaped(text)}"
    yield from map(escaped, page.lead)
    for section in page.sections:
        blocks = [_block(each) for each in section.blocks if not isinstance(each, Picture)]
        if blocks:
            yield f"{'#' * section.level} {escaped(section.title)}"
            yield from blocks


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Listing):
        return "\n".join(f"- {escaped(each)}" for each in block.items)
    assert isinstance(block, str)
    return escaped(block)


def _table(table: Table) -> str:
    rule = ["---" if index in table.words else "---:" for index in range(len(table.header))]
    lines = [list(map(escaped, table.header)), rule]
    lines += [list(map(escaped, row)) for row in table.rows]
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"**{escaped(table.caption)}**\n\n{body}"
