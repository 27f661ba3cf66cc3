"""The demos' held-out figures in every format and precision, as the table of docs/evaluate.md.

python tests/helpers/accuracy_table.py            writes it into the page
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
from squeezebert_mobile.training.demos.sentences import sentences, tagged_sentences
from squeezebert_mobile.training.demos.slots import as_conll

PAGE = Path(__file__).parents[2] / "docs" / "evaluate.md"
TABLE = re.compile(r"(?<=<!-- accuracy -->\n).*?(?=<!-- to here -->)", re.DOTALL)
NAMES = {"onnx": "ONNX", "executorch": "ExecuTorch", "torchscript": "TorchScript"}


def _texts(per_intent: int) -> str:
    return as_jsonl(sentences("held_out", per_intent=per_intent, seed=SEED))


def _words(per_intent: int) -> str:
    return as_conll(tagged_sentences("held_out", per_intent=per_intent, seed=SEED))


def _lines(per_intent: int) -> str:
    return as_lines(sentences("held_out", per_intent=per_intent, seed=SEED))


#: Checkpoint -> its task, how its data is written and called, the metric that is shown.
DEMOS: dict[str, tuple[str, Callable[[int], str], str, str]] = {
    "demo": ("text-classification", _texts, "data.jsonl", "accuracy"),
    "demo-slots": ("token-classification", _words, "data.conll", "f1"),
    "demo-fill-mask": ("fill-mask", _lines, "data.txt", "accuracy"),
}


def held_out(checkpoint: str) -> DataSet:
    """The sentences that the demo has not read."""
    task, written, name, _ = DEMOS[checkpoint]
    return as_data(written(HELD_OUT_PER_INTENT), name, task)


def agreement(ours: Scores, theirs: Scores) -> float:
    """How many of the answers are the checkpoint's."""
    pairs = [
        (a, b)
        for one, other in zip(ours.predictions, theirs.predictions, strict=True)
        for a, b in zip(one.answers, other.answers, strict=True)
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def rows() -> dict[str, list[str]]:
    """The cells of each row: a metric, and the share of the answers that are the checkpoint's."""
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        for checkpoint, (*_, metric) in DEMOS.items():
            data = held_out(checkpoint)
            theirs = score(reference_pipeline(open_checkpoint(checkpoint)), data)
            cells = found.setdefault("the checkpoint", [])
            cells += [f"{theirs.metrics[metric]:.1%}", ""]
            for format, facts in FORMATS.items():
                for precision in facts.precisions:
                    out = Path(place) / f"{checkpoint}-{format}-{precision}"
                    export_checkpoint(checkpoint, out, format=format, precision=precision)
                    with load_artifact(out, threads=1) as model:
                        ours = score(model, data)
                    cells = found.setdefault(f"{NAMES[format]} {precision}", [])
                    cells += [f"{ours.metrics[metric]:.1%}", f"{agreement(ours, theirs):.1%}"]
                    print(checkpoint, format, precision, *cells[-2:], flush=True)
    return found


def table(cells: dict[str, list[str]]) -> str:
    """Markdown."""
    head = [f"{name}: {metric} | same" for name, (*_, metric) in DEMOS.items()]
    lines = [f"|  | {' | '.join(head)} |", "|---" * (1 + 2 * len(DEMOS)) + "|"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    made = table(rows())
    PAGE.write_text(TABLE.sub(lambda _: made, page), encoding="utf-8")
