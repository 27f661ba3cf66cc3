"""Scores of tiny random checkpoints of every task, compared with transformers on the same data."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seqeval.metrics
import tiny
import torch
import transformers
from labelled import tsv, write
from scipy import stats
from sklearn import metrics as sklearn_metrics

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import (
    Columns,
    DataSet,
    Example,
    Scores,
    read_data,
    read_file,
    score,
)
from squeezebert_mobile.evaluation.masking import masked_positions
from squeezebert_mobile.evaluation.readers.squad import exact_match, word_f1
from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime import Pipeline, Session

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
WORDS = [word for word in tiny.VOCABULARY if word.isalpha()]

#: Our pipeline, transformers' model, and its tokenizer.
Models = tuple[Pipeline[Any], Any, Any]
Load = Callable[..., Models]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    def loaded(task: str, **changes: Any) -> Models:
        folder = tmp_path_factory.mktemp(task)
        theirs = tiny.write_checkpoint(folder, "squeezebert", task, **changes)
        tokenizer = transformers.BertTokenizerFast.from_pretrained(folder)
        tokenizer.model_max_length = 40
        if task == "text-classification":  # untrained, it would predict one label for everything
            logits = torch.cat([_logits(theirs, tokenizer, text) for text in _texts(10, 0)])
            with torch.no_grad():
                theirs.classifier.bias -= logits.mean(dim=0)
            theirs.save_pretrained(folder)
        return reference_pipeline(open_checkpoint(folder)), theirs, tokenizer

    return loaded


def _named(labels: tuple[str, ...]) -> dict[str, Any]:
    return {"num_labels": len(labels), "id2label": dict(enumerate(labels))}


def _texts(count: int, seed: int) -> list[str]:
    """Texts of 1 to 44 words; the model reads 40 tokens."""
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(1, 45))) for _ in range(count)]


def _data(folder: Path, name: str, text: str, task: str, **columns: str) -> DataSet:
    return read_data(read_file(write(folder, name, text)), task, columns=Columns(**columns))


@torch.no_grad()
def _logits(theirs: Any, tokenizer: Any, *texts: Any, **options: Any) -> Any:
    inputs = tokenizer(*texts, truncation=True, return_tensors="pt", **options)
    return theirs(**inputs).logits


def test_text_classification(load: Load, tmp_path: Path) -> None:
    pipeline, theirs, tokenizer = load("text-classification", **_named(("low", "mid", "high")))
    golds = np.random.default_rng(0).choice(["high", "low", "mid"], 30)
    firsts, seconds = _texts(30, 1), _texts(30, 2)
    rows = "".join(f"{t},{p},{g}\n" for t, p, g in zip(firsts, seconds, golds, strict=True))
    data = _data(tmp_path, "a.csv", "text,text_pair,label\n" + rows, "text-classification")
    expected = [
        theirs.config.id2label[int(_logits(theirs, tokenizer, *pair).argmax())]
        for pair in zip(firsts, seconds, strict=True)
    ]
    scores = score(pipeline, data)
    assert [p.answers[0] for p in scores.predictions] == expected
    assert len(set(expected)) > 1
    assert scores.metrics == {
        "accuracy": pytest.approx(np.mean(golds == expected)),
        "f1_macro": pytest.approx(sklearn_metrics.f1_score(golds, expected, average="macro")),
    }
    assert scores.truncated > 0


def test_glue_labels_follow_the_published_order(load: Load, tmp_path: Path) -> None:
    pipeline, theirs, tokenizer = load("text-classification", num_labels=2)
    texts, golds = _texts(30, 1), np.random.default_rng(0).integers(0, 2, 30)
    rows = tsv("sentence|label", *(f"{t}|{g}" for t, g in zip(texts, golds, strict=True)))
    data = _data(tmp_path, "dev.tsv", rows, "text-classification")
    expected = [int(_logits(theirs, tokenizer, text).argmax()) for text in texts]
    assert score(pipeline, data).metrics == {"accuracy": pytest.approx(np.mean(golds == expected))}
    assert {p.answers[0] for p in score(pipeline, data).predictions} == {"negative", "positive"}


def test_regression(load: Load, tmp_path: Path) -> None:
    pipeline, theirs, tokenizer = load("text-classification", num_labels=1)
    texts, golds = _texts(20, 1), np.random.default_rng(0).normal(size=20)
    rows = "".join(f"{t}\t{g}\n" for t, g in zip(texts, golds, strict=True))
    data = _data(tmp_path, "a.tsv", "text\tlabel\n" + rows, "text-classification")
    expected = [float(_logits(theirs, tokenizer, text)) for text in texts]
    # The outputs differ in their seventh digit, so a correlation near 0 agrees only absolutely.
    assert score(pipeline, data).metrics == {
        "pearson": pytest.approx(stats.pearsonr(golds, expected).statistic, abs=1e-5),
        "spearman": pytest.approx(stats.spearmanr(golds, expected).statistic),
    }


def test_multiple_choice(load: Load, tmp_path: Path) -> None:
    pipeline, theirs, tokenizer = load("multiple-choice")
    texts, choices = _texts(20, 1), [_texts(2 + i % 2, 100 + i) for i in range(20)]
    golds = [i % 2 for i in range(20)]
    lines = [
        json.dumps({"text": t, "choices": c, "label": g})
        for t, c, g in zip(texts, choices, golds, strict=True)
    ]
    data = _data(tmp_path, "a.jsonl", "\n".join(lines), "multiple-choice")
    expected = []
    for text, options in zip(texts, choices, strict=True):
        inputs = tokenizer(
            [text] * len(options), options, truncation=True, padding=True, return_tensors="pt"
        )
        with torch.no_grad():
            logits = theirs(**{name: x[None] for name, x in inputs.items()}).logits
        expected.append(int(logits.argmax()))
    assert score(pipeline, data).metrics == {"accuracy": np.mean(np.array(golds) == expected)}


def test_token_classification(load: Load, tmp_path: Path) -> None:
    pipeline, theirs, tokenizer = load("token-classification", **_named(LABELS))
    draw = np.random.default_rng(0)
    words = [[*draw.choice([*WORDS, "clocks", "turning", "six."], 8)] for _ in range(20)]
    golds = [[str(tag) for tag in draw.choice(LABELS, 8)] for _ in words]
    lines = [
        "".join(f"{word} {tag}\n" for word, tag in zip(*both, strict=True))
        for both in zip(words, golds, strict=True)
    ]
    data = _data(tmp_path, "a.txt", "\n".join(lines), "token-classification")
    expected = []
    for sentence in words:
        encoded = tokenizer([sentence], is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            best = theirs(**encoded).logits[0].argmax(-1).tolist()
        firsts = [encoded.word_ids(0).index(number) for number in range(len(sentence))]
        expected.append([LABELS[best[token]] for token in firsts])
    scores = score(pipeline, data)
    assert [list(p.answers) for p in scores.predictions] == expected
    assert scores.metrics == {
        name: pytest.approx(getattr(seqeval.metrics, f"{name}_score")(golds, expected))
        for name in ("f1", "precision", "recall", "accuracy")
    }
    assert scores.metrics["f1"] > 0


def test_truncated_words_are_not_entities(load: Load, tmp_path: Path) -> None:
    pipeline, _, _ = load("token-classification", **_named(LABELS))
    text = "cat B-PER\n" * 30 + "\u200b O\n" + "dog I-LOC\n" * 30
    (prediction,) = score(pipeline, _data(tmp_path, "a", text, "token-classification")).predictions
    assert prediction.truncated and len(prediction.answers) == 61
    assert prediction.answers[30] == "O"  # a word without a token
    assert set(prediction.answers[39:]) == {"O"}  # 38 tokens fit
    assert set(prediction.answers[:30]) != {"O"}


class _OftenImpossible:
    """A session whose model often prefers no answer."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, feed: Any) -> dict[str, Any]:
        outputs = self._session.run(feed)
        for logits in outputs.values():
            logits[:, 0] += 2  # [CLS]
        return outputs

    def close(self) -> None:
        self._session.close()


def test_question_answering(load: Load) -> None:
    """The pipeline options and the metrics; the answers themselves have their own tests."""
    pipeline, _, _ = load("question-answering")
    pipeline = replace(pipeline, session=_OftenImpossible(pipeline.session))
    questions = list(zip(_texts(30, 1), _texts(30, 2), strict=True))
    golds = [
        tuple(context.split()[:1]) if n % 2 else () for n, (_, context) in enumerate(questions)
    ]
    names = "f1", "exact_match", "exact_match_answerable", "exact_match_unanswerable"
    answers_by_format = {}
    for format, none_counts in (("squad-1", False), ("squad-2", True)):
        answers = [
            pipeline(
                question=question,
                context=context,
                max_answer_len=30,
                handle_impossible_answer=none_counts,
            ).answer
            for question, context in questions
        ]
        examples = tuple(Example("", *both) for both in zip(questions, golds, strict=True))
        scores = score(pipeline, DataSet(format, "question-answering", examples, names))
        assert [p.answers[0] for p in scores.predictions] == answers
        exact = [float(exact_match(*both)) for both in zip(answers, golds, strict=True)]
        f1 = [word_f1(*both) for both in zip(answers, golds, strict=True)]
        expected = np.mean(f1), np.mean(exact), np.mean(exact[1::2]), np.mean(exact[::2])
        assert tuple(scores.metrics.values()) == pytest.approx(expected)
        answers_by_format[format] = answers
    assert (
        "" not in answers_by_format["squad-1"] and 2 < answers_by_format["squad-2"].count("") < 28
    )


def test_fill_mask_has_transformers_loss_on_the_same_masks(load: Load, tmp_path: Path) -> None:
    pipeline, theirs, tokenizer = load("fill-mask")
    texts = _texts(12, 3)
    data = _data(tmp_path, "a.txt", "\n".join(texts), "fill-mask")
    ours = pipeline.tokenizer.encode_rows(texts, strategy="longest_first", max_length=40)
    inputs = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")
    labels = torch.full_like(inputs["input_ids"], -100)
    for number, row in enumerate(ours):
        positions = masked_positions(row)
        assert len(positions) == max(1, round(0.15 * (len(row) - 2)))
        labels[number, positions] = inputs["input_ids"][number, positions]
        inputs["input_ids"][number, positions] = tokenizer.mask_token_id
    with torch.no_grad():
        out = theirs(**inputs, labels=labels)
    right = (out.logits.argmax(-1) == labels)[labels != -100].float().mean()
    assert score(pipeline, data).metrics == {
        "loss": pytest.approx(out.loss.item(), rel=1e-5),
        "perplexity": pytest.approx(np.exp(out.loss.item()), rel=1e-5),
        "accuracy": pytest.approx(right.item()),
    }


# Batches, workers and errors ----------------------------------------------------------------


def test_batch_size_and_workers_do_not_change_the_scores(load: Load, tmp_path: Path) -> None:
    pipeline, _, _ = load("text-classification", **_named(("low", "high")))
    rows = "".join(f"{text},{'high' if i % 3 else 'low'}\n" for i, text in enumerate(_texts(50, 4)))
    data = _data(tmp_path, "a.csv", "text,label\n" + rows, "text-classification")
    seen: list[tuple[int, int]] = []
    one = score(pipeline, data, report=lambda done, total: seen.append((done, total)))
    assert seen == [*((n, 50) for n in range(8, 50, 8)), (50, 50)]
    assert _same(score(pipeline, data, workers=4), one) == 0
    assert _same(score(pipeline, data, batch_size=7), one) < 1e-5


def _same(some: Scores, others: Scores) -> float:
    """The largest difference in confidence; everything else must be equal."""
    pairs = list(zip(some.predictions, others.predictions, strict=True))
    assert some.metrics == others.metrics
    assert all(a.answers == b.answers and a.evidence == b.evidence for a, b in pairs)
    return max(abs(a.confidence - b.confidence) for a, b in pairs)


@pytest.mark.parametrize(
    ("changes", "rows", "message"),
    [
        (
            {"num_labels": 1},
            "cat,a\ndog,b\n",
            "FILE has labels ('a' at line 2), but the model outputs numbers; use data with "
            "numbers, or a model that outputs labels",
        ),
        (
            {"num_labels": 2},
            "cat,1.5\ndog,0\n",
            "FILE has numbers ('1.5' at line 2), but the model outputs labels; use data with "
            "labels, or a model that outputs numbers",
        ),
        (
            {"num_labels": 2, "problem_type": "multi_label_classification"},
            "cat,0\n",
            "the model outputs several labels per text, but FILE has one per text; evaluate a "
            "model that outputs one",
        ),
        (
            {"num_labels": 2, "problem_type": "regression"},
            "cat,0.5\n",
            "the model outputs several numbers per text, but FILE has one per text; evaluate a "
            "model that outputs one",
        ),
        (
            {"num_labels": 2},
            "cat,low\n",
            "FILE has the label 'low' at line 2, but the model has 'LABEL_0, LABEL_1'; use the "
            "model's labels in the data, or set id2label in the model's config.json",
        ),
    ],
)
def test_a_model_with_other_labels_is_refused(
    load: Load, tmp_path: Path, changes: dict[str, Any], rows: str, message: str
) -> None:
    pipeline, _, _ = load("text-classification", **changes)
    data = _data(tmp_path, "a.csv", "text,label\n" + rows, "text-classification")
    with pytest.raises(InputError) as error:
        score(pipeline, data)
    assert str(error.value) == message.replace("FILE", repr(str(tmp_path / "a.csv")))


def test_a_model_for_another_task_is_refused(load: Load, tmp_path: Path) -> None:
    pipeline, _, _ = load("fill-mask")
    data = _data(tmp_path, "a.csv", "text,label\na,b\n", "text-classification")
    with pytest.raises(
        InputError, match="a.csv' is for text-classification, but the model is for fill-mask"
    ):
        score(pipeline, data)


def test_the_error_names_where_the_bad_example_is(load: Load, tmp_path: Path) -> None:
    pipeline, _, _ = load("fill-mask")
    data = _data(tmp_path, "a.txt", "the cat\n\u200b\n", "fill-mask")
    with pytest.raises(
        InputError, match=r"^in the examples from line 1 on: the text contains no words: '\\u200b'"
    ):
        score(pipeline, data)


def test_a_closed_session_says_so(load: Load) -> None:
    pipeline, _, _ = load("fill-mask")
    pipeline.close()
    with pytest.raises(InputError, match="this session is closed; open the checkpoint again"):
        pipeline("the [MASK]")
