"""The base class of all pipelines: single inputs, lists and streams."""

import itertools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from squeezebert_mobile.artifact import Manifest, ModelSpec
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.sessions.base import FloatArray, Session
from squeezebert_mobile.runtime.tasks.batching import BatchItem, run_batches
from squeezebert_mobile.runtime.tasks.options import check_count
from squeezebert_mobile.runtime.tasks.results import Result
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.runtime.tokenizer.input_text import as_text
from squeezebert_mobile.runtime.tokenizer.rows import Row

__all__ = [
    "BATCH_SIZE",
    "ListInput",
    "OneInput",
    "Pipeline",
    "parse_pair",
    "tokens_cut",
    "with_pair",
]

#: Default of the maximum number of inputs in one model call. In int8 the inputs of a call share the
#: activation scales, so that a result depends on its batch in about the third digit; with a
#: batch_size of 1 it does not.
BATCH_SIZE = 8
_LOOK_AHEAD = 8  # batches of a stream that are read and sorted by length together

#: What a call takes for one result, and for a list of results; any other iterable is read lazily. A
#: list is an iterable too, so that mypy has to be told that the first overload of a call counts.
OneInput = str | bytes | Mapping[str, Any]
ListInput = list[Any] | tuple[Any, ...]

R = TypeVar("R", bound=Result)
Output = TypeVar("Output", bound=Result)
Item = TypeVar("Item")
Decoded = TypeVar("Decoded")


@dataclass(frozen=True, repr=False)
class Pipeline(Closeable, ABC, Generic[R]):
    """A loaded artifact, or a checkpoint in torch. Calls are thread-safe."""

    spec: ModelSpec
    session: Session
    tokenizer: SqueezeBertTokenizer
    artifact: Manifest | None = None  # its manifest; None for a checkpoint in torch

    def __repr__(self) -> str:
        """The class, and the artifact."""
        if self.artifact is None:
            return f"<{type(self).__name__}>"
        what = self.manifest.source.name, self.manifest.format, self.manifest.precision
        return f"<{type(self).__name__} {' '.join(what)}>"

    @property
    def manifest(self) -> Manifest:
        """The artifact's manifest.

        Raises:
            InputError: the model is a checkpoint.
        """
        if self.artifact is None:
            raise InputError("a checkpoint has no manifest; export it, and load the artifact")
        return self.artifact

    @property
    def max_length(self) -> int:
        """The maximum number of tokens in a row."""
        return self.spec.sequence_length or self.spec.max_sequence_length

    def close(self) -> None:
        """Free the model."""
        self.session.close()

    @abstractmethod
    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """A result for an input, a list for a list, a generator for any other iterable."""

    def _apply(
        self,
        inputs: Any,
        parse: Callable[[Any], Item],
        run: Callable[[list[Item]], list[Output]],
        *,
        batch_size: int,
    ) -> Output | list[Output] | Iterator[Output]:
        check_count("batch_size", batch_size, 1)
        if isinstance(inputs, str | bytes | Mapping):
            return run([parse(inputs)])[0]
        if isinstance(inputs, Sequence):
            return run([_parse_one(n, value, parse) for n, value in enumerate(inputs, 1)])
        if isinstance(inputs, Iterable):
            return _stream(inputs, parse, run, batch_size)
        raise InputError(
            f"the input must be a text, a list or an iterable of texts, not {type(inputs).__name__}"
        )

    def label(self, place: int) -> str:
        """The name of the label at this position of the logits."""
        labels = self.spec.labels or ()
        return labels[place] if place < len(labels) else f"LABEL_{place}"

    def _rows(
        self, pairs: Sequence[tuple[str, str | None]], *, strategy: str = "longest_first"
    ) -> list[Row]:
        """A row for each text or pair, truncated to the model's maximum length."""
        rows: dict[int, Row] = {}
        for paired in (False, True):
            places = [i for i, pair in enumerate(pairs) if (pair[1] is not None) == paired]
            if places:
                encoded = self.tokenizer.encode_rows(
                    [pairs[i][0] for i in places],
                    [pairs[i][1] or "" for i in places] if paired else None,
                    strategy=strategy,
                    max_length=self.max_length,
                )
                rows.update(zip(places, encoded, strict=True))
        return [rows[i] for i in range(len(pairs))]

    def _run(
        self,
        items: Sequence[BatchItem],
        decode: Callable[[int, dict[str, FloatArray]], Decoded],
        batch_size: int,
    ) -> list[Decoded]:
        return run_batches(
            self.session,
            self.spec,
            items,
            decode,
            batch_size=batch_size,
            pad_id=self.tokenizer.pad_token_id,
        )


def _parse_one(number: int, value: Any, parse: Callable[[Any], Item]) -> Item:
    try:
        return parse(value)
    except InputError as error:
        raise InputError(f"input {number}: {error}") from None


def _stream(
    inputs: Iterable[Any],
    parse: Callable[[Any], Item],
    run: Callable[[list[Item]], list[Output]],
    batch_size: int,
) -> Iterator[Output]:
    """Yield results while reading; with a batch_size of 1 each one before the next input."""
    numbered = enumerate(inputs, 1)
    size = min(batch_size * _LOOK_AHEAD, sys.maxsize) if batch_size > 1 else 1
    while chunk := list(itertools.islice(numbered, size)):
        items: list[Item] = []
        try:
            for number, value in chunk:
                items.append(_parse_one(number, value, parse))
        except InputError:
            yield from run(items)  # results of the inputs before the invalid one
            raise
        yield from run(items)


# Inputs -------------------------------------------------------------------------------------


def with_pair(texts: Any, text_pair: str | None) -> Any:
    """The input of a call with a separate `text_pair`.

    Raises:
        InputError: `texts` is not a single text.
    """
    if text_pair is None:
        return texts
    if not isinstance(texts, str | bytes):
        raise InputError("text_pair goes with one text; put pairs in a list as (text, text_pair)")
    return {"text": texts, "text_pair": text_pair}


def parse_pair(value: Any) -> tuple[str, str | None]:
    """A text, ``(text, text_pair)`` or ``{"text": ..., "text_pair": ...}`` as a text and a pair."""
    if isinstance(value, Mapping):
        fields = dict(value)
        pair = fields.pop("text", None), fields.pop("text_pair", None)
        if fields or pair[0] is None:
            raise InputError(
                f"an input has the fields {sorted(map(str, value))}; it takes 'text' and, for a "
                "pair, 'text_pair'"
            )
    elif isinstance(value, tuple) and len(value) == 2:
        pair = value
    else:
        pair = value, None
    return as_text(pair[0]), None if pair[1] is None else as_text(pair[1], "text_pair")


def tokens_cut(row: Row) -> int:
    """The number of tokens that truncation removed from a row."""
    total = sum(len(segment) for segment in row.segments)
    return total - sum(stop - start for start, stop in row.spans)
