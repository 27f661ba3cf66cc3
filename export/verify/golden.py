"""Golden outputs: a few texts and the artifact's own outputs, for consumers on other machines."""

from collections.abc import Sequence

import numpy as np

from squeezebert_mobile.artifact import SCHEMA_VERSION, Golden, GoldenOutput, GoldenText
from squeezebert_mobile.export.feeds.building import (
    Row,
    build_choices,
    build_feed,
    choice_rows,
    text_row,
)
from squeezebert_mobile.export.feeds.reference import Reference
from squeezebert_mobile.export.verify.comparison import Comparison, Floats, rounded
from squeezebert_mobile.export.verify.limits import rounding
from squeezebert_mobile.runtime.sessions.base import Session

__all__ = ["GOLDEN_TEXTS", "make_golden"]

GOLDEN_TEXTS = 8
GOLDEN_VALUES = 64  # of each output of a text


def make_golden(
    reference: Reference, session: Session, comparison: Comparison, texts: Sequence[str]
) -> Golden:
    """The artifact's outputs for eight of the texts, and how far another machine may be off."""
    places = [i * len(texts) // GOLDEN_TEXTS for i in range(GOLDEN_TEXTS)]
    # On another processor, int8 may differ from itself as much as it differs from fp32: activations
    # round the other way. fp32 adds in another order.
    tolerance = {
        name: rounded(max(output.max_abs_diff, rounding(comparison.sizes[name])))
        for name, output in comparison.parity.outputs.items()
    }
    golden = tuple(_golden_text(reference, session, texts, place) for place in places)
    return Golden(schema_version=SCHEMA_VERSION, tolerance=tolerance, texts=golden)


def _golden_text(
    reference: Reference, session: Session, texts: Sequence[str], place: int
) -> GoldenText:
    length = reference.sequence_length or reference.lengths[-1]
    padded = reference.sequence_length is not None
    rows: list[Row]
    if reference.task.has_choices:
        rows = choice_rows(texts, place)
        feed = build_choices(reference, texts, [place], length, padded=padded)
    else:
        rows = [text_row(texts, place, reference.task)]
        feed = build_feed(reference, rows, length, padded=padded)
    flat = {name: array.reshape(len(rows), -1).tolist() for name, array in feed.items()}
    outputs = session.run(feed)
    answers = reference.has_answers
    return GoldenText(
        texts=tuple(tuple(text for text in row if text is not None) for row in rows),
        **{name: tuple(map(tuple, values)) for name, values in flat.items()},
        outputs={name: _golden_output(array, answers=answers) for name, array in outputs.items()},
    )


def _golden_output(array: Floats, *, answers: bool) -> GoldenOutput:
    """Values spread evenly over the output, from its first to its last."""
    count = min(GOLDEN_VALUES, array.size)
    indices = np.linspace(0, array.size - 1, count).astype(int)
    top = array.argmax(-1).ravel().tolist() if answers else []
    return GoldenOutput(
        shape=array.shape,
        indices=tuple(indices.tolist()),
        values=tuple(_stored(float(value)) for value in array.ravel()[indices]),
        top=tuple(top),
    )


def _stored(value: float) -> float:
    """Six digits, and at least four decimals: what is cut off is less than the tolerance."""
    return rounded(value) if abs(value) < 100 else round(value, 4)
