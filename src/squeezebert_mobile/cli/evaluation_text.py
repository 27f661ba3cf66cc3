"""What an evaluation looks like on a terminal."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from squeezebert_mobile.evaluation.comparison import CONFIDENCE, Comparison
from squeezebert_mobile.evaluation.evaluator import Evaluation
from squeezebert_mobile.evaluation.metrics import METRICS

__all__ = ["print_evaluation"]


def print_evaluation(found: Evaluation, console: Console) -> None:
    """The figures; beside another model's, their differences and the worst disagreements."""
    data = found.data
    console.print(f"{data.task}, {len(data.examples)} examples of {data.format}")
    if data.left_out:
        console.print(f"lines left out, without a label or cut off: {data.left_out}")
    console.print(_metrics_table(found))
    if found.other:
        names = f"ours: {found.name}, theirs: {found.other_name}"
        console.print(escape(names), highlight=False, soft_wrap=True)
    if cut := found.scores.truncated:
        console.print(f"texts longer than the model takes: {cut}", style="yellow")
    if found.comparison:
        _print_comparison(found.comparison, console)


def _metrics_table(found: Evaluation) -> Table:
    names = ["figure"]
    if found.comparison:
        names = ["ours", "theirs", "difference", f"{CONFIDENCE:.0%} interval"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for name in names:
        table.add_column(name, justify="right")
    for name, value in found.scores.metrics.items():
        less = "" if METRICS[found.data.task][name].higher_is_better else " (less is better)"
        cells = [f"{name}{less}", f"{value:.4f}"]
        if found.comparison and found.other:
            difference = found.comparison.differences[name]
            cells += [
                f"{found.other.metrics[name]:.4f}",
                f"{difference.difference:+.4f}",
                f"{difference.low:+.4f} to {difference.high:+.4f}",
            ]
        table.add_row(*cells)
    return table


def _print_comparison(comparison: Comparison, console: Console) -> None:
    if comparison.agreement is not None:
        console.print(f"same answer in {comparison.agreement:.2%}", highlight=False)
    if not comparison.disagreements:
        return
    table = Table("where", "worst disagreements", "right", "ours", "theirs")
    table.box, table.pad_edge = box.SIMPLE_HEAD, False
    for each in comparison.disagreements:
        cells = each.place, each.text, each.right, each.ours, each.theirs
        table.add_row(*(escape(_shortened(cell)) for cell in cells))
    console.print(table)


def _shortened(text: str, length: int = 60) -> str:
    """One line without what a terminal obeys."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"
