"""The delimiter of a table: found in its first line, or named."""

import re
from pathlib import Path

import pytest
from labelled import CLASSIFY, read, write

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import Columns, DataSet, read_data, read_file
from squeezebert_mobile.input_files import parse_delimiter

ROWS = [(("wake me, at six",), "alarm"), (('play "rain"; now',), "music")]


def _rows(data: DataSet) -> list[tuple[tuple[str, ...], object]]:
    return [(example.texts, example.gold) for example in data.examples]


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.tsv"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_commas_and_semicolons_are_found(tmp_path: Path, name: str, delimiter: str) -> None:
    text = 'text,label\n"wake me, at six",alarm\n"play ""rain""; now",music\n'
    data = read(tmp_path, name, text.replace('t,l', f't{delimiter}l')
                .replace('",', f'"{delimiter}'))  # fmt: skip
    assert (data.format, _rows(data)) == ("csv", ROWS)


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.tsv"])
def test_tabs_are_found(tmp_path: Path, name: str) -> None:
    data = read(tmp_path, name, 'text\tlabel\nwake me, at six\talarm\nplay "rain"; now\tmusic\n')
    assert (data.format, _rows(data)) == ("tsv", ROWS)


@pytest.mark.parametrize("delimiter", ["\t", "|", ";", ":", "^"])
@pytest.mark.parametrize("form", [None, "csv"])
def test_a_named_delimiter(tmp_path: Path, delimiter: str, form: str | None) -> None:
    text = 'text,label\n"wake me, at six",alarm\n"play ""rain""; now",music\n'
    text = text.replace("t,l", f"t{delimiter}l").replace('",', f'"{delimiter}')
    data = read(tmp_path, "a.csv", text, format=form, delimiter=delimiter)
    assert (data.format, _rows(data)) == ("csv", ROWS)


def test_the_line_in_which_a_spreadsheet_names_the_delimiter(tmp_path: Path) -> None:
    data = read(tmp_path, "a.csv", "sep=;\r\ntext;label\r\na cat;b\r\n")
    assert [(e.location, e.texts, e.gold) for e in data.examples] == [("line 3", ("a cat",), "b")]


@pytest.mark.parametrize("line", ['sep="', "sep=", "sep=ab", "sep=\r", "sep=;"])
def test_a_line_that_names_no_delimiter_is_a_header(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"has no column 'text'"):
        read(tmp_path, "a.csv", f"{line}\r\na;b\r\n")


def test_a_delimiter_in_the_text_of_a_header_does_not_count(tmp_path: Path) -> None:
    data = read(tmp_path, "a.csv", 'text;label;"a, b, c, d, e"\na cat;b;c\n')
    assert _rows(data) == [(("a cat",), "b")]


def test_spaces_around_names_and_labels(tmp_path: Path) -> None:
    data = read(tmp_path, "a.csv", "text, label\na cat, b\n")
    assert _rows(data) == [(("a cat",), "b")]


def test_numbers_with_a_decimal_comma(tmp_path: Path) -> None:
    data = read(tmp_path, "a.csv", "text;label\na;0,5\nb;2\nc;-1,25\n")
    assert data.is_regression and [e.gold for e in data.examples] == ["0.5", "2", "-1.25"]
    names = read(tmp_path, "a.csv", "text;label\na;0,5\nb;1,5\n", model_labels=("0,5", "1,5"))
    assert names.classes == ("0,5", "1,5")
    assert read(tmp_path, "a.csv", "text;label\na;0,5\nb;c\n").classes == ("0,5", "c")


@pytest.mark.parametrize(
    "header",
    [
        "question;intent",
        "question,intent",
        "question\tintent",
        " question ; intent",
        "question|intent",
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_advice_of_each_message_leads_on(tmp_path: Path, header: str, name: str) -> None:
    """What a message says to add, with a column that it lists, reads the file in the end."""
    separator = next(each for each in ";,\t|" if each in header)
    path = write(tmp_path, name, f"{header}\na cat{separator}b\n")
    options: dict[str, str] = {}
    with pytest.raises(InputError) as error:
        read_data(read_file(path), CLASSIFY)
    if separator == "|":
        assert "give --delimiter" in str(error.value)
        options["delimiter"] = "|"
        with pytest.raises(InputError) as error:
            read_data(read_file(path), CLASSIFY, columns=Columns(**options))
    listed = re.search(r"its columns are '([^']*)'; name one with (.*)", str(error.value))
    assert listed is not None
    text, label = (column.strip() for column in listed[1].split(","))
    assert "--text-column" in listed[2] and "--label-column" in listed[2]
    options |= {"text": text, "label": label}
    data = read_data(read_file(path), CLASSIFY, columns=Columns(**options))
    assert _rows(data) == [(("a cat",), "b")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text;label\na;b;c\n", "but 2 in its first line; put a cell that contains a semicolon in"),
        ('text;label\n"a" b;c\n', "put a cell that contains a quote or a semicolon in quotes"),
    ],
)
def test_messages_name_the_delimiter(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, "a.csv", text)


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        (
            "a.jsonl",
            '{"text": "a", "label": "b"}\n',
            {},
            "is jsonl data, whose delimiter is fixed; omit --delimiter",
        ),
        (
            "a.tsv",
            "text\tlabel\na\tb\n",
            {"format": "tsv"},
            "is tsv data, whose delimiter is fixed; omit --delimiter",
        ),
    ],
)
def test_a_delimiter_where_there_is_none(
    tmp_path: Path, name: str, text: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, name, text, delimiter=";", **options)


def test_the_names_of_delimiters() -> None:
    assert [parse_delimiter(text) for text in (None, ";", "tab", r"\t", "\t", "|")] == [
        *(None, ";", "\t", "\t", "\t", "|")
    ]
    for text in ("", ";;", '"', "\n"):
        with pytest.raises(InputError, match=r"cannot separate cells; give one character, such as"):
            parse_delimiter(text)
