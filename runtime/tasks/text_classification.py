"""Text classification: labels for a text or a pair of texts."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypedDict, Unpack, overload

import numpy as np

from squeezebert_mobile.errors import InputError, choose
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.options import check_top_k
from squeezebert_mobile.runtime.tasks.pipeline import (
    BATCH_SIZE,
    ListInput,
    OneInput,
    Pipeline,
    parse_pair,
    tokens_cut,
    with_pair,
)
from squeezebert_mobile.runtime.tasks.results import (
    Label,
    TextClassificationResult,
    ZeroShotResult,
)
from squeezebert_mobile.runtime.tasks.scores import Numbers, best, sigmoid, softmax
from squeezebert_mobile.runtime.tasks.zero_shot import (
    TEMPLATE,
    candidates,
    entailment_place,
    entailment_scores,
    hypotheses,
)
from squeezebert_mobile.runtime.tokenizer.input_text import as_text

__all__ = ["TextClassification"]


def _values(logits: FloatArray) -> Numbers:
    return logits.astype(np.float64)


FUNCTIONS = {"softmax": softmax, "sigmoid": sigmoid, "none": _values}


def _logits(_: int, outputs: dict[str, FloatArray]) -> FloatArray:
    return outputs["logits"].copy()  # (labels,); a view would keep the outputs of the whole batch


class _Options(TypedDict, total=False):
    top_k: int | None
    function_to_apply: str | None
    batch_size: int


class _ZeroShotOptions(TypedDict, total=False):
    hypothesis_template: str
    multi_label: bool
    entailment_label: str | None
    batch_size: int


class TextClassification(Pipeline[TextClassificationResult]):
    """Classifies texts or pairs of texts."""

    @overload
    def __call__(
        self, texts: OneInput, text_pair: str | None = None, **options: Unpack[_Options]
    ) -> TextClassificationResult: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        texts: ListInput,
        **options: Unpack[_Options],
    ) -> list[TextClassificationResult]: ...
    @overload
    def __call__(
        self, texts: Iterable[Any], **options: Unpack[_Options]
    ) -> Iterator[TextClassificationResult]: ...
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

    @overload
    def zero_shot(
        self,
        texts: str | bytes,
        candidate_labels: str | Sequence[str],
        **options: Unpack[_ZeroShotOptions],
    ) -> ZeroShotResult: ...
    @overload
    def zero_shot(  # type: ignore[overload-overlap]
        self,
        texts: ListInput,
        candidate_labels: str | Sequence[str],
        **options: Unpack[_ZeroShotOptions],
    ) -> list[ZeroShotResult]: ...
    @overload
    def zero_shot(
        self,
        texts: Iterable[Any],
        candidate_labels: str | Sequence[str],
        **options: Unpack[_ZeroShotOptions],
    ) -> Iterator[ZeroShotResult]: ...
    def zero_shot(
        self,
        texts: Any,
        candidate_labels: str | Sequence[str],
        *,
        hypothesis_template: str = TEMPLATE,
        multi_label: bool = False,
        entailment_label: str | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> ZeroShotResult | list[ZeroShotResult] | Iterator[ZeroShotResult]:
        """Classify texts by labels that the model was not trained on.

        The model must be one of natural language inference (MNLI, SNLI, XNLI, ...). Each label
        makes a hypothesis, and the label whose hypothesis the text entails most is the best. The
        scores are those of the zero-shot-classification pipeline in transformers.

        Args:
            texts: a text, a list of texts, or an iterable of texts, read lazily.
            candidate_labels: the labels, as a list, or as a string in which commas separate them.
            hypothesis_template: the hypothesis, with ``{}`` where the label goes.
            multi_label: whether several labels can be true: each score is then independent of the
                other labels. If not, the scores of a text add up to 1.
            entailment_label: the model's label for entailment, if its name does not begin with
                "entail".
            batch_size: the maximum number of hypotheses in one model call. In int8 they share the
                activation scales, so that a score depends on its batch in about the third digit.

        Returns:
            All candidate labels, best first. A text that is too long is truncated, a hypothesis is
            not.

        Raises:
            InputError: a text or an option is invalid, a hypothesis leaves no room for a text, or
                the model's label for entailment is not known.
        """
        names = candidates(candidate_labels)
        claims = hypotheses(names, hypothesis_template)
        entailment = entailment_place(self.spec.labels or (), entailment_label)
        self._check_room(claims)

        def run(texts: list[str]) -> list[ZeroShotResult]:
            pairs = [(text, claim) for text in texts for claim in claims]
            rows = self._rows(pairs, strategy="only_first")
            logits = self._run([(row,) for row in rows], _logits, batch_size)
            results = []
            for start in range(0, len(pairs), len(claims)):
                part = slice(start, start + len(claims))
                scores = entailment_scores(
                    np.stack(logits[part]), entailment, multi_label=multi_label
                )
                results.append(
                    ZeroShotResult(
                        tuple(Label(names[i], float(scores[i])) for i in best(scores, None)),
                        tokens_cut=max(map(tokens_cut, rows[part])),
                    )
                )
            return results

        return self._apply(texts, as_text, run, batch_size=batch_size)

    def _check_room(self, claims: Sequence[str]) -> None:
        """Raise InputError for a hypothesis that leaves no room for one token of a text."""
        special = self.tokenizer.num_special_tokens_to_add(pair=True)
        for claim, row in zip(
            claims, self.tokenizer.encode_rows(claims, add_special_tokens=False), strict=True
        ):
            if len(row) + special >= self.max_length:
                raise InputError(
                    f"the hypothesis {claim!r:.60} has {len(row)} tokens, which leaves no room for "
                    f"a text in the {self.max_length} that this model takes; use a shorter label"
                )

    def _function(self) -> str:
        if self.spec.problem_type == "regression":
            return "none"
        single = len(self.spec.labels or ()) == 1
        if single or self.spec.problem_type == "multi_label_classification":
            return "sigmoid"
        return "softmax"
