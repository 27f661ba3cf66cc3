"""CoNLL token files: one word and its label per line, a blank line between sentences."""

import re
from collections.abc import Iterator

from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, shortened

__all__ = ["ENTITY_TAG", "looks_like", "read_conll"]

_SEPARATOR = re.compile(r"[ \t]+")
_DOCUMENT_START = "-DOCSTART-"
_SAMPLED_LINES = 200
#: Inside, outside, begin; S (single) and E (end) in schemes that mark ends as well.
ENTITY_TAG = re.compile(r"O|[BIES]-\S+")


def looks_like(file: DataFile) -> bool:
    """Whether all lines have the same number of columns, with a tag such as B-PER or O last."""
    lines = zip(range(_SAMPLED_LINES), _words(file), strict=False)
    sample = [columns for _, (_, columns) in lines if columns]
    return bool(
        sample
        and len({len(columns) for columns in sample}) == 1
        and len(sample[0]) > 1
        and all(ENTITY_TAG.fullmatch(columns[-1]) for columns in sample)
    )


def read_conll(file: DataFile) -> DataSet:
    """The sentences: words from the first column, labels from the last, as in the file.

    Raises:
        InputError: a line has a single column, or more or fewer than the others.
    """
    sentences: list[Example] = []
    classes: set[str] = set()
    words: list[str] = []
    tags: list[str] = []
    first_line, expected = 1, 0
    for number, columns in (*_words(file), (0, None)):
        if columns is None:
            if words:
                sentences.append(Example(f"line {first_line}", tuple(words), tuple(tags)))
            words, tags = [], []
            continue
        expected = expected or len(columns)
        if len(columns) < 2 or len(columns) != expected:
            raise file.error(
                f"has {shortened(' '.join(columns))} at line {number}, where {max(expected, 2)} "
                "columns are expected; each line is a word with its label last, and a blank line "
                "ends a sentence"
            )
        first_line = first_line if words else number
        words.append(columns[0])
        classes.add(columns[-1])
        tags.append(columns[-1])
    if not sentences:
        raise file.error("has no sentences; write one word and its label per line")
    are_entities = all(ENTITY_TAG.fullmatch(tag) for tag in classes)
    return DataSet(
        "conll",
        "token-classification",
        tuple(sentences),
        ("f1", "precision", "recall", "accuracy") if are_entities else ("accuracy",),
        classes=tuple(sorted(classes)),
    )


def _words(file: DataFile) -> Iterator[tuple[int, list[str] | None]]:
    """Each line's number and columns; None between sentences."""
    for number, line in enumerate(file.lines, 1):
        columns = [column for column in _SEPARATOR.split(line) if column]
        is_boundary = not columns or columns[0] == _DOCUMENT_START
        yield number, None if is_boundary else columns
