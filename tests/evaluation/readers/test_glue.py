"""The GLUE reader: each published file, and files that are almost valid."""

from pathlib import Path

import pytest
from labelled import CLASSIFY, GLUE_FILES, read, tsv

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import read_data, read_file
from squeezebert_mobile.evaluation.readers.glue import GLUE

METRICS = {
    "cola": ("matthews",),
    "mrpc": ("accuracy", "f1"),
    "qqp": ("accuracy", "f1"),
    "sts-b": ("pearson", "spearman"),
    "mnli": ("accuracy_matched",),
}


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
