"""The SQuAD reader: versions 1.1 and 2.0, and files that are almost valid."""

from pathlib import Path

import pytest
from labelled import read, squad

from squeezebert_mobile.errors import InputError

ROOM = "The cat sat on the mat at half past six."


def test_squad_1(tmp_path: Path) -> None:
    questions = [{"question": "What sat?", "answers": ["The cat", "cat", "The cat"]}]
    data = read(tmp_path, "dev.json", squad(questions, ROOM), "question-answering")
    assert (data.format, data.metrics) == ("squad-1", ("f1", "exact_match"))
    (example,) = data.examples
    assert example.location == "question q0"
    assert (example.texts, example.gold) == (("What sat?", ROOM), ("The cat", "cat"))


def test_squad_2(tmp_path: Path) -> None:
    questions = [
        {"question": "What sat?", "answers": ["cat"], "is_impossible": False},
        {"question": "Who sang?", "answers": [], "is_impossible": True},
    ]
    text = squad(questions, ROOM, "v2.0")
    data = read(tmp_path, "dev.json", text, "question-answering")
    assert data.format == "squad-2" and data.examples[1].gold == ()
    assert data.metrics == (
        "f1",
        "exact_match",
        "f1_answerable",
        "exact_match_answerable",
        "exact_match_unanswerable",
    )
    only = read(tmp_path, "b.json", squad(questions[1:], ROOM, "v2.0"), "question-answering")
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
