"""Whether the labels of a table are classes or numbers, and its data set.

Labels are numbers to predict only if some have a fraction, or if the model outputs numbers: -1 or
01 can name a class as well as any word. `--labels-are` decides otherwise.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from squeezebert_mobile.evaluation.readers.columns import Columns
from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, shortened

__all__ = ["check_labelled", "is_unlabelled", "make_data_set", "parse_number"]

_CLASSIFICATION_METRICS = ("accuracy", "f1_macro")
_REGRESSION_METRICS = ("pearson", "spearman")
# Narrower than float(): 1_0 and digits of other scripts are names.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_ID = re.compile(r"(0|[1-9][0-9]{0,5})(\.0+)?")  # the index of a model output; pandas writes 1.0
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+)")


def make_data_set(
    file: DataFile, form: str, examples: Sequence[Example], columns: Columns
) -> DataSet:
    """The data set of a table's rows.

    Raises:
        InputError: the file has no labels, or labels of another kind than `columns` says.
    """
    examples = _with_decimal_points(examples, columns)
    first = {str(example.gold): example.location for example in reversed(examples)}
    are_the_models = first.keys() <= set(columns.model_labels)
    if not are_the_models:
        check_labelled(file, list(first))
    make = partial(DataSet, form, "text-classification", tuple(examples))
    if _are_numbers(file, first, columns):
        return make(_REGRESSION_METRICS, is_regression=True)
    if not are_the_models and columns.labels_are is None:
        _check_one_spelling(file, first)
    if all(map(_ID.fullmatch, first)):
        classes = tuple(sorted(first, key=lambda label: (float(label), label)))
        ids = tuple(int(float(label)) for label in classes)
        return make(_CLASSIFICATION_METRICS, classes, ids, has_class_names=False)
    return make(_CLASSIFICATION_METRICS, classes=_sorted(first))


def check_labelled(file: DataFile, labels: Sequence[str]) -> None:
    """Check that the labels are not all -1, as in the test files of GLUE.

    Raises:
        InputError: they are.
    """
    if labels and all(map(is_unlabelled, labels)):
        raise file.error(
            "has no labels (-1 stands for none in GLUE's test files); give the dev file"
        )


def is_unlabelled(label: str) -> bool:
    """Whether the label is -1, in any notation."""
    return parse_number(label) == -1


def parse_number(label: str) -> float | None:
    """The value of a label that is a finite decimal number; None for any other."""
    value = float(label) if _NUMBER.fullmatch(label) else math.nan
    return value if math.isfinite(value) else None


def _are_numbers(file: DataFile, first: dict[str, str], columns: Columns) -> bool:
    """Whether the labels are numbers to predict; `first` has each label's first location."""
    if columns.labels_are == "numbers":
        for label, location in first.items():
            if parse_number(label) is None:
                raise file.error(
                    f"has the label {shortened(label)} at {location}, which is not a number; "
                    "correct it, or use --labels-are classes"
                )
        return True
    values = [parse_number(label) for label in first]
    if columns.labels_are == "classes" or None in values:
        return False
    if columns.is_regression:
        return True
    are_the_models = first.keys() <= set(columns.model_labels)
    return not are_the_models and any(value != round(value) for value in values if value)


def _check_one_spelling(file: DataFile, first: dict[str, str]) -> None:
    """Refuse 1 beside 1.0 or 01: one class, or two?"""
    seen: dict[float, str] = {}
    for label, location in sorted(first.items(), key=lambda item: len(item[0])):
        value = parse_number(label)
        if value is not None and (other := seen.setdefault(value, label)) != label:
            raise file.error(
                f"has the labels {other!r} at {first[other]} and {label!r} at {location}, which "
                "are the same number; write them alike, or use --labels-are classes (or numbers)"
            )


def _sorted(labels: Sequence[str] | dict[str, str]) -> tuple[str, ...]:
    """By value if all are numbers, else as text."""
    values = {label: parse_number(label) for label in labels}
    if None in values.values():
        return tuple(sorted(labels))
    return tuple(sorted(labels, key=lambda label: (values[label] or 0, label)))


def _with_decimal_points(examples: Sequence[Example], columns: Columns) -> Sequence[Example]:
    """The examples with 0.5 for 0,5, which tables with semicolons use."""
    labels = {str(example.gold) for example in examples}
    pointed = {label: _DECIMAL_COMMA.sub(r"\1.\2", label) for label in labels}
    if (
        columns.delimiter in {None, ","}
        or labels <= set(columns.model_labels)
        or any(parse_number(label) is None for label in pointed.values())
    ):
        return examples
    return [replace(example, gold=pointed[str(example.gold)]) for example in examples]
