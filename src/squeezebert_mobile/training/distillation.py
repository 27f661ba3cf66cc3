"""Knowledge distillation: a teacher's softened outputs as additional targets."""

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

TEMPERATURE = 2.0  # divides the logits of both models
TEACHER_SHARE = 0.5  # of the loss; the rest is the loss of the labels

_TARGETS = {"labels", "start_positions", "end_positions"}


@dataclass(frozen=True)
class Teacher:
    """A model whose outputs the student learns."""

    name: str
    sha256: str  # of its weights
    model: PretrainedModel
    label_order: tuple[int, ...] | None  # the teacher's index of each student label, if any

    def loss(self, arguments: dict[str, Tensor], outputs: Any) -> Tensor:
        """The loss of a batch: the labels' loss in the student's `outputs`, and the teacher's."""
        inputs = {name: x for name, x in arguments.items() if name not in _TARGETS}
        with torch.no_grad():
            theirs = self.model(**inputs)
        labels = arguments.get("labels")
        losses = [
            self._soft_loss(getattr(outputs, name), getattr(theirs, name), labels)
            for name in TASKS[self.model.task].outputs
        ]
        soft = torch.stack(losses).mean()
        mixed: Tensor = (1 - TEACHER_SHARE) * outputs.loss + TEACHER_SHARE * soft
        return mixed

    def _soft_loss(self, ours: Tensor, theirs: Tensor, labels: Tensor | None) -> Tensor:
        if self.label_order is not None:
            theirs = theirs[..., list(self.label_order)]
        if self.model.config.problem_type == "regression":
            return functional.mse_loss(ours, theirs)
        if labels is not None and ours.dim() == 3:  # per token: only where there is a label
            ours, theirs = ours[labels != IGNORED], theirs[labels != IGNORED]
        return soft_loss(ours, theirs)


def soft_loss(ours: Tensor, theirs: Tensor) -> Tensor:
    """The KL divergence between the softened outputs of both models, (rows, classes) each.

    Multiplied by the square of the temperature, because softened gradients are smaller by that.
    """
    divergence = functional.kl_div(
        (ours.float() / TEMPERATURE).log_softmax(-1),
        (theirs.float() / TEMPERATURE).log_softmax(-1),
        log_target=True,
        reduction="batchmean",
    )
    return divergence * TEMPERATURE**2


def open_teacher(name: str | Path, student: Checkpoint, *, revision: str | None = None) -> Teacher:
    """Open the checkpoint called `name`, of this revision, as the teacher of `student`.

    Raises:
        CheckpointError: it cannot be read; or its vocabulary, labels or maximum length do not fit.
    """
    teacher = open_checkpoint(name, task=student.model.task, revision=revision)
    ours, theirs = student.tokenizer, teacher.tokenizer
    if (ours.get_vocab(), ours.do_lower_case) != (theirs.get_vocab(), theirs.do_lower_case):
        raise CheckpointError(
            f"the teacher {teacher.name!r} has a different vocabulary from {student.name!r}, so "
            "their outputs are for different tokens; use a teacher with the same vocabulary"
        )
    needed = student.model.config.max_position_embeddings
    if (longest := teacher.model.config.max_position_embeddings) < needed:
        raise CheckpointError(
            f"the teacher {teacher.name!r} reads {longest} tokens, but {student.name!r} {needed}; "
            "use a teacher that reads at least as many"
        )
    return Teacher(teacher.name, teacher.sha256, teacher.model, _label_order(teacher, student))


def _label_order(teacher: Checkpoint, student: Checkpoint) -> tuple[int, ...] | None:
    """The teacher's index of each of the student's labels; None for tasks without labels."""
    if not TASKS[student.model.task].has_labels:
        return None
    ours, theirs = student.model.config, teacher.model.config
    indices = {label: index for index, label in theirs.id2label.items()}
    same_kind = (ours.problem_type == "regression") == (theirs.problem_type == "regression")
    if same_kind and ours.problem_type == "regression" and len(indices) == 1:
        return (0,)  # the name of a single number does not matter
    if not same_kind or indices.keys() != set(ours.id2label.values()):
        raise CheckpointError(
            f"the teacher {teacher.name!r} has the labels {_listed(list(indices))}, but the data "
            f"has {_listed(list(ours.id2label.values()))}; use a teacher that was fine-tuned on "
            "this data"
        )
    return tuple(indices[label] for label in ours.id2label.values())


def _listed(labels: list[str]) -> str:
    """The first three labels, and the number of the others."""
    listed = ", ".join(labels[:3])
    return listed if len(labels) <= 3 else f"{listed} and {len(labels) - 3} more"
