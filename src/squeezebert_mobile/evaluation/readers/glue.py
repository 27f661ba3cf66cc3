"""The nine tasks of GLUE, as their files were published.

The files are not CSV: nothing is quoted, and a quotation mark is a character of its sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, shortened

__all__ = ["GLUE", "Glue", "looks_like", "read_glue"]

_LOOKED_AT = 100  # lines whose labels tell one task from another with the same header


@dataclass(frozen=True, kw_only=True)
class Glue:
    """One task: the columns of its files, and its labels in the order of their ids."""

    header: tuple[str, ...]  # its last ones may vary (MNLI); empty: the file has none
    text: str = "sentence"
    pair: str | None = None
    label: str = "label"
    classes: tuple[str, ...]  # empty: the label is a number
    metrics: tuple[str, ...] = ("accuracy",)
    numbered: bool = False  # the file holds ids and not names
    unlabelled: str | None = None  # what stands where people did not agree
    split_by: str | None = None  # MNLI: the column that tells matched from mismatched


_ENTAILED = ("entailment", "not_entailment")
_PAIR = ("index", "sentence1", "sentence2")
_COLA = ("source", "label", "mark", "sentence")

GLUE = {
    "cola": Glue(
        header=(), classes=("unacceptable", "acceptable"), metrics=("matthews",), numbered=True
    ),
    "sst-2": Glue(header=("sentence", "label"), classes=("negative", "positive"), numbered=True),
    "mrpc": Glue(
        header=("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
        text="#1 String",
        pair="#2 String",
        label="Quality",
        classes=("not_equivalent", "equivalent"),
        metrics=("accuracy", "f1"),
        numbered=True,
    ),
    "qqp": Glue(
        header=("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
        text="question1",
        pair="question2",
        label="is_duplicate",
        classes=("not_duplicate", "duplicate"),
        metrics=("accuracy", "f1"),
        numbered=True,
    ),
    "sts-b": Glue(
        header=("index", "genre", "filename", "year", "old_index", "source1", "source2")
        + ("sentence1", "sentence2", "score"),
        text="sentence1",
        pair="sentence2",
        label="score",
        classes=(),
        metrics=("pearson", "spearman"),
    ),
    "mnli": Glue(
        header=("index", "promptID", "pairID", "genre", "sentence1_binary_parse")
        + ("sentence2_binary_parse", "sentence1_parse", "sentence2_parse")
        + ("sentence1", "sentence2", "label1"),
        text="sentence1",
        pair="sentence2",
        label="gold_label",
        classes=("entailment", "neutral", "contradiction"),
        unlabelled="-",
        split_by="genre",
    ),
    "qnli": Glue(
        header=("index", "question", "sentence", "label"),
        text="question",
        pair="sentence",
        classes=_ENTAILED,
    ),
    "rte": Glue(header=(*_PAIR, "label"), text="sentence1", pair="sentence2", classes=_ENTAILED),
    "wnli": Glue(
        header=(*_PAIR, "label"),
        text="sentence1",
        pair="sentence2",
        classes=_ENTAILED[::-1],
        numbered=True,
    ),
}

#: The genres of MNLI's matched file; its mismatched file has five others.
_MATCHED = {"fiction", "government", "slate", "telephone", "travel"}


def looks_like(name: str, file: DataFile) -> bool:
    """Whether `file` is one of the GLUE task `name`: its header, and its first labels."""
    glue = GLUE[name]
    header, rows = _parts(glue, file)
    if tuple(header[: len(glue.header)]) != glue.header or glue.label not in header:
        return False
    first = [row for _, row in zip(range(_LOOKED_AT), rows, strict=False)]
    if not first or any(len(cells) != len(header) for _, cells in first) and name != "qqp":
        return False
    if name == "cola" and any(cells[2] not in {"", "*"} for _, cells in first):
        return False
    place = header.index(glue.label)
    known = _known(glue)
    return all(_is_label(glue, known, cells[place]) for _, cells in first if place < len(cells))


def read_glue(name: str, file: DataFile) -> DataSet:
    """The labelled examples of a file of the GLUE task `name`.

    Raises:
        InputError: a column or a label is not as published.
    """
    glue = GLUE[name]
    header, rows = _parts(glue, file)
    columns = [column for column in (glue.text, glue.pair, glue.label) if column]
    for column in columns:
        if column not in header:
            hint = "a test file has no labels, give dev.tsv" if column == glue.label else "give it"
            raise file.wrong(
                f"has no column {column!r}, which {name} has; it has: "
                f"{shortened(', '.join(header), 200)}; {hint}"
            )
    places = [header.index(column) for column in columns]
    known, examples, left_out, matched = _known(glue), [], 0, set()
    for number, cells in rows:
        if len(cells) != len(header):
            if name == "qqp" and len(cells) < len(header):  # some published lines are broken
                left_out += 1
                continue
            raise file.wrong(
                f"has {len(cells)} columns at line {number}, and {name} has {len(header)}; its "
                "files are separated by tabs, without quotes"
            )
        *texts, label = (cells[place] for place in places)
        if label == glue.unlabelled or not all(text.strip() for text in texts):
            left_out += 1
            continue
        if not _is_label(glue, known, label):
            valid = ", ".join(known) if known else "a number"
            raise file.wrong(
                f"has the label {shortened(label)} at line {number}; the labels of {name} are: "
                f"{valid}"
            )
        examples.append(Example(f"line {number}", tuple(texts), known.get(label, label)))
        if glue.split_by:
            matched.add(cells[header.index(glue.split_by)] in _MATCHED)
    if not examples:
        raise file.wrong(f"has no labelled line of {name}; give a file that was not cut")
    return DataSet(
        format=name,
        task="text-classification",
        examples=tuple(examples),
        metrics=_metrics(glue, matched),
        classes=glue.classes,
        ids=tuple(range(len(glue.classes))),
        named=not glue.numbered,
        values=not glue.classes,
        left_out=left_out,
    )


def _parts(glue: Glue, file: DataFile) -> tuple[Sequence[str], Iterator[tuple[int, list[str]]]]:
    """The names of the columns, and each line's number and cells."""
    rows = ((number, line.split("\t")) for number, line in file.rows())
    return (next(rows)[1] if glue.header else _COLA), rows


def _known(glue: Glue) -> Mapping[str, str]:
    """What stands in the file -> the label's name."""
    if glue.numbered:
        return {str(number): name for number, name in enumerate(glue.classes)}
    return {name: name for name in glue.classes}


def _is_label(glue: Glue, known: Mapping[str, str], label: str) -> bool:
    if glue.classes:
        return label in known or label == glue.unlabelled
    try:
        return 0 <= float(label) <= 5
    except ValueError:
        return False


def _metrics(glue: Glue, matched: set[bool]) -> tuple[str, ...]:
    if len(matched) == 1:
        return ("accuracy_matched",) if matched == {True} else ("accuracy_mismatched",)
    return glue.metrics
