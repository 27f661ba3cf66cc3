"""The demos' held-out metrics in every format and precision: the table of docs/evaluate.md.

python tests/helpers/accuracy_table.py            updates the page
"""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.evaluation import DataSet, Scores, score
from squeezebert_mobile.export import export_checkpoint, reference_pipeline
from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.training.demos.fill_mask import as_lines
from squeezebert_mobile.training.demos.intents import HELD_OUT_PER_INTENT
from squeezebert_mobile.training.demos.recipe import SEED, as_data, as_jsonl
from squeezebert_mobile.training.demos.sentences import sentences
from squeezebert_mobile.training.demos.slots import as_conll
from squeezebert_mobile.training.demos.tagged import tagged_sentences

PAGE = Path(__file__).parents[2] / "docs" / "evaluate.md"
TABLE = re.compile(r"(?<=<!-- accuracy -->\n).*?(?=<!-- to here -->)", re.DOTALL)


def _texts(per_intent: int) -> str:
    return as_jsonl(sentences("held_out", per_intent=per_intent, seed=SEED))


def _words(per_intent: int) -> str:
    return as_conll(tagged_sentences("held_out", per_intent=per_intent, seed=SEED))


def _lines(per_intent: int) -> str:
    return as_lines(sentences("held_out", per_intent=per_intent, seed=SEED))


#: By checkpoint: its task, a function that writes its data, the data's file name, and the metric.
DEMOS: dict[str, tuple[str, Callable[[int], str], str, str]] = {
    "demo": ("text-classification", _texts, "data.jsonl", "accuracy"),
    "demo-slots": ("token-classification", _words, "data.conll", "f1"),
    "demo-fill-mask": ("fill-mask", _lines, "data.txt", "accuracy"),
}


def held_out(checkpoint: str) -> DataSet:
    """The held-out sentences as labelled data for the demo."""
    task, write, name, _ = DEMOS[checkpoint]
    return as_data(write(HELD_OUT_PER_INTENT), name, task)


def agreement(ours: Scores, theirs: Scores) -> float:
    """The share of answers that equal the checkpoint's."""
    pairs = [
        (a, b)
        for p, q in zip(ours.predictions, theirs.predictions, strict=True)
        for a, b in zip(p.answers, q.answers, strict=True)
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def rows() -> dict[str, list[str]]:
    """The cells of each row: a metric, and the agreement with the checkpoint."""
    table_rows: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for checkpoint, (*_, metric) in DEMOS.items():
            data = held_out(checkpoint)
            theirs = score(reference_pipeline(open_checkpoint(checkpoint)), data)
            cells = table_rows.setdefault("the checkpoint", [])
            cells += [f"{theirs.metrics[metric]:.1%}", ""]
            for format, facts in FORMATS.items():
                for precision in facts.precisions:
                    out = Path(temporary) / f"{checkpoint}-{format}-{precision}"
                    export_checkpoint(checkpoint, out, format=format, precision=precision)
                    with load_artifact(out, threads=1) as model:
                        ours = score(model, data)
                    cells = table_rows.setdefault(f"{facts.name} {precision}", [])
                    cells += [f"{ours.metrics[metric]:.1%}", f"{agreement(ours, theirs):.1%}"]
                    print(checkpoint, format, precision, *cells[-2:], flush=True)
    return table_rows


def table(cells: dict[str, list[str]]) -> str:
    """The rows as a Markdown table."""
    head = [f"{name}: {metric} | same" for name, (*_, metric) in DEMOS.items()]
    lines = [f"|  | {' | '.join(head)} |", "|---" * (1 + 2 * len(DEMOS)) + "|"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    markdown = table(rows())
    PAGE.write_text(TABLE.sub(lambda _: markdown, page), encoding="utf-8")
