"""Texts of so many tokens with the other inputs of a task, and texts to verify a baseline with."""

import bisect
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from squeezebert_mobile.runtime import SqueezeBertTokenizer

__all__ = ["Arguments", "few_texts", "text_arguments"]

Arguments = dict[str, Any]  # of a pipeline's call; JSON

_FILLER = "a"  # a single token in every vocabulary, or an unknown one
_QUESTION = "What is it about?"


def text_arguments(tokenizer: SqueezeBertTokenizer, task: str, length: int) -> Arguments:
    """The arguments of a pipeline's call with a text of `length` tokens, or the next shorter one.

    Args:
        tokenizer: The artifact's.
        task: The artifact's.
        length: In tokens, the special ones included.
    """
    second = {"question-answering": _QUESTION, "multiple-choice": _FILLER}.get(task)
    prefix = f"{tokenizer.mask_token} " if task == "fill-mask" else ""

    def size(words: Sequence[str]) -> int:
        text = prefix + " ".join(words)
        return len(tokenizer(text, second)["input_ids"])

    text = prefix + " ".join(_words_of(length, size))
    if task == "question-answering":
        return {"question": _QUESTION, "context": text}
    if task == "multiple-choice":
        return {"texts": text, "choices": [_FILLER, _FILLER]}
    return {"texts": text}


def _words_of(length: int, size: Callable[[Sequence[str]], int]) -> list[str]:
    """Words of sentences, and fillers, that have `length` tokens; at least one word."""
    words = _sentences().split()
    words *= 1 + length // len(words)
    fitting = bisect.bisect_right(range(length), length, key=lambda n: size(words[: n + 1]))
    chosen = words[: max(1, fitting)]
    return [*chosen, *[_FILLER] * (length - size(chosen))]


def few_texts() -> list[str]:
    """Every eighth of the 200 shipped texts: enough to verify a model with random weights.

    Its predictions are meaningless, and someone is waiting for the benchmark.
    """
    return _sentences().splitlines()[::8]


def _sentences() -> str:
    file = resources.files("squeezebert_mobile") / "models" / "assets" / "sentences.txt"
    return file.read_text(encoding="utf-8")
