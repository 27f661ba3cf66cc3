"""Knowledge distillation: a teacher's softened outputs as additional targets.

For training with rounded weights the hidden states that each layer of the teacher writes are
targets as well, if it has as many layers of the same width. Labels are not needed then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.export.feeds.building import TensorFeed
from squeezebert_mobile.models.checkpoint import Checkpoint, open_checkpoint
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.rewriting import Traceable, layers, rewrite
from squeezebert_mobile.tasks import TASKS
from squeezebert_mobile.training.examples import IGNORED

__all__ = ["HiddenStateTeacher", "Targets", "Teacher", "open_teacher", "soft_loss"]

TEMPERATURE = 2.0  # divides the logits of both models
TEACHER_SHARE = 0.5  # of the loss; the rest is the loss of the labels

_TARGETS = {"labels", "start_positions", "end_positions"}


class Targets(Protocol):
    """What gives a loss besides that of the labels."""

    @property
    def model(self) -> PretrainedModel:
        """The model that computes the targets."""

    def loss(self, arguments: dict[str, Tensor], outputs: Any) -> Tensor:
        """The loss of a batch: of the model's `outputs` for these `arguments`."""


@dataclass(frozen=True)
class Teacher:
    """A model whose outputs the student learns."""

    name: str
    sha256: str  # of its weights
    model: PretrainedModel
    label_order: tuple[int, ...] | None  # the teacher's index of each student label, if any
    share: float = TEACHER_SHARE
    variances: Mapping[str, float] = field(default_factory=dict)  # of outputs that are vectors

    def loss(self, arguments: dict[str, Tensor], outputs: Any) -> Tensor:
        """The loss of a batch: the teacher's, and that of labels in the student's `outputs`."""
        inputs = {name: x for name, x in arguments.items() if name not in _TARGETS}
        with torch.no_grad():
            theirs = self.model(**inputs)
        losses = []
        for name, axes in TASKS[self.model.task].outputs.items():
            pair = getattr(outputs, name), getattr(theirs, name)
            if pair[0] is None:  # an optional output
                continue
            if "hidden" in axes:
                losses.append(_relative_error(*pair, _is_text(arguments), self.variances[name]))
            else:
                losses.append(self._soft_loss(*pair, arguments))
        soft = torch.stack(losses).mean()
        if self.share == 1 or getattr(outputs, "loss", None) is None:
            return soft
        mixed: Tensor = (1 - self.share) * outputs.loss + self.share * soft
        return mixed

    def _soft_loss(self, ours: Tensor, theirs: Tensor, arguments: dict[str, Tensor]) -> Tensor:
        if self.label_order is not None:
            theirs = theirs[..., list(self.label_order)]
        if self.model.config.problem_type == "regression":
            return functional.mse_loss(ours, theirs)
        if ours.dim() == 3:  # per token: only where there is a label, or text
            labels = arguments.get("labels")
            places = _is_text(arguments) if labels is None else labels != IGNORED
            ours, theirs = ours[places], theirs[places]
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


def _is_text(arguments: dict[str, Tensor]) -> Tensor:
    """(B, S): where there is no padding; the choices of an example are one after the other."""
    return arguments["attention_mask"].flatten(0, -2).bool()


def _vectors(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors (N, C), and what each one counts (N), such that a text counts as all its tokens.

    Args:
        x: The vectors of tokens (B, S, C), or of texts: (B, C), or (B, 1, C) of the first tokens.
        mask: (B, S): where there is text.
    """
    if x.dim() == 2 or x.shape[1] != mask.shape[1]:
        return x.flatten(0, -2), mask.sum(dim=1)
    vectors = x[mask]
    return vectors, torch.ones_like(vectors[:, 0])


def _relative_error(ours: Tensor, theirs: Tensor, mask: Tensor, variance: float) -> Tensor:
    """The mean squared distance of vectors, relative to how much the teacher's vary."""
    x, counts = _vectors(ours, mask)
    y, _ = _vectors(theirs, mask)
    squares = (x - y).square().sum(dim=1)
    error: Tensor = squares @ counts.to(squares) / counts.sum() / variance
    return error


@dataclass
class _Variance:
    """The mean squared distance of vectors from their mean."""

    count: float = 0.0
    vectors: Tensor | float = 0.0
    squares: float = 0.0

    def add(self, vectors: Tensor, counts: Tensor) -> None:
        """Vectors (N, C), and what each one counts (N)."""
        weighted = vectors.double() * counts[:, None]
        self.count += counts.sum().item()
        self.vectors = self.vectors + weighted.sum(dim=0)
        self.squares += (weighted * vectors).sum().item()

    @property
    def value(self) -> float:
        """Above 0, so that an error can be divided by it."""
        mean = torch.as_tensor(self.vectors) / self.count
        return max(self.squares / self.count - mean.square().sum().item(), 1e-12)


@dataclass
class _Recorder:
    """What the layers of a model have written since the last time it was asked."""

    model: Traceable
    written: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        for layer in layers(self.model):
            layer.register_forward_hook(self._record)

    def _record(self, layer: nn.Module, arguments: object, output: Tensor) -> None:
        self.written.append(output)

    def take(self) -> list[Tensor]:
        """The hidden states of the last forward pass."""
        count = len(layers(self.model))
        taken, self.written = self.written[-count:], []
        return taken


class HiddenStateTeacher:
    """A teacher of the outputs and of the hidden states."""

    def __init__(self, teacher: Teacher, student: Traceable, feeds: Sequence[TensorFeed]) -> None:
        """Compare `student`, a rewritten model, with `teacher`, a published one.

        Errors of vectors are relative to how much the teacher's vary over the texts of `feeds`, not
        over a batch: so all batches, and the processes' shares of one, are on one scale.
        """
        rewritten = rewrite(teacher.model)
        ours, theirs = student.model.config, teacher.model.config
        self._is_alike = (ours.num_hidden_layers, ours.hidden_size) == (
            theirs.num_hidden_layers,
            theirs.hidden_size,
        )
        # The words that fill-mask hides are no labels of a user: learning them moves the answers.
        share = 1.0 if TASKS[teacher.model.task].predicts_masks else teacher.share
        self._ours, self._theirs = _Recorder(student), _Recorder(rewritten)
        self._teacher = replace(teacher, model=rewritten.model, share=share)
        variances = self._measured(rewritten, feeds)
        self._variances = [variances.pop(place) for place in range(theirs.num_hidden_layers)]
        self._teacher = replace(self._teacher, variances=variances)

    @torch.no_grad()
    def _measured(self, teacher: Traceable, feeds: Sequence[TensorFeed]) -> dict[Any, float]:
        """The variances of an output, by its name, and of what a layer writes, by its place."""
        found: dict[Any, _Variance] = {}
        for ids, mask, types in feeds:
            outputs = teacher.model(ids, mask, types)
            written = dict[Any, Tensor](enumerate(self._theirs.take()))
            for name, axes in TASKS[teacher.model.task].outputs.items():
                if "hidden" in axes and getattr(outputs, name) is not None:
                    written[name] = getattr(outputs, name)
            for key, x in written.items():
                vectors = _vectors(x, mask.flatten(0, -2).bool())
                found.setdefault(key, _Variance()).add(*vectors)
        return {key: variance.value for key, variance in found.items()}

    @property
    def model(self) -> PretrainedModel:
        """The model that computes the targets."""
        return self._teacher.model

    def loss(self, arguments: dict[str, Tensor], outputs: Any) -> Tensor:
        """The loss of a batch, with the student's `outputs`."""
        ours = self._ours.take()
        loss = self._teacher.loss(arguments, outputs)
        theirs = self._theirs.take()
        if not self._is_alike:
            return loss
        mask = _is_text(arguments)
        written = zip(ours, theirs, self._variances, strict=True)
        errors = [_relative_error(a, b, mask, variance) for a, b, variance in written]
        return loss + torch.stack(errors).mean()


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
