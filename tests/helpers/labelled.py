"""Small files in the published formats of labelled data, with invented sentences."""

import json
from pathlib import Path
from typing import Any

from squeezebert_mobile.evaluation import Columns, DataSet, read_data, read_file

__all__ = ["CLASSIFY", "CONLL", "GLUE_FILES", "read", "squad", "tsv", "write"]

CLASSIFY = "text-classification"
#: A CoNLL file with two sentences.
CONLL = """-DOCSTART- -X- O O

The DT B-NP O
Cat NN I-NP B-PER

Lisbon NNP B-NP B-LOC
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def tsv(*rows: str) -> str:
    """Rows of tab-separated values, from rows with | between the cells."""
    return "".join(row.replace("|", "\t") + "\n" for row in rows)


_MNLI = "index|promptID|pairID|genre|sentence1_binary_parse|sentence2_binary_parse|sentence1_parse"
_MNLI += "|sentence2_parse|sentence1|sentence2|label1|label2|label3|label4|label5|gold_label"
_ANNOTATIONS = "n|n|n|n|n"  # the labels of five annotators
_STSB = "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2|score"

#: By task: a file, and the texts and gold label of its first example.
GLUE_FILES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "cola": (
        tsv("gj04|1||The cat \"sat on the mat.", "gj04|0|*|Sat mat cat the."),
        ('The cat "sat on the mat.',),
        "acceptable",
    ),
    "sst-2": (
        tsv("sentence|label", "a song for the night |1", "the rain is long |0"),
        ("a song for the night ",),
        "positive",
    ),
    "mrpc": (
        "\ufeff"
        + tsv(
            "Quality|#1 ID|#2 ID|#1 String|#2 String",
            "1|12|13|The dog sat.|The dog was sitting.",
            "0|14|15|It is six.|It is seven.",
        ),
        ("The dog sat.", "The dog was sitting."),
        "equivalent",
    ),
    "qqp": (
        tsv(
            "id|qid1|qid2|question1|question2|is_duplicate",
            "7|8|9|What time is it?|How late is it?|1",
            "8|a line that was broken",
            "9|1|2|Is it cold?|Is it a dog?|0",
        ),
        ("What time is it?", "How late is it?"),
        "duplicate",
    ),
    "sts-b": (
        tsv(
            _STSB,
            "0|news|MSR|2012|1|none|none|A cat sat.|A cat is sitting.|4.800",
            "1|news|MSR|2012|2|none|none|A cat sat.|Six clocks stop.|0.000",
        ),
        ("A cat sat.", "A cat is sitting."),
        "4.800",
    ),
    "mnli": (
        tsv(
            _MNLI,
            f"0|6|6c|travel|b|b|p|p|The sun is big.|The sun is small.|{_ANNOTATIONS}|contradiction",
            f"1|6|6n|travel|b|b|p|p|The sun is big.|The dog sat.|{_ANNOTATIONS}|neutral",
            f"2|6|6x|travel|b|b|p|p|The sun is big.|Stop.|{_ANNOTATIONS}|-",
        ),
        ("The sun is big.", "The sun is small."),
        "contradiction",
    ),
    "qnli": (
        tsv(
            "index|question|sentence|label",
            "0|What sat?|The cat sat.|entailment",
            "1|What sat?|It is six.|not_entailment",
        ),
        ("What sat?", "The cat sat."),
        "entailment",
    ),
    "rte": (
        tsv(
            "index|sentence1|sentence2|label",
            "0|It is past six.|It is not five.|entailment",
            "1|It is past six.|It is cold.|not_entailment",
        ),
        ("It is past six.", "It is not five."),
        "entailment",
    ),
    "wnli": (
        tsv(
            "index|sentence1|sentence2|label",
            "0|The dog sat on the mat as it was big.|The mat was big.|1",
            "1|The dog sat on the mat as it was tired.|The mat was tired.|0",
        ),
        ("The dog sat on the mat as it was big.", "The mat was big."),
        "entailment",
    ),
}  # fmt: skip


def squad(questions: list[dict[str, Any]], context: str, version: str = "1.1") -> str:
    """A SQuAD file with one paragraph; a question is {"question", "answers": [text, ...]}."""
    rows = []
    for number, question in enumerate(questions):
        answers = question.get("answers")
        if isinstance(answers, list):
            answers = [
                {"text": text, "answer_start": max(context.find(text), 0)} for text in answers
            ]
        rows.append({"id": f"q{number}", **question, "answers": answers})
    paragraph = {"context": context, "qas": rows}
    article = {"title": "A_Room", "paragraphs": [paragraph]}
    return json.dumps({"version": version, "data": [article]})


def read(
    folder: Path,
    name: str,
    content: str,
    task: str = CLASSIFY,
    *,
    format: Any = None,
    **columns: Any,
) -> DataSet:
    """The data set of a new file called `name` with `content`."""
    path = write(folder, name, content)
    return read_data(read_file(path), task, format=format, columns=Columns(**columns))
