"""Distillation: the loss computed by hand, and which teachers are refused."""

from pathlib import Path

import pytest
import tiny
import torch

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.checkpoint import Checkpoint, open_checkpoint
from squeezebert_mobile.models.rewriting import products, rewrite
from squeezebert_mobile.tasks import TASKS
from squeezebert_mobile.training.distillation import HiddenStateTeacher, open_teacher, soft_loss

LABELS = {"id2label": {0: "alarm", 1: "weather"}, "label2id": {"alarm": 0, "weather": 1}}
SWAPPED = {"id2label": {0: "weather", 1: "alarm"}, "label2id": {"weather": 0, "alarm": 1}}


def a_checkpoint(
    folder: Path, family: str, task: str = "text-classification", **changes: object
) -> Checkpoint:
    tiny.write_checkpoint(folder, family, task, **changes)  # type: ignore[arg-type]
    return open_checkpoint(folder, task=task)


def test_the_soft_loss_by_hand() -> None:
    ours, theirs = torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, -2.0]])
    chances, right = (ours / 2).softmax(-1), (theirs / 2).softmax(-1)
    expected = 4 * (right * (right / chances).log()).sum()
    torch.testing.assert_close(soft_loss(ours, theirs), expected)
    assert soft_loss(ours, ours) == 0


ARGUMENTS = {
    "text-classification": {"labels": torch.tensor([0, 1])},
    "token-classification": {"labels": torch.tensor([[0, 1, -100, 1], [1, 1, 0, -100]])},
    "fill-mask": {"labels": torch.tensor([[5, -100, -100, 1], [1, -100, 7, -100]])},
    "question-answering": {
        "start_positions": torch.tensor([1, 2]),
        "end_positions": torch.tensor([3, 2]),
    },
    "multiple-choice": {"labels": torch.tensor([1])},
}


@pytest.mark.parametrize(("task", "of_labels"), [("token-classification", 0.5), ("fill-mask", 0)])
def test_a_model_with_the_hidden_states_of_its_teacher(
    task: str, of_labels: float, tmp_path: Path
) -> None:
    """What remains is the loss of labels; the words that fill-mask hides are not learned."""
    source = a_checkpoint(tmp_path / "model", "bert", task)
    student = rewrite(source.model)
    ids = torch.arange(8).reshape(2, 4)
    feeds = [(ids, torch.ones_like(ids), torch.zeros_like(ids))]
    teacher = HiddenStateTeacher(open_teacher(tmp_path / "model", source), student, feeds)
    arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **ARGUMENTS[task]}
    out = student.model(**arguments)
    expected = of_labels * out.loss
    torch.testing.assert_close(teacher.loss(arguments, out), expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_each_token_of_a_batch_counts_the_same(family: str, tmp_path: Path) -> None:
    """Whichever texts are beside it: the processes of a training share a batch."""
    source = a_checkpoint(tmp_path / "model", family, "feature-extraction")
    student = rewrite(source.model)
    ids = torch.arange(24).reshape(4, 6)
    mask = torch.ones_like(ids)
    mask[0, 2:] = 0
    feeds = [(ids, mask, torch.zeros_like(ids))]
    teacher = HiddenStateTeacher(open_teacher(tmp_path / "model", source), student, feeds)
    for product in products(student):
        product.weight = torch.nn.Parameter(1.1 * product.weight)

    def loss(rows: slice) -> torch.Tensor:
        types = torch.zeros_like(ids[rows])
        arguments = {
            "input_ids": ids[rows],
            "attention_mask": mask[rows],
            "token_type_ids": types,
        }
        return teacher.loss(arguments, student.model(**arguments))

    parts = [loss(slice(0, 1)) * 2, loss(slice(1, 4)) * 18]
    assert min(parts) > 1e-4
    torch.testing.assert_close(loss(slice(0, 4)), sum(parts) / 20)


@pytest.mark.parametrize("task", ARGUMENTS)
def test_every_task_can_be_distilled_from_bert(task: str, tmp_path: Path) -> None:
    student = a_checkpoint(tmp_path / "student", "squeezebert", task, seed=1)
    teacher = open_teacher(tmp_path / "student", student)
    shape = (1, 2, 4) if task == "multiple-choice" else (2, 4)
    inputs = {"input_ids": torch.arange(8).reshape(shape)}
    arguments = inputs | ARGUMENTS[task]
    out = student.model(**arguments)
    # A model's own outputs teach it nothing: half of the labels' loss remains.
    torch.testing.assert_close(teacher.loss(arguments, out), out.loss / 2)
    a_checkpoint(tmp_path / "teacher", "bert", task, seed=2)
    teacher = open_teacher(tmp_path / "teacher", student)
    theirs = teacher.model(**inputs)
    parts = []
    for name in TASKS[task].outputs:
        ours, wanted = getattr(out, name), getattr(theirs, name)
        if task in {"token-classification", "fill-mask"}:
            learned = arguments["labels"] != -100
            ours, wanted = ours[learned], wanted[learned]
        parts.append(soft_loss(ours, wanted))
    expected = (out.loss + sum(parts) / len(parts)) / 2
    torch.testing.assert_close(teacher.loss(arguments, out), expected)
    assert expected > out.loss / 2


def test_the_teachers_labels_are_reordered(tmp_path: Path) -> None:
    student = a_checkpoint(tmp_path / "student", "squeezebert", **LABELS)
    a_checkpoint(tmp_path / "same", "bert", **LABELS)
    a_checkpoint(tmp_path / "swapped", "bert", **SWAPPED)
    assert open_teacher(tmp_path / "same", student).label_order == (0, 1)
    teacher = open_teacher(tmp_path / "swapped", student)
    arguments = {"input_ids": torch.arange(8).reshape(2, 4), "labels": torch.tensor([0, 1])}
    out = student.model(**arguments)
    theirs = teacher.model(arguments["input_ids"]).logits[:, [1, 0]]
    expected = (out.loss + soft_loss(out.logits, theirs)) / 2
    torch.testing.assert_close(teacher.loss(arguments, out), expected)


def test_regression_uses_the_squared_error(tmp_path: Path) -> None:
    options = {"num_labels": 1, "problem_type": "regression"}
    student = a_checkpoint(tmp_path / "student", "squeezebert", **options)
    a_checkpoint(tmp_path / "teacher", "bert", **options)
    teacher = open_teacher(tmp_path / "teacher", student)
    arguments = {"input_ids": torch.arange(8).reshape(2, 4), "labels": torch.tensor([0.5, 1.5])}
    out = student.model(**arguments)
    soft = (out.logits - teacher.model(arguments["input_ids"]).logits).square().mean()
    torch.testing.assert_close(teacher.loss(arguments, out), (out.loss + soft) / 2)


# Refused teachers ---------------------------------------------------------------------------


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    student = a_checkpoint(tmp_path / "student", "squeezebert")
    with pytest.raises(
        CheckpointError, match="teacher 'demo' has a different vocabulary from 'student'"
    ):
        open_teacher("demo", student)


def test_other_labels_are_refused(tmp_path: Path) -> None:
    student = a_checkpoint(tmp_path / "student", "squeezebert", **LABELS)
    a_checkpoint(tmp_path / "teacher", "bert", num_labels=3)
    message = "has the labels LABEL_0, LABEL_1, LABEL_2, but the data has alarm, weather; use a tea"
    with pytest.raises(CheckpointError, match=message):
        open_teacher(tmp_path / "teacher", student)


def test_a_teacher_with_a_shorter_maximum_length_is_refused(tmp_path: Path) -> None:
    student = a_checkpoint(tmp_path / "student", "squeezebert")
    a_checkpoint(tmp_path / "teacher", "bert", max_position_embeddings=20)
    with pytest.raises(CheckpointError, match="reads 20 tokens, but 'student' 40; use a teacher"):
        open_teacher(tmp_path / "teacher", student)


def test_a_teacher_without_the_head_is_refused(tmp_path: Path) -> None:
    student = a_checkpoint(tmp_path / "student", "squeezebert")
    tiny.write_checkpoint(tmp_path / "teacher", "bert", "fill-mask")
    with pytest.raises(CheckpointError, match="has no weights for text-classification"):
        open_teacher(tmp_path / "teacher", student)
