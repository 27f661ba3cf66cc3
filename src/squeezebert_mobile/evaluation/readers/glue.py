"""The nine tasks of GLUE, as their files were published.

The files are not CSV: cells are never quoted, so a quotation mark is part of its sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, shortened
from squeezebert_mobile.evaluation.readers.label_kinds import check_labelled, is_unlabelled

__all__ = ["GLUE", "Glue", "looks_like", "read_glue"]

_SAMPLED_LINES = 100  # labels that distinguish tasks with the same header


@dataclass(frozen=True, kw_only=True)
class Glue:
    """A GLUE task: the columns of its files, and its labels in the order of their ids."""

    header: tuple[str, ...]  # the first columns (MNLI's last ones vary); empty: no header
    text: str = "sentence"
    pair: str | None = None
    label: str = "label"
    classes: tuple[str, ...]  # empty if the label is a number
    metrics: tuple[str, ...] = ("accuracy",)
    has_ids: bool = False  # whether the file has ids instead of names
    no_label: str | None = None  # the label of examples without annotator agreement
    split_by: str | None = None  # MNLI: the column that separates matched from mismatched


_ENTAILED = ("entailment", "not_entailment")
_PAIR = ("index", "sentence1", "sentence2")
_COLA = ("source", "label", "mark", "sentence")

GLUE = {
    "cola": Glue(
        header=(), classes=("unacceptable", "acceptable"), metrics=("matthews",), has_ids=True
    ),
    "sst-2": Glue(header=("sentence", "label"), classes=("negative", "positive"), has_ids=True),
    "mrpc": Glue(
        header=("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
        text="#1 String",
        pair="#2 String",
        label="Quality",
        classes=("not_equivalent", "equivalent"),
        metrics=("accuracy", "f1"),
        has_ids=True,
    ),
    "qqp": Glue(
        header=("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
        text="question1",
        pair="question2",
        label="is_duplicate",
        classes=("not_duplicate", "duplicate"),
        metrics=("accuracy", "f1"),
        has_ids=True,
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
        no_label="-",
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
        has_ids=True,
    ),
}

#: The genres of MNLI's matched file; the mismatched file has five others.
_MATCHED = {"fiction", "government", "slate", "telephone", "travel"}


def looks_like(name: str, file: DataFile) -> bool:
    """Whether the header and the first labels of `file` are those of the GLUE task `name`."""
    glue = GLUE[name]
    header, rows = _header_and_rows(glue, file)
    if tuple(header[: len(glue.header)]) != glue.header or glue.label not in header:
        return False
    sample = [row for _, row in zip(range(_SAMPLED_LINES), rows, strict=False)]
    if not sample or any(len(cells) != len(header) for _, cells in sample) and name != "qqp":
        return False
    if name == "cola" and any(cells[2] not in {"", "*"} for _, cells in sample):
        return False
    column = header.index(glue.label)
    names = _label_names(glue)
    return all(_is_label(glue, names, cells[column]) for _, cells in sample if column < len(cells))


def read_glue(name: str, file: DataFile) -> DataSet:
    """The labelled examples of a file of the GLUE task `name`.

    Raises:
        InputError: a column or a label differs from the published files.
    """
    glue = GLUE[name]
    header, rows = _header_and_rows(glue, file)
    columns = [column for column in (glue.text, glue.pair, glue.label) if column]
    for column in columns:
        if column not in header:
            is_label = column == glue.label
            hint = "a test file has no labels, use dev.tsv" if is_label else "add it"
            raise file.error(
                f"has no column {column!r}, which {name} needs; its columns are "
                f"{shortened(', '.join(header), 200)}; {hint}"
            )
    indices = [header.index(column) for column in columns]
    names, labels, examples, left_out, matched = _label_names(glue), [], [], 0, set()
    for number, cells in rows:
        if len(cells) != len(header):
            if name == "qqp" and len(cells) < len(header):  # some published lines are incomplete
                left_out += 1
                continue
            raise file.error(
                f"has {len(cells)} columns at line {number}, but {name} has {len(header)}; its "
                "files are tab-separated, without quotes"
            )
        *texts, label = (cells[index] for index in indices)
        labels.append(label)
        if _has_no_label(glue, label) or not all(text.strip() for text in texts):
            left_out += 1
            continue
        if not _is_label(glue, names, label):
            valid = ", ".join(names) if names else "a number from 0 to 5"
            raise file.error(
                f"has the label {shortened(label)} at line {number}; the labels of {name} are: "
                f"{valid}"
            )
        examples.append(Example(f"line {number}", tuple(texts), names.get(label, label)))
        if glue.split_by:
            matched.add(cells[header.index(glue.split_by)] in _MATCHED)
    check_labelled(file, labels)
    if not examples:
        raise file.error(f"has no labelled line of {name}; copy the whole file")
    return DataSet(
        format=name,
        task="text-classification",
        examples=tuple(examples),
        metrics=_metrics(glue, matched),
        classes=glue.classes,
        class_ids=tuple(range(len(glue.classes))),
        has_class_names=not glue.has_ids,
        is_regression=not glue.classes,
        left_out=left_out,
    )


def _header_and_rows(
    glue: Glue, file: DataFile
) -> tuple[Sequence[str], Iterator[tuple[int, list[str]]]]:
    """The column names, and each line's number and cells."""
    rows = ((number, line.split("\t")) for number, line in file.rows())
    return (next(rows)[1] if glue.header else _COLA), rows


def _label_names(glue: Glue) -> Mapping[str, str]:
    """The label's name for each value in the file."""
    if glue.has_ids:
        return {str(number): name for number, name in enumerate(glue.classes)}
    return {name: name for name in glue.classes}


def _is_label(glue: Glue, names: Mapping[str, str], label: str) -> bool:
    if _has_no_label(glue, label):
        return True
    if glue.classes:
        return label in names
    try:
        return 0 <= float(label) <= 5
    except ValueError:
        return False


def _has_no_label(glue: Glue, label: str) -> bool:
    return label == glue.no_label or is_unlabelled(label)


def _metrics(glue: Glue, matched: set[bool]) -> tuple[str, ...]:
    if len(matched) == 1:
        return ("accuracy_matched",) if matched == {True} else ("accuracy_mismatched",)
    return glue.metrics
