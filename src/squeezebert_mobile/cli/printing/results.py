"""What `run` prints: a result as text or as a line of JSON."""

import json
from typing import Any

import numpy as np

from squeezebert_mobile.cli.printing.progress import print_note
from squeezebert_mobile.runtime import (
    FeatureExtractionResult,
    FillMaskResult,
    MultipleChoiceResult,
    Result,
    SearchResult,
    TextClassificationResult,
    TokenClassificationResult,
)
from squeezebert_mobile.streams import print_json, print_line

__all__ = ["BLANK_RESULTS", "print_hits", "print_result", "result_json"]

#: The result of a blank line, by task.
BLANK_RESULTS: dict[str, Result] = {
    "feature-extraction": FeatureExtractionResult(np.empty(0, np.float32)),
    "fill-mask": FillMaskResult(()),
    "multiple-choice": MultipleChoiceResult(()),
    "text-classification": TextClassificationResult(()),
    "token-classification": TokenClassificationResult(()),
}


def print_result(text: str | None, result: Result, *, as_json: bool) -> None:
    """Print a result below its text, and its notice on stderr."""
    if as_json:
        print_json(result_json(text, result))
        return
    if text is not None:
        print_line(text, keep="\n\t")
    is_blank = any(result is blank for blank in BLANK_RESULTS.values())
    for line in ["(blank line)"] if is_blank else str(result).split("\n"):
        print_line(f"  {line}", keep="\t")
    if result.notice:
        print_note(result.notice)


def print_hits(result: SearchResult, lines: list[int], *, as_json: bool) -> None:
    """Print the texts that a search found, best first, and its notice on stderr.

    Args:
        result: What it found.
        lines: The number of the line of each text that was searched.
        as_json: Whether each is a line of JSON: its text, score, and the number of its line.
    """
    for hit in result.hits:
        record = {
            "text": hit.text,
            "score": _float32(hit.score),
            "line": lines[hit.corpus_id],
        }
        if as_json:
            print_json(json.dumps(record, ensure_ascii=False))
        else:
            print_line(str(hit), keep="\t")
    if result.notice:
        print_note(result.notice)


def result_json(text: str | None, result: Result) -> str:
    """A result in one line of JSON.

    The numbers of vectors have the digits that distinguish them as float32, in which the model
    computes; fields without a value are left out.
    """
    return json.dumps(_compact({"text": text, **result.to_dict()}), ensure_ascii=False)


def _compact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _compact(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_float32(item) if isinstance(item, float) else _compact(item) for item in value]
    return value


def _float32(number: float) -> float:
    return float(str(np.float32(number)))
