"""Labels that look like numbers: when they are classes, when values, and when there are none."""

import json
from pathlib import Path
from typing import Any

import pytest
from labelled import CLASSIFY, read, tsv

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import DataSet


def _read(folder: Path, *labels: Any, **columns: Any) -> DataSet:
    rows = (json.dumps({"text": "a cat", "label": label}) for label in labels)
    return read(folder, "a.jsonl", "\n".join(rows) + "\n", **columns)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("-1", "0", "1"), ("-1", "0", "1")),
        ((1, -1), ("-1", "1")),
        (("1.0", "0.0"), ("0.0", "1.0")),
        (("03", "01", "02"), ("01", "02", "03")),
        (("1000001", "999"), ("999", "1000001")),
        (("1_0", "0_1"), ("0_1", "1_0")),
        (("1e5", "1e-0", "2"), ("1e-0", "2", "1e5")),
        (("+1", "-1"), ("-1", "+1")),
        (("10", "9", "-10"), ("-10", "9", "10")),
        (("inf", "nan", "0.5"), ("0.5", "inf", "nan")),
        (("٣", "٤"), ("٣", "٤")),  # digits that float() reads, and no label of a regression has
        (("0x1", "0x2"), ("0x1", "0x2")),
    ],
)
def test_labels_without_fractions_are_classes(
    tmp_path: Path, labels: tuple[Any, ...], classes: tuple[str, ...]
) -> None:
    data = _read(tmp_path, *labels)
    assert (data.is_regression, data.classes) == (False, classes)
    assert data.metrics == ("accuracy", "f1_macro")


@pytest.mark.parametrize("labels", [("0.5", "1"), (1e-3, 2), ("-0.25", "4.000"), (".5", "1e5")])
def test_numbers_with_fractions_are_values(tmp_path: Path, labels: tuple[Any, ...]) -> None:
    assert _read(tmp_path, *labels).is_regression
    assert _read(tmp_path, *labels, labels_are="numbers").is_regression
    classes = _read(tmp_path, *labels, labels_are="classes")
    assert not classes.is_regression and set(classes.classes) == set(map(str, labels))
    names = tuple(map(str, labels))
    assert not _read(tmp_path, *labels, model_labels=(*names, "another")).is_regression
    assert _read(tmp_path, *labels, model_labels=("other", "names")).is_regression


@pytest.mark.parametrize("labels", [("0", "1"), ("-1", "1"), ("0.0", "1.0"), ("1000001", "7")])
def test_whole_numbers_are_values_where_asked_for(tmp_path: Path, labels: tuple[str, ...]) -> None:
    assert _read(tmp_path, *labels, labels_are="numbers").is_regression
    assert _read(tmp_path, *labels, is_regression=True).is_regression
    assert not _read(tmp_path, *labels, is_regression=True, labels_are="classes").is_regression
    assert not _read(tmp_path, *labels, is_regression=False).is_regression


@pytest.mark.parametrize("label", ["high", "1_0", "nan", "1e999", "0,5"])
def test_a_label_that_is_no_number(tmp_path: Path, label: str) -> None:
    with pytest.raises(InputError) as error:
        _read(tmp_path, "0.5", label, labels_are="numbers")
    assert str(error.value) == (
        f"{str(tmp_path / 'a.jsonl')!r} has the label {label!r} at line 2, which is not a number; "
        "correct it, or use --labels-are classes"
    )


def test_one_number_written_in_two_ways(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        _read(tmp_path, "1", "2", "1.0")
    assert str(error.value) == (
        f"{str(tmp_path / 'a.jsonl')!r} has the labels '1' at line 1 and '1.0' at line 3, which "
        "are the same number; write them alike, or use --labels-are classes (or numbers)"
    )
    assert _read(tmp_path, "1", "2", "1.0", labels_are="classes").classes == ("1", "1.0", "2")
    assert _read(tmp_path, "1", "1.0", model_labels=("1", "1.0")).classes == ("1", "1.0")


@pytest.mark.parametrize(
    ("form", "text", "labels_are", "kind"),
    [
        ("rte", tsv("index|sentence1|sentence2|label", "0|a|b|entailment"), "numbers", "classes"),
        ("squad", '{"data": []}', "numbers", None),
    ],
)
def test_the_labels_of_a_published_format_have_their_kind(
    tmp_path: Path, form: str, text: str, labels_are: str, kind: str | None
) -> None:
    task = CLASSIFY if kind else "question-answering"
    if not kind:
        text = json.dumps({"data": [{"paragraphs": [{"context": "a cat", "qas": [
            {"id": "1", "question": "what?", "answers": [{"text": "cat", "answer_start": 2}]}
        ]}]}]})  # fmt: skip
    with pytest.raises(InputError, match=f"is {form} data, .*omit --labels-are"):
        read(tmp_path, "a", text, task, labels_are=labels_are)


NO_LABELS = "has no labels (-1 stands for none in GLUE's test files); give the dev file"


@pytest.mark.parametrize(
    ("name", "text", "task"),
    [
        ("test.csv", "text,label\na cat,-1\na dog,-1\n", CLASSIFY),
        ("test.tsv", tsv("text|label", "a cat|-1"), CLASSIFY),
        ("test.jsonl", '{"text": "a cat", "label": -1}\n', CLASSIFY),
        ("test.jsonl", '{"text": "a cat", "label": -1.0}\n', CLASSIFY),
        ("test.tsv", tsv("sentence|label", "a cat|-1", "a dog|-1"), CLASSIFY),
        ("test.tsv", tsv("index|sentence1|sentence2|label", "0|a|b|-1"), CLASSIFY),
        (
            "test.jsonl",
            '{"text": "a", "choices": ["b", "c"], "label": -1}\n' * 2,
            "multiple-choice",
        ),
    ],
)
def test_a_file_whose_labels_are_all_minus_one(
    tmp_path: Path, name: str, text: str, task: str
) -> None:
    options: list[dict[str, Any]] = [{}]
    if task == CLASSIFY:
        options += [{"is_regression": True}, {"labels_are": "numbers"}, {"is_regression": False}]
    for each in options:
        if "sentence" in text and "labels_are" in each:
            continue
        with pytest.raises(InputError) as error:
            read(tmp_path, name, text, task, **each)
        assert str(error.value) == f"{str(tmp_path / name)!r} {NO_LABELS}"


def test_minus_one_is_a_class_of_a_model_with_this_label(tmp_path: Path) -> None:
    data = _read(tmp_path, -1, -1, model_labels=("-1", "0", "1"))
    assert data.classes == ("-1",)


def test_lines_of_glue_without_a_label_are_counted(tmp_path: Path) -> None:
    data = read(tmp_path, "dev.tsv", tsv("sentence|label", "a cat|1", "a dog|-1", "a|0"))
    assert (data.format, data.left_out, len(data.examples)) == ("sst-2", 1, 2)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (tsv("index|sentence", "0|a cat"), ["text", "label"]),
        ("text,text_pair\na,b\n", ["label"]),
    ],
)
def test_a_test_file_without_a_label_column(tmp_path: Path, text: str, missing: list[str]) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "test.tsv" if "\t" in text else "test.csv", text)
    message = str(error.value)
    assert all(f"--{name}-column" in message and repr(name) in message for name in missing)
    assert message.endswith("; a test file without labels cannot be used: give the dev file")
