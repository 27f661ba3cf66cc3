"""Multiple choice: the choice that fits a text best."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack, overload

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.pipeline import (
    BATCH_SIZE,
    ListInput,
    OneInput,
    Pipeline,
    tokens_cut,
)
from squeezebert_mobile.runtime.tasks.results import Choice, MultipleChoiceResult
from squeezebert_mobile.runtime.tasks.scores import best, softmax
from squeezebert_mobile.runtime.tokenizer.input_text import as_text

__all__ = ["MultipleChoice"]


@dataclass(frozen=True)
class _Item:
    text: str
    choices: tuple[str, ...]


class _Options(TypedDict, total=False):
    batch_size: int


class MultipleChoice(Pipeline[MultipleChoiceResult]):
    """Ranks the choices of a text."""

    @overload
    def __call__(
        self, texts: OneInput, choices: Sequence[str] | None = None, **options: Unpack[_Options]
    ) -> MultipleChoiceResult: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        texts: ListInput,
        choices: Sequence[str] | None = None,
        **options: Unpack[_Options],
    ) -> list[MultipleChoiceResult]: ...
    @overload
    def __call__(
        self,
        texts: Iterable[Any],
        choices: Sequence[str] | None = None,
        **options: Unpack[_Options],
    ) -> Iterator[MultipleChoiceResult]: ...
    def __call__(
        self, texts: Any, choices: Sequence[str] | None = None, *, batch_size: int = BATCH_SIZE
    ) -> MultipleChoiceResult | list[MultipleChoiceResult] | Iterator[MultipleChoiceResult]:
        """Rank the choices of a text, of a list of texts, or of an iterable, read lazily.

        Args:
            texts: a text is a str, with `choices`, or ``{"text": ..., "choices": [...]}``.
            choices: the choices of all texts that do not have their own.
            batch_size: the maximum number of texts in one model call. In int8 they share the
                activation scales, so that a result depends on its batch in about the third digit.

        Returns:
            All choices, best first; the scores of a text's choices add up to 1.

        Raises:
            InputError: a text or its choices are invalid.
        """

        def parse(value: Any) -> _Item:
            return _parse(value, choices)

        def run(items: list[_Item]) -> list[MultipleChoiceResult]:
            units = [
                tuple(self._rows([(item.text, choice) for choice in item.choices]))
                for item in items
            ]

            def decode(number: int, outputs: dict[str, FloatArray]) -> MultipleChoiceResult:
                scores, item = softmax(outputs["logits"]), items[number]  # (choices,)
                return MultipleChoiceResult(
                    tuple(Choice(item.choices[i], float(scores[i]), i) for i in best(scores, None)),
                    tokens_cut=max(map(tokens_cut, units[number])),
                )

            return self._run(units, decode, batch_size)

        return self._apply(texts, parse, run, batch_size=batch_size)


def _parse(value: Any, choices: Sequence[str] | None) -> _Item:
    if isinstance(value, Mapping):
        if unknown := sorted(map(str, value.keys() - {"text", "choices"})):
            raise InputError(f"an input takes 'text' and 'choices', not {unknown[0]!r}")
        choices, value = value.get("choices", choices), value.get("text")
    if not isinstance(choices, Sequence) or isinstance(choices, str | bytes) or len(choices) < 2:
        raise InputError(f"choices={choices!r:.60} must be a list of at least two texts")
    text = as_text(value)
    return _Item(text, tuple(as_text(choice, "choice") for choice in choices))
