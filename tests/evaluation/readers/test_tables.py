"""The readers of CSV, TSV and JSONL: texts with labels, and multiple choice."""

from pathlib import Path

import pytest
from labelled import CLASSIFY, read, tsv, write

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import Columns, read_data, read_file


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'text,label,other\n"wake me, at six",alarm,1\n"play ""rain""",music,2\n'),
        ("a.tsv", tsv("text|label", "wake me, at six|alarm", 'play "rain"|music')),
        (
            "a.jsonl",
            '{"text": "wake me, at six", "label": "alarm"}\n\n'
            '{"label": "music", "text": "play \\"rain\\""}\n',
        ),
    ],
)
def test_tables(tmp_path: Path, name: str, text: str) -> None:
    data = read(tmp_path, name, text)
    assert data.format == name[2:]
    assert [(e.texts, e.gold) for e in data.examples] == [
        (("wake me, at six",), "alarm"),
        (('play "rain"',), "music"),
    ]
    assert (data.classes, data.class_ids, data.has_class_names) == (("alarm", "music"), None, True)
    assert data.metrics == ("accuracy", "f1_macro")


def test_a_table_is_recognized_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    assert read(tmp_path, "data.txt", "text,label\na,b\n").format == "csv"


def test_named_columns_and_pairs(tmp_path: Path) -> None:
    data = read(tmp_path, "a.csv", "q,a\nwhat,that\n", text="q", label="a")
    assert (data.examples[0].texts, data.examples[0].gold) == (("what",), "that")
    data = read(tmp_path, "b.csv", "text,text_pair,label\na,b,0\n")
    assert data.examples[0].texts == ("a", "b")
    data = read(tmp_path, "c.csv", "text,second,label\na,b,0\n", pair="second")
    assert data.examples[0].texts == ("a", "b")


def test_pairs_in_jsonl_are_optional_per_line(tmp_path: Path) -> None:
    lines = '{"text": "a", "label": "x"}\n{"text": "b", "text_pair": "c", "label": "x"}\n'
    data = read(tmp_path, "a.jsonl", lines + '{"text": "d", "text_pair": null, "label": "x"}\n')
    assert [example.texts for example in data.examples] == [("a",), ("b", "c"), ("d",)]


def test_labels_are_ids_numbers_or_names(tmp_path: Path) -> None:
    ids = read(tmp_path, "a.csv", "text,label\na,10\nb,2\n")
    assert (ids.classes, ids.class_ids, ids.has_class_names) == (("2", "10"), (2, 10), False)
    numbers = read(tmp_path, "b.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 2.5}\n')
    assert (numbers.is_regression, numbers.classes) == (True, ())
    assert numbers.metrics == ("pearson", "spearman")
    path = write(tmp_path, "whole.csv", "text,label\na,1\nb,5\n")
    assert read_data(read_file(path), CLASSIFY, columns=Columns(is_regression=True)).is_regression
    names = read(tmp_path, "c.csv", "text,label\na,nan\nb,2.5\n")
    assert (names.is_regression, names.classes) == (False, ("2.5", "nan"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.csv",
            "text,tag\na,b\n",
            "has no column 'label'; its columns are 'text, tag'; name one with --label-column",
        ),
        (
            "a.csv",
            "text,label\na,b,c\n",
            "has 3 columns at line 2, but 2 in its first line; put a cell that contains a comma in "
            "quotes",
        ),
        (
            "a.tsv",
            "text\tlabel\na\n",
            "has 1 columns at line 2, but 2 in its first line; TSV cells contain no tab and are "
            "not quoted",
        ),
        (
            "a.csv",
            'text,label\n"a" b,c\n',
            "is not valid CSV at line 2: ',' expected after '\"'; put a cell that contains a "
            'quote or a comma in quotes, "like ""this"""',
        ),
        ("a.csv", "text,label\n ,b\n", "has ' ' in 'text' at line 2; give at least one word"),
        ("a.csv", "text,label\n,b\n", "has no text in 'text' at line 2; give at least one word"),
        (
            "a.csv",
            "text,label\na,\n",
            "has no label at line 2; a label is a name, an id or a number",
        ),
        ("a.csv", "text,label\n", "has a header but no rows; give a file with labelled examples"),
        (
            "a.csv",
            ",\n,,\n",
            "has no column 'text'; its columns are ''; name one with --text-column",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": "b"}\n{"text": "a" "label"}\n',
            "is not valid JSON at line 2, column 14: Expecting ',' delimiter; JSONL has one object "
            "per line",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": "b"}\n[1]\n',
            "has a list at line 2; JSONL has one object per line",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": "b"}\n' + "[" * 100_000,
            "cannot be read as JSON at line 2: maximum recursion depth exceeded",
        ),
        (
            "a.jsonl",
            '{"text": [], "label": "b"}\n',
            "has '[]' in 'text' at line 1; give at least one word",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": [1]}\n',
            "has the label '[1]' at line 1; a label is a name, an id or a number",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": true}\n',
            "has the label 'True' at line 1; a label is a name, an id or a number",
        ),
    ],
)
def test_invalid_tables(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, name, text)
    assert str(error.value).startswith(f"{str(tmp_path / name)!r} {message}")


# Multiple choice ----------------------------------------------------------------------------


def test_choices(tmp_path: Path) -> None:
    line = '{"text": "the dog", "choices": ["sat.", "six."], "label": 1}\n'
    (example,) = read(tmp_path, "a.jsonl", line, "multiple-choice").examples
    assert (example.texts, example.gold) == (("the dog", "sat.", "six."), 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"text": "a", "choices": ["b"], "label": 0}',
            "has choices=\"['b']\" at line 1; give a list of two or more texts",
        ),
        (
            '{"text": "a", "choices": ["b", ""], "label": 0}',
            "has no text in 'choices' at line 1; give at least one word",
        ),
        (
            '{"text": "a", "choices": ["b", "c"], "label": 2}',
            "has the label '2' at line 1; give the index of the correct choice, 0 to 1",
        ),
        (
            '{"text": "a", "choices": ["b", "c"], "label": true}',
            "has the label 'True' at line 1; give the index of the correct choice, 0 to 1",
        ),
    ],
)
def test_invalid_choices(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "a.jsonl", line, "multiple-choice")
    assert str(error.value) == f"{str(tmp_path / 'a.jsonl')!r} {message}"
