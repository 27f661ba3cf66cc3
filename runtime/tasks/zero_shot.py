"""Zero-shot classification: a natural language inference model as a classifier of any labels.

The text is the premise, and each candidate label makes a hypothesis. The scores come from the
logits of "entailment", as in the zero-shot-classification pipeline of transformers.
"""

from collections.abc import Sequence

import numpy as np

from squeezebert_mobile.errors import InputError, choose
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.scores import Numbers, softmax
from squeezebert_mobile.runtime.tokenizer.input_text import as_text

__all__ = ["TEMPLATE", "candidates", "entailment_place", "entailment_scores", "hypotheses"]

TEMPLATE = "This example is {}."  # the default of transformers


def candidates(labels: str | Sequence[str]) -> list[str]:
    """The candidate labels: a list, or a string in which commas separate them.

    Raises:
        InputError: there is none, or one is not a text.
    """
    if isinstance(labels, str):
        labels = [label.strip() for label in labels.split(",") if label.strip()]
    if not isinstance(labels, Sequence) or isinstance(labels, bytes) or not labels:
        raise InputError(f"candidate_labels={labels!r:.60} must be a list of at least one label")
    return [as_text(label, "candidate label") for label in labels]


def hypotheses(labels: Sequence[str], template: str) -> list[str]:
    """The template with each label in the place of its ``{}``.

    Raises:
        InputError: the template has no place for a label, or more than one.
    """
    try:
        texts = [template.format(label) for label in labels]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        texts = []
    if not texts or texts[0] == template:
        raise InputError(
            f"the hypothesis template {template!r:.60} must contain {{}} once, where the label "
            f"goes, such as {TEMPLATE!r}"
        )
    return texts


def entailment_place(labels: Sequence[str], entailment_label: str | None) -> int:
    """The position of "entailment" in the logits of a model with these labels.

    As in transformers it is the label whose name begins with "entail", in any case of letters.

    Raises:
        InputError: the model has fewer than two labels; none or several of them have such a name
            and `entailment_label` is None; or it is not a label of the model.
    """
    if len(labels) < 2:
        raise InputError(
            "this model is not one of natural language inference (NLI), which zero-shot "
            "classification needs: it has no label for entailment beside one for contradiction, "
            f"only {', '.join(labels) or 'none'}; use an NLI model"
        )
    if entailment_label is not None:
        if entailment_label not in labels:
            raise InputError(choose("entailment label", entailment_label, labels))
        return labels.index(entailment_label)
    places = [i for i, label in enumerate(labels) if label.lower().startswith("entail")]
    if len(places) != 1:
        shown = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "")
        raise InputError(
            "this model is not one of natural language inference (NLI), which zero-shot "
            f"classification needs: {'several labels are' if places else 'no label is'} called "
            f"entailment ({shown}); use an NLI model, or name the label of an NLI model whose "
            "labels have other names (--entailment-label)"
        )
    return places[0]


def entailment_scores(logits: FloatArray, entailment: int, *, multi_label: bool) -> Numbers:
    """The scores of the candidates from the logits of their hypotheses, (candidates, labels).

    They add up to 1, unless `multi_label` is set or there is a single candidate: then each is the
    probability of entailment against contradiction, which is the first label of the model, or the
    last one if entailment is the first (as in transformers, which does not look for its name).
    """
    if not multi_label and len(logits) > 1:
        return softmax(logits[:, entailment])
    contradiction = -1 if entailment == 0 else 0
    scores: Numbers = softmax(np.stack([logits[:, contradiction], logits[:, entailment]], axis=1))
    return scores[:, 1]
