"""What each task learns: the same labels, losses and gradients as with transformers."""

import json
from pathlib import Path

import pytest
import tiny
import torch
from labelled import squad, write

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import DataSet, Example, read_data, read_file
from squeezebert_mobile.models.families import architecture_of
from squeezebert_mobile.models.heads import MODEL_CLASSES
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.examples import IGNORED, Lesson, Reader, collate, make_lessons
from squeezebert_mobile.training.finetuning import _check_data

CONTEXT = "the clock is past six yes the dog is big at night"
FILES = {
    "text-classification": (
        "data.jsonl",
        '{"text": "wake me at six", "label": "alarm"}\n'
        '{"text": "is it cold", "text_pair": "what weather", "label": "weather"}\n',
    ),
    "token-classification": ("data.conll", "wake O\nme O\nat O\nsixing B-time\n\nstop O\n"),
    "question-answering": (
        "data.json",
        squad([{"question": "what is big", "answers": ["the dog"]}], CONTEXT),
    ),
    "multiple-choice": (
        "data.jsonl",
        '{"text": "it is cold", "choices": ["rain", "a song to play"], "label": 1}\n',
    ),
    "fill-mask": ("data.txt", "wake me at six\nis it cold\n"),
}


@pytest.fixture(scope="module")
def tokenizer() -> SqueezeBertTokenizer:
    vocab = {token: number for number, token in enumerate(tiny.VOCABULARY)}
    return SqueezeBertTokenizer(vocab, model_max_length=40)


def lessons_of(
    task: str, text: str, tokenizer: SqueezeBertTokenizer, folder: Path, longest: int = 40
) -> tuple[DataSet, list[Lesson]]:
    data = read_data(read_file(write(folder, FILES[task][0], text)), task)
    labels = {name: place for place, name in enumerate(data.classes)}
    return data, make_lessons(task, Reader(tokenizer, longest, labels), data.examples)


@pytest.mark.parametrize("task", FILES)
def test_the_loss_and_a_gradient_are_those_of_transformers(
    task: str, tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    _, lessons = lessons_of(task, FILES[task][1], tokenizer, tmp_path)
    options = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    theirs = tiny.tiny_theirs("squeezebert", task, **options).train()
    theirs.save_pretrained(tmp_path / "checkpoint")
    ours = MODEL_CLASSES[task].from_pretrained(tmp_path / "checkpoint").train()
    torch.manual_seed(0)
    batch = collate(task, tokenizer, lessons)
    losses = [model(**batch).loss for model in (ours, theirs)]
    assert losses[0].isfinite() and losses[0] > 0
    torch.testing.assert_close(*losses, rtol=0, atol=1e-5)
    for loss in losses:
        loss.backward()
    base = ours if task == "feature-extraction" else ours.base
    name = "transformer.encoder.layers.0.attention.query.weight"
    expected = dict(theirs.named_parameters())[name].grad
    torch.testing.assert_close(base.layers[0].query.weight.grad, expected, rtol=0, atol=1e-5)
    assert architecture_of(ours.config, task) == type(theirs).__name__


def test_a_regression_loss_is_that_of_transformers(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    text = '{"text": "wake me", "label": 2.5}\n{"text": "is it cold", "label": -1.0}\n'
    data, lessons = lessons_of("text-classification", text, tokenizer, tmp_path)
    assert data.is_regression
    options = {"num_labels": 1, "problem_type": "regression", "hidden_dropout_prob": 0.0}
    theirs = tiny.tiny_theirs("squeezebert", "text-classification", **options)
    theirs.save_pretrained(tmp_path / "checkpoint")
    ours = MODEL_CLASSES["text-classification"].from_pretrained(tmp_path / "checkpoint")
    batch = collate("text-classification", tokenizer, lessons)
    torch.testing.assert_close(ours(**batch).loss, theirs(**batch).loss, rtol=0, atol=1e-5)
    assert batch["labels"].tolist() == [2.5, -1.0]


def test_every_piece_of_a_word_is_learned(tokenizer: SqueezeBertTokenizer, tmp_path: Path) -> None:
    text = "catsing B-animal\nsat O\ndoged I-animal\n"
    data, (lesson,) = lessons_of("token-classification", text, tokenizer, tmp_path)
    assert data.classes == ("B-animal", "I-animal", "O")
    tokens = tokenizer.convert_ids_to_tokens(lesson.ids[0].tolist())
    assert tokens == ["[CLS]", "cat", "##s", "##ing", "sat", "dog", "##ed", "[SEP]"]
    assert lesson.target == (IGNORED, 0, 1, 1, 2, 1, 1, IGNORED)


def test_a_later_piece_without_a_label_is_left_out(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    lessons = lessons_of("token-classification", "cats B-animal\nsat O\n", tokenizer, tmp_path)[1]
    assert lessons[0].target == (IGNORED, 0, IGNORED, 1, IGNORED)


def test_a_long_sentence_is_learned_in_parts(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    words = [*tiny.VOCABULARY[5:25]]
    text = "".join(f"{word} {('O', 'B-x')[number % 2]}\n" for number, word in enumerate(words))
    _, lessons = lessons_of("token-classification", text, tokenizer, tmp_path, longest=10)
    learned = {int(i): t for x in lessons for i, t in zip(x.ids[0], x.target, strict=True)}
    expected = {tokenizer.convert_tokens_to_ids(w): 1 - n % 2 for n, w in enumerate(words)}
    assert {i: t for i, t in learned.items() if t != IGNORED} == expected
    assert not any(lesson.is_cut for lesson in lessons)


def test_a_label_of_a_text_is_learned_from_its_beginning(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    text = json.dumps({"text": "wake me at six " * 20, "label": "a"}) + "\n"
    (lesson,) = lessons_of("text-classification", text, tokenizer, tmp_path, longest=10)[1]
    assert lesson.is_cut and len(lesson.ids[0]) == 10


# Questions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["the dog", "six", "the clock", "at night", CONTEXT])
def test_an_answer_is_where_it_stands(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path, answer: str
) -> None:
    text = squad([{"question": "what is big", "answers": [answer]}], CONTEXT)
    (lesson,) = lessons_of("question-answering", text, tokenizer, tmp_path)[1]
    start, end = lesson.target
    assert tokenizer.decode(lesson.ids[0][start : end + 1].tolist()) == answer


def test_of_the_windows_only_those_with_the_answer_point_to_it(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    text = squad([{"question": "what", "answers": ["at night"]}], CONTEXT)
    lessons = lessons_of("question-answering", text, tokenizer, tmp_path, longest=10)[1]
    found = [tokenizer.decode(x.ids[0][x.target[0] : x.target[1] + 1].tolist()) for x in lessons]
    assert len(lessons) > 1 and set(found) == {"[CLS]", "at night"}


def test_no_answer_is_the_first_token(tokenizer: SqueezeBertTokenizer, tmp_path: Path) -> None:
    asked = [{"question": "what", "answers": [], "is_impossible": True}]
    (lesson,) = lessons_of(
        "question-answering", squad(asked, CONTEXT, "v2.0"), tokenizer, tmp_path
    )[1]
    assert lesson.target == (0, 0)


@pytest.mark.parametrize("start", [3, -2, "4", None])
def test_a_wrong_answer_start_is_refused(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path, start: object
) -> None:
    found = json.loads(squad([{"question": "what", "answers": ["the dog"]}], CONTEXT))
    found["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = start
    with pytest.raises(
        InputError, match="question q0 has answer_start .* does not have 'the dog' there"
    ):
        lessons_of("question-answering", json.dumps(found), tokenizer, tmp_path)


# Masks --------------------------------------------------------------------------------------


def test_masks_are_drawn_as_bert_was_trained(tokenizer: SqueezeBertTokenizer) -> None:
    reader = Reader(tokenizer, 40, {})
    example = Example("line 1", (" ".join(tiny.VOCABULARY[5:25]),), None)  # 20 tokens: 3 of them
    lessons = make_lessons("fill-mask", reader, [example] * 2000)
    torch.manual_seed(0)
    batch = collate("fill-mask", tokenizer, lessons)
    whole = torch.tensor(lessons[0].ids[0]).long()
    asked = batch["labels"] != IGNORED
    assert set(asked.sum(1).tolist()) == {3}
    assert not asked[:, [0, -1]].any()
    assert (batch["labels"] == whole)[asked].all()
    assert (batch["input_ids"] == whole)[~asked].all()
    hidden = (batch["input_ids"] == tokenizer.mask_token_id)[asked].float().mean()
    same = (batch["input_ids"] == whole)[asked].float().mean()
    assert hidden == pytest.approx(0.8, abs=0.03) and same == pytest.approx(0.1, abs=0.03)
    spread = asked.sum(0)[1:-1] / 2000
    assert spread.min() > 0.1 and spread.max() < 0.2


def test_a_short_text_has_one_mask_and_an_empty_one_none(tokenizer: SqueezeBertTokenizer) -> None:
    examples = [Example("line 1", (text,), None) for text in ("stop", "\u0001")]
    lessons = make_lessons("fill-mask", Reader(tokenizer, 40, {}), examples)
    assert len(lessons) == 1
    assert (collate("fill-mask", tokenizer, lessons)["labels"] != IGNORED).sum() == 1


# Data with nothing to learn -----------------------------------------------------------------


def test_one_label_for_everything_is_refused(tmp_path: Path) -> None:
    data = read_data(
        read_file(write(tmp_path, "x.jsonl", '{"text": "a", "label": "b"}\n')),
        "text-classification",
    )
    with pytest.raises(InputError, match="'x' has one label, 'b', for everything.*two labels or m"):
        _check_data(data, "x")


def test_other_numbers_of_choices_are_refused(tmp_path: Path) -> None:
    rows = [{"text": "a", "choices": ["b"] * count, "label": 0} for count in (2, 3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    data = read_data(read_file(write(tmp_path, "x.jsonl", text)), "multiple-choice")
    with pytest.raises(InputError, match="'x' has 3 choices at line 2, and 2 at line 1; give all"):
        _check_data(data, "x")
