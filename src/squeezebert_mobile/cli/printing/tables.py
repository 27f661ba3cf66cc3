"""Tables, lists of facts and one-line descriptions that several commands print."""

from collections.abc import Mapping

from rich import box
from rich.table import Table

from squeezebert_mobile.artifact import ModelFacts, SentenceVector
from squeezebert_mobile.streams import Console

__all__ = [
    "architecture",
    "groups",
    "make_table",
    "parameter_count",
    "print_facts",
    "same_answers",
    "sentence_vector",
    "share_of_same",
]


def make_table(*columns: str) -> Table:
    """A table whose first column is text and whose other columns are numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def print_facts(console: Console, facts: Mapping[str, str]) -> None:
    """Print a line for each name and value; empty values are skipped, long ones are wrapped."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in facts.items():
        if value:
            table.add_row(name, value)
    console.print(table)


def architecture(model: ModelFacts) -> str:
    """Model type, layers, hidden size, heads and parameters in one line."""
    return (
        f"{model.type}, {model.layers} layers of {model.hidden}, {model.heads} heads, "
        f"{model.parameters / 1e6:.1f} M parameters"
    )


def parameter_count(count: int) -> str:
    """A number of parameters in millions; below 10,000, which would be 0.00 M, all digits."""
    return f"{count / 1e6:.2f} M" if count >= 10_000 else f"{count:,}"


def groups(model: ModelFacts) -> str:
    """The most common number of convolution groups, then the exceptions by layer.

    For example: 4 (attention_output 1).
    """
    usual = max(model.groups.values(), key=list(model.groups.values()).count)
    others = [f"{name} {count}" for name, count in model.groups.items() if count != usual]
    return f"{usual} ({', '.join(others)})" if others else str(usual)


def same_answers(same: int, total: int, noun: str) -> str:
    """In how many of `total` comparisons two models gave the same answer, in words."""
    if same == total:
        return f"same answer in all {total:,} {noun}"
    return f"same answer in {same:,} of {total:,} {noun} ({share_of_same(same / total)})"


def share_of_same(share: float) -> str:
    """The share of same answers; 100% only if all are: one of 100,000 that differs must be seen."""
    return "100%" if share == 1 else f"{min(share, 0.9999):.2%}"


def sentence_vector(settings: SentenceVector | None) -> str:
    """Pooling, normalizing, similarity and prompts in one line; empty without settings.

    For example: cls, normalized; prompts: query (default), passage.
    """
    if settings is None:
        return ""
    text = " + ".join(settings.pooling) + (", normalized" if settings.normalize else "")
    if settings.similarity != "cosine":
        text += f", compared by {settings.similarity}"
    names = [
        f"{name} (default)" if name == settings.default_prompt else name
        for name in settings.prompts
    ]
    return f"{text}; prompts: {', '.join(names)}" if names else text
