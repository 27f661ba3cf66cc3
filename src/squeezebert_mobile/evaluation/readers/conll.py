"""Token files as CoNLL's: a word and its label a line, a blank line between sentences."""

import re
from collections.abc import Iterator

from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, shortened

__all__ = ["ENTITY_TAG", "looks_like", "read_conll"]

_SEPARATOR = re.compile(r"[ \t]+")
_BETWEEN_DOCUMENTS = "-DOCSTART-"
_LOOKED_AT = 200  # lines
#: Inside, outside, beginning; S and E where ends are marked as well.
ENTITY_TAG = re.compile(r"O|[BIES]-\S+")


def looks_like(file: DataFile) -> bool:
    """Whether lines have as many columns each, the last of them a label such as B-PER or O."""
    first = [cells for _, (_, cells) in zip(range(_LOOKED_AT), _words(file), strict=False) if cells]
    return bool(
        first
        and len({len(cells) for cells in first}) == 1
        and len(first[0]) > 1
        and all(ENTITY_TAG.fullmatch(cells[-1]) for cells in first)
    )


def read_conll(file: DataFile) -> DataSet:
    """The sentences: the first column has the words, the last the labels, as the file has them.

    Raises:
        InputError: a line has one column, or others have more.
    """
    sentences: list[Example] = []
    classes: set[str] = set()
    words: list[str] = []
    tags: list[str] = []
    begun, columns = 1, 0
    for number, cells in (*_words(file), (0, None)):
        if cells is None:
            if words:
                sentences.append(Example(f"line {begun}", tuple(words), tuple(tags)))
            words, tags = [], []
            continue
        columns = columns or len(cells)
        if len(cells) < 2 or len(cells) != columns:
            raise file.wrong(
                f"has {shortened(' '.join(cells))} at line {number}, where {max(columns, 2)} "
                "columns should be; a line is a word, its label last, and a blank line ends a "
                "sentence"
            )
        begun = begun if words else number
        words.append(cells[0])
        classes.add(cells[-1])
        tags.append(cells[-1])
    if not sentences:
        raise file.wrong("holds no sentence; write a word and its label a line")
    entities = all(ENTITY_TAG.fullmatch(tag) for tag in classes)
    return DataSet(
        "conll",
        "token-classification",
        tuple(sentences),
        ("f1", "precision", "recall", "accuracy") if entities else ("accuracy",),
        classes=tuple(sorted(classes)),
    )


def _words(file: DataFile) -> Iterator[tuple[int, list[str] | None]]:
    """Each line's number and columns; None between sentences."""
    for number, line in enumerate(file.lines, 1):
        cells = [cell for cell in _SEPARATOR.split(line) if cell]
        between = not cells or cells[0] == _BETWEEN_DOCUMENTS
        yield number, None if between else cells
