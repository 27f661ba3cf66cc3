"""Learning from a teacher: its answers, softened, beside the labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.checkpoint import Checkpoint, open_checkpoint
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.tasks import TASKS
from squeezebert_mobile.training.examples import IGNORED

__all__ = ["Teacher", "open_teacher", "soft_loss"]

TEMPERATURE = 2.0  # both models' logits are divided by it
SHARE = 0.5  # of the teacher in the loss; the rest is the labels'

_ARGUMENTS = {"labels", "start_positions", "end_positions"}


@dataclass(frozen=True)
class Teacher:
    """A model whose answers are learned."""

    name: str
    sha256: str  # of its weights
    model: PretrainedModel
    order: tuple[int, ...] | None  # which of its logits is each of ours; None: the tasks without

    def loss(self, arguments: dict[str, Tensor], ours: Any) -> Tensor:
        """The loss of a batch: the labels', which is in `ours`, and the teacher's."""
        inputs = {name: x for name, x in arguments.items() if name not in _ARGUMENTS}
        with torch.no_grad():
            theirs = self.model(**inputs)
        labels = arguments.get("labels")
        losses = [
            self._soft(getattr(ours, name), getattr(theirs, name), labels)
            for name in TASKS[self.model.task].outputs
        ]
        soft = torch.stack(losses).mean()
        mixed: Tensor = (1 - SHARE) * ours.loss + SHARE * soft
        return mixed

    def _soft(self, ours: Tensor, theirs: Tensor, labels: Tensor | None) -> Tensor:
        if self.order is not None:
            theirs = theirs[..., list(self.order)]
        if self.model.config.problem_type == "regression":
            return functional.mse_loss(ours, theirs)
        if labels is not None and ours.dim() == 3:  # a token a row, where there is a label
            ours, theirs = ours[labels != IGNORED], theirs[labels != IGNORED]
        return soft_loss(ours, theirs)


def soft_loss(ours: Tensor, theirs: Tensor) -> Tensor:
    """How far our chances (rows, answers) are from the teacher's, both softened.

    Times the temperature's square: softened gradients are smaller by that.
    """
    far = functional.kl_div(
        (ours.float() / TEMPERATURE).log_softmax(-1),
        (theirs.float() / TEMPERATURE).log_softmax(-1),
        log_target=True,
        reduction="batchmean",
    )
    return far * TEMPERATURE**2


def open_teacher(name: str | Path, student: Checkpoint) -> Teacher:
    """The checkpoint called `name` as the teacher of `student`.

    Raises:
        CheckpointError: it cannot be read, or has another vocabulary, head or length.
    """
    teacher = open_checkpoint(name, task=student.model.task)
    ours, theirs = student.tokenizer, teacher.tokenizer
    if (ours.get_vocab(), ours.do_lower_case) != (theirs.get_vocab(), theirs.do_lower_case):
        raise CheckpointError(
            f"the teacher {teacher.name!r} has another vocabulary than {student.name!r}, so their "
            "answers are about other tokens; give a teacher that was trained with the same one"
        )
    longest = student.model.config.max_position_embeddings
    if (read := teacher.model.config.max_position_embeddings) < longest:
        raise CheckpointError(
            f"the teacher {teacher.name!r} reads {read} tokens, and {student.name!r} {longest}; "
            "give a teacher that reads as much"
        )
    return Teacher(teacher.name, teacher.sha256, teacher.model, _order(teacher, student))


def _order(teacher: Checkpoint, student: Checkpoint) -> tuple[int, ...] | None:
    """Where the teacher has each of the student's labels."""
    if not TASKS[student.model.task].has_labels:
        return None
    ours, theirs = student.model.config, teacher.model.config
    places = {name: place for place, name in theirs.id2label.items()}
    same_kind = (ours.problem_type == "regression") == (theirs.problem_type == "regression")
    if same_kind and ours.problem_type == "regression" and len(places) == 1:
        return (0,)  # a number needs no name
    if not same_kind or places.keys() != set(ours.id2label.values()):
        raise CheckpointError(
            f"the teacher {teacher.name!r} answers with {_few(list(places))}, and the data with "
            f"{_few(list(ours.id2label.values()))}; give a teacher that was fine-tuned on this data"
        )
    return tuple(places[name] for name in ours.id2label.values())


def _few(labels: list[str]) -> str:
    shown = ", ".join(labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} more"
