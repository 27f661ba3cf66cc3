"""Writes a page as one HTML file that loads nothing."""

from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.report.writers.page import (
    Block,
    Listing,
    Page,
    Picture,
    Table,
    as_cell,
)
from squeezebert_mobile.errors import printable, require

__all__ = ["as_html"]

_TEMPLATE = Path(__file__).with_name("page.html")
_KINDS = {Table: "table", Listing: "listing", Picture: "picture", str: "paragraph"}


def as_html(page: Page) -> str:
    """The text of the file.

    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    jinja2 = require("jinja2", "bench")
    markup = require("markupsafe", "bench").Markup

    def shown(value: Any) -> Any:
        """Strings without control characters; drawn figures as they are."""
        return value if isinstance(value, markup) or type(value) is not str else printable(value)

    drawn = {
        id(block): markup(block.draw(block.alt, f"f{index}-"))
        for index, block in enumerate(_pictures(page))
        if block.draw
    }
    environment = jinja2.Environment(
        autoescape=True,
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["as_cell"] = as_cell
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    text: str = template.render(page=page, kind=_kind, svg=lambda block: drawn[id(block)])
    return text + "\n"


def _pictures(page: Page) -> list[Picture]:
    blocks = [block for section in page.sections for block in section.blocks]
    return [block for block in blocks if isinstance(block, Picture)]


def _kind(block: Block) -> str:
    return _KINDS[type(block)]
