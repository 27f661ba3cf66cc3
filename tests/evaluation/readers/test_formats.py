"""Format detection: which format a file has, and for which task it is."""

import json
from pathlib import Path
from typing import Any

import pytest
from labelled import CLASSIFY, CONLL, GLUE_FILES, read

from squeezebert_mobile.errors import InputError


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
