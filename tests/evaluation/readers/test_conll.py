"""The CoNLL reader: words with labels, and files that are almost valid."""

from pathlib import Path

import pytest
from labelled import CONLL, read

from squeezebert_mobile.errors import InputError


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
