"""What `evaluate` prints."""

from rich import box
from rich.table import Table

from squeezebert_mobile.cli.printing.tables import make_table, same_answers
from squeezebert_mobile.evaluation.comparison import Comparison
from squeezebert_mobile.evaluation.evaluator import Evaluation
from squeezebert_mobile.evaluation.intervals import CONFIDENCE, RULE_OF_THREE
from squeezebert_mobile.evaluation.metrics import METRICS
from squeezebert_mobile.evaluation.readers.data import DataSet
from squeezebert_mobile.streams import Console

__all__ = ["print_evaluation"]

#: What has an answer each, if not the examples.
_ANSWERED = {"token-classification": "words", "fill-mask": "masks"}


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print the metrics; with a second model also differences and the worst disagreements."""
    data = evaluation.data
    console.print(f"{data.task}, {len(data.examples)} examples ({data.format})")
    if data.left_out:
        console.print(f"lines skipped (cut off, or without a label): {data.left_out}")
    console.print(_metrics_table(evaluation))
    if evaluation.other:
        names = f"ours: {evaluation.name}, theirs: {evaluation.other_name}"
        console.print(names, highlight=False, soft_wrap=True)
    if truncated := evaluation.scores.truncated:
        console.print(f"texts truncated to the longest input: {truncated}", style="yellow")
    if evaluation.comparison:
        _print_comparison(evaluation.comparison, data, console)


def _metrics_table(evaluation: Evaluation) -> Table:
    columns = ["value"]
    if evaluation.comparison:
        columns = ["ours", "theirs", "difference", f"{CONFIDENCE:.0%} interval"]
    table = make_table("metric", *columns)
    for name, value in evaluation.scores.metrics.items():
        higher_is_better = METRICS[evaluation.data.task][name].higher_is_better
        cells = [name if higher_is_better else f"{name} (lower is better)", f"{value:.4f}"]
        if evaluation.comparison and evaluation.other:
            difference = evaluation.comparison.differences[name]
            cells += [
                f"{evaluation.other.metrics[name]:.4f}",
                f"{difference.difference:+.4f}",
                f"{difference.low:+.4f} to {difference.high:+.4f}",
            ]
        table.add_row(*cells)
    return table


def _print_comparison(comparison: Comparison, data: DataSet, console: Console) -> None:
    if comparison.agreement is not None and comparison.answers is not None:
        same = round(comparison.agreement * comparison.answers)
        noun = _ANSWERED.get(data.task, "examples")
        console.print(same_answers(same, comparison.answers, noun), highlight=False)
    if comparison.agreement == 1:
        share = min(1, RULE_OF_THREE / len(data.examples))
        console.print(
            f"with {CONFIDENCE:.0%} confidence, at most {share:.1%} of such examples have another "
            "answer",
            highlight=False,
        )
    if not comparison.disagreements:
        return
    table = Table("where", "worst disagreements", "correct", "ours", "theirs")
    table.box, table.pad_edge = box.SIMPLE_HEAD, False
    for row in comparison.disagreements:
        cells = row.place, row.text, row.right, row.ours, row.theirs
        table.add_row(*(_shorten(cell) for cell in cells))
    console.print(table)


def _shorten(text: str, length: int = 60) -> str:
    """`text` in one line, without control characters."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= length else line[: length - 1] + "…"
