"""Readers: each published format, and the errors for files that are almost valid."""

import json
from pathlib import Path
from typing import Any

import pytest
from labelled import GLUE_FILES, squad, tsv, write

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import Columns, DataSet, read_data, read_file
from squeezebert_mobile.evaluation.readers.glue import GLUE

CLASSIFY = "text-classification"
METRICS = {
    "cola": ("matthews",),
    "mrpc": ("accuracy", "f1"),
    "qqp": ("accuracy", "f1"),
    "sts-b": ("pearson", "spearman"),
    "mnli": ("accuracy_matched",),
}


def read(
    folder: Path,
    name: str,
    content: str,
    task: str = CLASSIFY,
    *,
    format: Any = None,
    **columns: str,
) -> DataSet:
    path = write(folder, name, content)
    return read_data(read_file(path), task, format=format, columns=Columns(**columns))


# GLUE ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GLUE)
def test_glue(tmp_path: Path, name: str) -> None:
    text, texts, gold = GLUE_FILES[name]
    data = read(tmp_path, "dev.tsv", text)
    assert (data.format, data.task, data.metrics) == (
        name,
        CLASSIFY,
        METRICS.get(name, ("accuracy",)),
    )
    assert (data.examples[0].texts, data.examples[0].gold) == (texts, gold)
    assert len(data.examples) == 2
    assert data.left_out == (name in {"qqp", "mnli"})
    assert data.is_regression == (name == "sts-b")


def test_glue_has_the_published_order() -> None:
    """The ids of https://huggingface.co/datasets/nyu-mll/glue."""
    ordered = {name: glue.classes for name, glue in GLUE.items()}
    assert ordered["mnli"] == ("entailment", "neutral", "contradiction")
    assert ordered["qnli"] == ordered["rte"] == ("entailment", "not_entailment")
    assert ordered["wnli"] == ("not_entailment", "entailment")
    assert ordered["cola"] == ("unacceptable", "acceptable")


def test_the_metric_of_mnli_matched_mismatched_and_both(tmp_path: Path) -> None:
    matched = GLUE_FILES["mnli"][0]
    mismatched = matched.replace("travel", "nineeleven")
    assert read(tmp_path, "a", mismatched).metrics == ("accuracy_mismatched",)
    both = matched + mismatched.split("\n", 1)[1]
    assert read(tmp_path, "b", both).metrics == ("accuracy",)


def test_a_glue_file_with_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_bytes(GLUE_FILES["rte"][0].replace("\n", "\r\n").encode())
    assert read_data(read_file(path), CLASSIFY).examples[1].gold == "not_entailment"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "rte",
            tsv("index|sentence1|sentence2", "0|a|b"),
            "has no column 'label', which rte needs; its columns are 'index, sentence1, "
            "sentence2'; a test file has no labels, use dev.tsv",
        ),
        (
            "sst-2",
            tsv("text|label", "a|0"),
            "has no column 'sentence', which sst-2 needs; its columns are 'text, label'; add it",
        ),
        (
            "rte",
            tsv("index|sentence1|sentence2|label", "0|a|entailment"),
            "has 3 columns at line 2, but rte has 4; its files are tab-separated, without quotes",
        ),
        (
            "rte",
            tsv("index|sentence1|sentence2|label", "0|a|b|yes"),
            "has the label 'yes' at line 2; the labels of rte are: entailment, not_entailment",
        ),
        (
            "sts-b",
            tsv("sentence1|sentence2|score", "a|b|9"),
            "has the label '9' at line 2; the labels of sts-b are: a number from 0 to 5",
        ),
        (
            "sst-2",
            tsv("sentence|label", " |0"),
            "has no labelled line of sst-2; copy the whole file",
        ),
    ],
)
def test_invalid_glue_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "dev.tsv", text, format=name)
    assert str(error.value) == f"{str(tmp_path / 'dev.tsv')!r} {message}"


# Tables -------------------------------------------------------------------------------------


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


# Choices ------------------------------------------------------------------------------------


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


# SQuAD --------------------------------------------------------------------------------------

ROOM = "The cat sat on the mat at half past six."


def test_squad_1(tmp_path: Path) -> None:
    asked = [{"question": "What sat?", "answers": ["The cat", "cat", "The cat"]}]
    data = read(tmp_path, "dev.json", squad(asked, ROOM), "question-answering")
    assert (data.format, data.metrics) == ("squad-1", ("f1", "exact_match"))
    (example,) = data.examples
    assert example.location == "question q0"
    assert (example.texts, example.gold) == (("What sat?", ROOM), ("The cat", "cat"))


def test_squad_2(tmp_path: Path) -> None:
    asked = [
        {"question": "What sat?", "answers": ["cat"], "is_impossible": False},
        {"question": "Who sang?", "answers": [], "is_impossible": True},
    ]
    text = squad(asked, ROOM, "v2.0")
    data = read(tmp_path, "dev.json", text, "question-answering")
    assert data.format == "squad-2" and data.examples[1].gold == ()
    assert data.metrics == (
        "f1",
        "exact_match",
        "f1_answerable",
        "exact_match_answerable",
        "exact_match_unanswerable",
    )
    only = read(tmp_path, "b.json", squad(asked[1:], ROOM, "v2.0"), "question-answering")
    assert only.metrics == ("f1", "exact_match", "exact_match_unanswerable")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"data": [',
            "is not valid JSON at line 1, column 11: Expecting value; fix the file or copy it "
            "again",
        ),
        ("[" * 100_000, "cannot be read as JSON at line 1: maximum recursion depth exceeded"),
        (
            '{"rows": []}',
            "is not a SQuAD file: it has no list called 'data'; use the train or dev JSON",
        ),
        ('{"data": []}', "has no questions; use the train or dev JSON"),
        ('{"data": [1]}', "has an article without a list called 'paragraphs'; use a SQuAD file"),
        ('{"data": [{"paragraphs": [1]}]}', "has a paragraph without context after question 0"),
        (
            '{"data": [{"paragraphs": [{"context": "a"}]}]}',
            "has a paragraph without a list called 'qas'; use a SQuAD file",
        ),
        (
            '{"data": [{"paragraphs": [{"context": "a", "qas": [1]}]}]}',
            "has no text for question 1; add a 'question'",
        ),
        (
            squad([{"question": "What?", "answers": 5}], "a"),
            'has answers=\'5\' to question q0; use a list of {"text": ..., "answer_start": ...}',
        ),
        (
            squad([{"question": "What?", "answers": []}], "a"),
            "has no answers to question q0; SQuAD 1.1 needs one or more",
        ),
    ],
)
def test_invalid_squad_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "dev.json", text, "question-answering")
    assert str(error.value).startswith(f"{str(tmp_path / 'dev.json')!r} {message}")


# Tokens -------------------------------------------------------------------------------------

CONLL = """-DOCSTART- -X- O O

The DT B-NP O
Cat NN I-NP B-PER

Lisbon NNP B-NP B-LOC
"""


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_conll(tmp_path: Path, separator: str) -> None:
    text = CONLL.replace(" ", separator)
    data = read(tmp_path, "valid.txt", text, "token-classification")
    assert data.format == "conll"
    assert [(e.location, e.texts, e.gold) for e in data.examples] == [
        ("line 3", ("The", "Cat"), ("O", "B-PER")),
        ("line 6", ("Lisbon",), ("B-LOC",)),
    ]
    assert data.classes == ("B-LOC", "B-PER", "O")
    assert data.metrics == ("f1", "precision", "recall", "accuracy")


def test_conll_without_entity_tags_has_accuracy_only(tmp_path: Path) -> None:
    data = read(tmp_path, "a.txt", "cat NN\nsat VBD\n", "token-classification")
    assert data.metrics == ("accuracy",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cat B-PER\nsat\n",
            "has 'sat' at line 2, where 2 columns are expected; each line is a word with its "
            "label last, and a blank line ends a sentence",
        ),
        (
            "cat B-PER\nsat V O\n",
            "has 'sat V O' at line 2, where 2 columns are expected; each line is a word with its "
            "label last, and a blank line ends a sentence",
        ),
        ("-DOCSTART- -X- O\n", "has no sentences; write one word and its label per line"),
    ],
)
def test_invalid_conll_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "a.txt", text, "token-classification")
    assert str(error.value) == f"{str(tmp_path / 'a.txt')!r} {message}"


# Format detection and unreadable files ------------------------------------------------------


def test_lines(tmp_path: Path) -> None:
    data = read(tmp_path, "a.txt", "\ufeffthe cat\r\n\nsat\u2028down\n", "fill-mask")
    assert [e.texts for e in data.examples] == [("the cat",), ("sat\u2028down",)]
    assert (data.format, data.metrics) == ("lines", ("loss", "perplexity", "accuracy"))


@pytest.mark.parametrize(
    ("text", "task", "options", "message"),
    [
        (
            CONLL,
            CLASSIFY,
            {},
            "is conll data, which is for token-classification, but the model is for "
            "text-classification; use GLUE or jsonl or csv or tsv data, or a model for "
            "token-classification",
        ),
        (
            CONLL,
            "fill-mask",
            {},
            "is conll data, which is for token-classification, but the model is for fill-mask; "
            "use lines data, or a model for token-classification; or add --data-format lines",
        ),
        (
            "a song\n",
            CLASSIFY,
            {},
            "is not in a format for text-classification (tried: cola, sst-2, mrpc, qqp, sts-b, "
            "mnli, qnli, rte, wnli, jsonl, csv, tsv); give its format with --data-format, and a "
            "table's columns with --text-column and --label-column",
        ),
        (
            GLUE_FILES["rte"][0],
            CLASSIFY,
            {"format": "rte", "text": "sentence1"},
            "is rte data, whose column names are fixed; omit --text-column, --pair-column and "
            "--label-column",
        ),
    ],
)
def test_data_in_another_format(
    tmp_path: Path, text: str, task: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "a", text, task, **options)
    assert str(error.value) == f"{str(tmp_path / 'a')!r} {message}"


def test_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown data format 'sst2'; did you mean 'sst-2'"):
        read(tmp_path, "a", "a", format="sst2")


def test_feature_extraction_cannot_be_scored(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="feature-extraction outputs vectors, .* verify ARTIFACT"):
        read(tmp_path, "a", "a", "feature-extraction")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory; give a file with labelled examples"),
        (b"", "is empty; give a file with labelled examples"),
        (b" \n\t\n", "is empty; give a file with labelled examples"),
        (
            b"a\nb\0",
            "is not a text file: it has a NUL byte at line 2; give the data as UTF-8 text",
        ),
        (b"a\n\xff\n", "is not UTF-8 (line 2, byte 0xff); convert it to UTF-8"),
    ],
)
def test_files_without_text(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_file(path)
    assert str(error.value) == f"{str(path)!r} {message}"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; give the file with the labelled examples"):
        read_file(tmp_path)


def test_every_format_reads_what_it_recognizes(tmp_path: Path) -> None:
    """Detection must not raise on the files of other formats."""
    samples = [
        *(text for text, _, _ in GLUE_FILES.values()),
        CONLL,
        '{"data": 1}',
        "\x01",
        '"',
        "[",
    ]
    for text in samples:
        for task in (CLASSIFY, "token-classification", "question-answering", "multiple-choice"):
            try:
                assert read(tmp_path, "a.json", text, task).task == task
            except InputError as error:
                assert json.dumps(str(error))
