"""Parity: the exported file and the fp32 checkpoint are run on the same texts and compared.

Every text is run at three lengths. Together the runs cover batches of 1 and 3, padded and not. Each
output of the artifact is compared with that of the fp32 torch model at every position that is not
padding.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.export.feeds.reference import Reference
from squeezebert_mobile.export.feeds.selection import verification_feeds
from squeezebert_mobile.export.verify.comparison import (
    Comparison,
    Floats,
    OutputDifferences,
    compare,
)
from squeezebert_mobile.export.verify.limits import Limit
from squeezebert_mobile.export.verify.references import with_references
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.models.threads import one_thread
from squeezebert_mobile.progress import StepProgress
from squeezebert_mobile.runtime.sessions.base import Session

__all__ = ["verify"]


def verify(
    reference: Reference,
    session: Session,
    precision: str,
    texts: Sequence[str],
    *,
    limit: Limit | None = None,
    progress: StepProgress = lambda done, total: None,
) -> Comparison:
    """Compare an artifact with its checkpoint.

    Args:
        reference: The checkpoint.
        session: The exported model, open.
        precision: That of the exported model.
        texts: Any number of them; 200 ship with the package.
        limit: The limit of each output; None for that of the precision.
        progress: Called with the number of texts done and of all texts.
    """
    theirs = Traceable(reference.model)
    answers = reference.has_answers
    differences = {name: OutputDifferences() for name in theirs.outputs}
    done, total = 0, len(texts) * len(reference.lengths)
    with one_thread():  # the threads share runs, not operators
        feeds = verification_feeds(reference, texts)
        for count, feed, references in with_references(theirs, feeds):
            outputs = session.run(feed)
            mask = feed["attention_mask"].astype(bool)
            for (name, axes), output in zip(theirs.outputs.items(), references, strict=True):
                _add(differences[name], axes, mask, outputs[name], output, answers=answers)
                differences[name].add_other_answers(reference.problem_type, outputs[name], output)
            done += count
            progress(min(done, total), total)
    return compare(differences, precision, len(texts), limit)


def _add(
    differences: OutputDifferences,
    axes: tuple[str, ...],
    mask: NDArray[np.bool_],
    ours: Floats,
    theirs: Floats,
    *,
    answers: bool,
) -> None:
    """Add one output of one run; mask (B, S) or (B, N, S) is True where there is no padding."""
    if axes[-1] == "sequence":  # (B, S): a row holds a number for each position of one text
        for row, positions in enumerate(mask):
            pair = ours[row, positions][None], theirs[row, positions][None]
            differences.add(*pair)
            if answers and positions.sum() > 1:
                differences.add_answers(*pair)
        return
    if "sequence" in axes:  # (B, S, numbers)
        ours, theirs = ours[mask], theirs[mask]
    differences.add(ours, theirs)
    if answers and ours.shape[-1] > 1:
        differences.add_answers(ours, theirs)
