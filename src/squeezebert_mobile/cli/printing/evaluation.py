"""What `evaluate` prints."""

from rich import box
from rich.table import Table

from squeezebert_mobile.cli.printing.tables import make_table, same_answers, share_of_same
from squeezebert_mobile.evaluation.comparison import Comparison
from squeezebert_mobile.evaluation.evaluator import Evaluation, OtherModel
from squeezebert_mobile.evaluation.intervals import CONFIDENCE, RULE_OF_THREE
from squeezebert_mobile.evaluation.metrics import METRICS
from squeezebert_mobile.evaluation.named_pipeline import NamedPipeline
from squeezebert_mobile.evaluation.readers.data import DataSet
from squeezebert_mobile.streams import Console

__all__ = ["print_evaluation"]

#: What has an answer each, if not the examples.
_ANSWERED = {"token-classification": "words", "fill-mask": "masks"}


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print the metrics; with a second model also differences and the worst disagreements.

    With several more, print a table with a row for each model.
    """
    data = evaluation.data
    count = f"{len(data.examples)} example{'s' if len(data.examples) != 1 else ''}"
    console.print(f"{data.task}, {count} ({data.format})")
    if data.left_out:
        console.print(f"lines skipped (cut off, or without a label): {data.left_out}")
    others = evaluation.others
    if len(others) > 1:
        _print_models(evaluation, console)
    else:
        console.print(_metrics_table(evaluation))
    if len(others) == 1:
        names = f"ours: {evaluation.model.name}, theirs: {others[0].model.name}"
        console.print(names, highlight=False, soft_wrap=True)
    if truncated := evaluation.scores.truncated:
        console.print(f"texts truncated to the longest input: {truncated}", style="yellow")
    if len(others) == 1:
        _print_comparison(others[0].comparison, data, console)


def _print_models(evaluation: Evaluation, console: Console) -> None:
    """A row for each model: its size, its main metric, and how it differs from the first model."""
    metric = next(iter(evaluation.scores.metrics))
    named = _metric_name(metric, evaluation.data)
    header = ("model", "MB", named, "difference", f"{CONFIDENCE:.0%} interval", "same answers")
    table = make_table(*header)
    table.columns[0].overflow = "fold"  # a name that is cut off could be another model's
    first = evaluation.model
    table.add_row(first.name, _megabytes(first), f"{evaluation.scores.metrics[metric]:.4f}")
    for other in evaluation.others:
        difference = other.comparison.differences[metric]
        table.add_row(
            other.model.name,
            _megabytes(other.model),
            f"{other.scores.metrics[metric]:.4f}",
            f"{difference.difference:+.4f}",
            f"{difference.low:+.4f} to {difference.high:+.4f}",
            _share(other),
        )
    console.print(table)
    text = f"difference, interval and same answers: compared with {first.name}"
    console.print(text, highlight=False, soft_wrap=True)


def _metric_name(name: str, data: DataSet) -> str:
    higher_is_better = METRICS[data.task][name].higher_is_better
    return name if higher_is_better else f"{name} (lower is better)"


def _megabytes(model: NamedPipeline) -> str:
    return "" if model.model_bytes is None else f"{model.model_bytes / 1e6:.1f}"


def _share(other: OtherModel) -> str:
    """The share of same answers; empty for regression."""
    share = other.comparison.agreement
    return "" if share is None else share_of_same(share)


def _metrics_table(evaluation: Evaluation) -> Table:
    columns = ["value"]
    if evaluation.others:
        columns = ["ours", "theirs", "difference", f"{CONFIDENCE:.0%} interval"]
    table = make_table("metric", *columns)
    for name, value in evaluation.scores.metrics.items():
        cells = [_metric_name(name, evaluation.data), f"{value:.4f}"]
        for other in evaluation.others:
            difference = other.comparison.differences[name]
            cells += [
                f"{other.scores.metrics[name]:.4f}",
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
