"""A report as one HTML file that loads nothing."""

from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.report.parts import (
    Block,
    Listing,
    Page,
    Picture,
    Table,
    printable,
)
from squeezebert_mobile.errors import require

__all__ = ["as_html"]

_TEMPLATE = Path(__file__).with_name("page.html")


def as_html(page: Page) -> str:
    """The text of the file.

    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    jinja2 = require("jinja2", "bench")
    markup = require("markupsafe", "bench").Markup

    def shown(value: Any) -> Any:
        """What is escaped has no control characters either; a drawn figure stays as it is."""
        return value if isinstance(value, markup) or type(value) is not str else printable(value)

    drawn = {
        id(block): markup(block.draw(block.alt, f"f{index}-"))
        for index, block in enumerate(_pictures(page))
    }
    environment = jinja2.Environment(
        autoescape=True,
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    text: str = template.render(page=page, kind=_kind, svg=lambda block: drawn[id(block)])
    return text + "\n"


def _pictures(page: Page) -> list[Picture]:
    blocks = [block for section in page.sections for block in section.blocks]
    return [block for block in blocks if isinstance(block, Picture)]


def _kind(block: Block) -> str:
    kinds = {Table: "table", Listing: "listing", Picture: "picture"}
    return kinds.get(type(block), "paragraph")
