"""Training examples of each task: labels, losses and gradients as with transformers."""

import json
from pathlib import Path

import pytest
import small_training
import tiny
import torch
from labelled import squad, write
from small_training import CONTEXT

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import DataSet, Example, read_data, read_file
from squeezebert_mobile.models.families import architecture_of
from squeezebert_mobile.models.heads import MODEL_CLASSES
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.examples import (
    IGNORED,
    Encoder,
    TrainingExample,
    check_trainable,
    collate,
    encode_examples,
)

FILES = small_training.FILES | {
    "text-classification": (
        "data.jsonl",
        '{"text": "wake me at six", "label": "alarm"}\n'
        '{"text": "is it cold", "text_pair": "what weather", "label": "weather"}\n',
    ),
}


@pytest.fixture(scope="module")
def tokenizer() -> SqueezeBertTokenizer:
    vocab = {token: number for number, token in enumerate(tiny.VOCABULARY)}
    return SqueezeBertTokenizer(vocab, model_max_length=40)


def encoded(
    task: str, text: str, tokenizer: SqueezeBertTokenizer, folder: Path, max_length: int = 40
) -> tuple[DataSet, list[TrainingExample]]:
    data = read_data(read_file(write(folder, FILES[task][0], text)), task)
    labels = {name: index for index, name in enumerate(data.classes)}
    return data, encode_examples(task, Encoder(tokenizer, max_length, labels), data.examples)


@pytest.mark.parametrize("task", FILES)
def test_the_loss_and_a_gradient_are_those_of_transformers(
    task: str, tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    _, examples = encoded(task, FILES[task][1], tokenizer, tmp_path)
    options = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    theirs = tiny.tiny_theirs("squeezebert", task, **options).train()
    theirs.save_pretrained(tmp_path / "checkpoint")
    ours = MODEL_CLASSES[task].from_pretrained(tmp_path / "checkpoint").train()
    torch.manual_seed(0)
    batch = collate(task, tokenizer, examples)
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
    data, examples = encoded("text-classification", text, tokenizer, tmp_path)
    assert data.is_regression
    options = {"num_labels": 1, "problem_type": "regression", "hidden_dropout_prob": 0.0}
    theirs = tiny.tiny_theirs("squeezebert", "text-classification", **options)
    theirs.save_pretrained(tmp_path / "checkpoint")
    ours = MODEL_CLASSES["text-classification"].from_pretrained(tmp_path / "checkpoint")
    batch = collate("text-classification", tokenizer, examples)
    torch.testing.assert_close(ours(**batch).loss, theirs(**batch).loss, rtol=0, atol=1e-5)
    assert batch["labels"].tolist() == [2.5, -1.0]


def test_every_token_of_a_word_has_a_label(tokenizer: SqueezeBertTokenizer, tmp_path: Path) -> None:
    text = "catsing B-animal\nsat O\ndoged I-animal\n"
    data, (example,) = encoded("token-classification", text, tokenizer, tmp_path)
    assert data.classes == ("B-animal", "I-animal", "O")
    tokens = tokenizer.convert_ids_to_tokens(example.ids[0].tolist())
    assert tokens == ["[CLS]", "cat", "##s", "##ing", "sat", "dog", "##ed", "[SEP]"]
    assert example.target == (IGNORED, 0, 1, 1, 2, 1, 1, IGNORED)


def test_a_later_token_without_a_label_is_ignored(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    _, examples = encoded("token-classification", "cats B-animal\nsat O\n", tokenizer, tmp_path)
    assert examples[0].target == (IGNORED, 0, IGNORED, 1, IGNORED)


def test_a_long_sentence_is_split_into_windows(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    words = [*tiny.VOCABULARY[5:25]]
    text = "".join(f"{word} {('O', 'B-x')[number % 2]}\n" for number, word in enumerate(words))
    _, examples = encoded("token-classification", text, tokenizer, tmp_path, max_length=10)
    learned = {int(i): t for x in examples for i, t in zip(x.ids[0], x.target, strict=True)}
    expected = {tokenizer.convert_tokens_to_ids(w): 1 - n % 2 for n, w in enumerate(words)}
    assert {i: t for i, t in learned.items() if t != IGNORED} == expected
    assert not any(example.is_truncated for example in examples)


def test_a_long_text_is_truncated(tokenizer: SqueezeBertTokenizer, tmp_path: Path) -> None:
    text = json.dumps({"text": "wake me at six " * 20, "label": "a"}) + "\n"
    _, (example,) = encoded("text-classification", text, tokenizer, tmp_path, max_length=10)
    assert example.is_truncated and len(example.ids[0]) == 10


# Questions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["the dog", "six", "the clock", "at night", CONTEXT])
def test_the_target_is_the_position_of_the_answer(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path, answer: str
) -> None:
    text = squad([{"question": "what is big", "answers": [answer]}], CONTEXT)
    _, (example,) = encoded("question-answering", text, tokenizer, tmp_path)
    start, end = example.target
    assert tokenizer.decode(example.ids[0][start : end + 1].tolist()) == answer


def test_windows_without_the_answer_point_to_cls(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    text = squad([{"question": "what", "answers": ["at night"]}], CONTEXT)
    _, examples = encoded("question-answering", text, tokenizer, tmp_path, max_length=10)
    targets = [tokenizer.decode(x.ids[0][x.target[0] : x.target[1] + 1].tolist()) for x in examples]
    assert len(examples) > 1 and set(targets) == {"[CLS]", "at night"}


def test_an_impossible_question_points_to_cls(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path
) -> None:
    questions = [{"question": "what", "answers": [], "is_impossible": True}]
    (example,) = encoded(
        "question-answering", squad(questions, CONTEXT, "v2.0"), tokenizer, tmp_path
    )[1]
    assert example.target == (0, 0)


@pytest.mark.parametrize("start", [3, -2, "4", None])
def test_a_wrong_answer_start_is_refused(
    tokenizer: SqueezeBertTokenizer, tmp_path: Path, start: object
) -> None:
    content = json.loads(squad([{"question": "what", "answers": ["the dog"]}], CONTEXT))
    content["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = start
    with pytest.raises(
        InputError, match="question q0 has answer_start .* does not have 'the dog' there"
    ):
        encoded("question-answering", json.dumps(content), tokenizer, tmp_path)


# Masks --------------------------------------------------------------------------------------


def test_masks_are_drawn_as_in_bert_pretraining(tokenizer: SqueezeBertTokenizer) -> None:
    encoder = Encoder(tokenizer, 40, {})
    example = Example("line 1", (" ".join(tiny.VOCABULARY[5:25]),), None)  # 20 tokens: 3 of them
    examples = encode_examples("fill-mask", encoder, [example] * 2000)
    torch.manual_seed(0)
    batch = collate("fill-mask", tokenizer, examples)
    whole = torch.tensor(examples[0].ids[0]).long()
    chosen = batch["labels"] != IGNORED
    assert set(chosen.sum(1).tolist()) == {3}
    assert not chosen[:, [0, -1]].any()
    assert (batch["labels"] == whole)[chosen].all()
    assert (batch["input_ids"] == whole)[~chosen].all()
    masked = (batch["input_ids"] == tokenizer.mask_token_id)[chosen].float().mean()
    unchanged = (batch["input_ids"] == whole)[chosen].float().mean()
    assert masked == pytest.approx(0.8, abs=0.03) and unchanged == pytest.approx(0.1, abs=0.03)
    share = chosen.sum(0)[1:-1] / 2000
    assert share.min() > 0.1 and share.max() < 0.2


def test_a_short_text_has_one_mask_and_an_empty_one_none(tokenizer: SqueezeBertTokenizer) -> None:
    examples = [Example("line 1", (text,), None) for text in ("stop", "\u0001")]
    examples = encode_examples("fill-mask", Encoder(tokenizer, 40, {}), examples)
    assert len(examples) == 1
    assert (collate("fill-mask", tokenizer, examples)["labels"] != IGNORED).sum() == 1


# Data that cannot be learned from -----------------------------------------------------------


def test_data_with_a_single_label_are_refused(tmp_path: Path) -> None:
    data = read_data(
        read_file(write(tmp_path, "x.jsonl", '{"text": "a", "label": "b"}\n')),
        "text-classification",
    )
    with pytest.raises(InputError, match="'x' has only one label, 'b', so .*two or more labels"):
        check_trainable(data, "x")


def test_different_numbers_of_choices_are_refused(tmp_path: Path) -> None:
    rows = [{"text": "a", "choices": ["b"] * count, "label": 0} for count in (2, 3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    data = read_data(read_file(write(tmp_path, "x.jsonl", text)), "multiple-choice")
    with pytest.raises(InputError, match="'x' has 3 choices at line 2, but 2 at line 1; give all"):
        check_trainable(data, "x")
