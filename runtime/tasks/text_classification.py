"""Text classification: labels for a text or a pair of texts."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from squeezebert_mobile.errors import InputError, choose
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.options import check_top_k
from squeezebert_mobile.runtime.tasks.pipeline import (
    BATCH_SIZE,
    Pipeline,
    parse_pair,
    tokens_cut,
    with_pair,
)
from squeezebert_mobile.runtime.tasks.results import Label, TextClassificationResult
from squeezebert_mobile.runtime.tasks.scores import Numbers, best, sigmoid, softmax

__all__ = ["TextClassification"]


def _values(logits: FloatArray) -> Numbers:
    return logits.astype(np.float64)


FUNCTIONS = {"softmax": softmax, "sigmoid": sigmoid, "none": _values}


class TextClassification(Pipeline[TextClassificationResult]):
    """Classifies texts or pairs of texts."""

    def __call__(
        self,
        texts: Any,
        text_pair: str | None = None,
        *,
        top_k: int | None = 1,
        function_to_apply: str | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> (
        TextClassificationResult
        | list[TextClassificationResult]
        | Iterator[TextClassificationResult]
    ):
        """Classify a text, a list of texts, or an iterable of texts, read lazily.

        Args:
            texts: a text is a str, ``(text, text_pair)`` inside a list, or
                ``{"text": ..., "text_pair": ...}``.
            text_pair: the second text, if `texts` is a single text.
            top_k: the number of labels to return, best first; None returns all.
            function_to_apply: "softmax", "sigmoid" or "none". The default depends on how the model
                was trained: "none" for regression, "sigmoid" for multi-label classification or a
                single label, else "softmax".
            batch_size: the maximum number of texts in one model call. In int8 they share the
                activation scales, so that a result depends on its batch in about the third digit.

        Raises:
            InputError: a text or an option is invalid.
        """
        check_top_k(top_k)
        name = function_to_apply or self._function()
        if name not in FUNCTIONS:
            raise InputError(choose("function_to_apply", name, FUNCTIONS))
        texts = with_pair(texts, text_pair)

        def run(pairs: list[tuple[str, str | None]]) -> list[TextClassificationResult]:
            rows = self._rows(pairs)

            def decode(number: int, outputs: dict[str, FloatArray]) -> TextClassificationResult:
                scores = FUNCTIONS[name](outputs["logits"])  # (labels,)
                labels = tuple(
                    Label(self.label(place), float(scores[place])) for place in best(scores, top_k)
                )
                return TextClassificationResult(labels, tokens_cut=tokens_cut(rows[number]))

            return self._run([(row,) for row in rows], decode, batch_size)

        return self._apply(texts, parse_pair, run, batch_size=batch_size)

    def _function(self) -> str:
        if self.spec.problem_type == "regression":
            return "none"
        single = len(self.spec.labels or ()) == 1
        if single or self.spec.problem_type == "multi_label_classification":
            return "sigmoid"
        return "softmax"
