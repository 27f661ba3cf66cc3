"""Training a text classifier: one plain loop, and the answers of what came out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.model import HeadOutput, SqueezeBertForSequenceClassification
from squeezebert_mobile.runtime import SqueezeBertTokenizer

__all__ = ["Example", "Progress", "Training", "finetune", "predict"]

_EVALUATION_BATCH = 128
_POOL = 50  # batches' worth of examples that are sorted by length together
_NOT_DECAYED = 1  # dimensions of biases and norms: weight decay is for matrices


@dataclass(frozen=True)
class Example:
    """A text and the id of its label."""

    text: str
    label: int


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train; the defaults are the usual ones for a pretrained encoder."""

    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 5e-5  # the highest: reached after the warm-up, 0 at the end
    warm_up: float = 0.1  # share of all steps
    weight_decay: float = 0.01
    largest_gradient: float = 1.0  # a longer one, over all weights, is shortened to this
    seed: int = 0  # of the order of the examples and of dropout


@dataclass(frozen=True)
class Progress:
    """Where a training stands after a step."""

    step: int  # from 1
    steps: int
    epoch: int  # from 1
    loss: float  # of the step


def finetune(
    model: SqueezeBertForSequenceClassification,
    tokenizer: SqueezeBertTokenizer,
    examples: Sequence[Example],
    training: Training,
    *,
    report: Callable[[Progress], None] | None = None,
) -> None:
    """Train `model` in place.

    Args:
        model: What to train; it is left in evaluation mode.
        tokenizer: Makes the inputs; texts are cut at its model_max_length.
        examples: What to learn.
        training: How.
        report: Called after every step.
    """
    steps = training.epochs * -(-len(examples) // training.batch_size)
    optimizer = _optimizer(model, training)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, steps, training.warm_up)
    )
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        for step, (epoch, batch) in enumerate(_batches(examples, training), start=1):
            loss = _loss(model, tokenizer, batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), training.largest_gradient)
            optimizer.step()
            schedule.step()
            if report is not None:
                report(Progress(step, steps, epoch, loss.item()))
    model.eval()


def _optimizer(model: nn.Module, training: Training) -> torch.optim.AdamW:
    weights = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in weights if p.dim() > _NOT_DECAYED]},
        {"params": [p for p in weights if p.dim() <= _NOT_DECAYED], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate, weight_decay=training.weight_decay)


def _rate(step: int, steps: int, warm_up: float) -> float:
    """The learning rate of a step as a share of the highest: up in a line, down in a line."""
    rising = max(1, round(warm_up * steps))
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def _batches(
    examples: Sequence[Example], training: Training
) -> Iterator[tuple[int, list[Example]]]:
    """Every epoch's batches in a new random order, each with the epoch's number.

    Texts of like length share a batch, which saves half of the padding and of the time.
    """
    size, pool = training.batch_size, training.batch_size * _POOL
    for epoch in range(1, training.epochs + 1):
        order = torch.randperm(len(examples)).tolist()
        batches = []
        for start in range(0, len(order), pool):
            alike = sorted(order[start : start + pool], key=lambda i: len(examples[i].text))
            batches += [alike[i : i + size] for i in range(0, len(alike), size)]
        for index in torch.randperm(len(batches)).tolist():
            yield epoch, [examples[i] for i in batches[index]]


def _inputs(tokenizer: SqueezeBertTokenizer, texts: Sequence[str]) -> dict[str, Tensor]:
    return tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")


def _loss(
    model: SqueezeBertForSequenceClassification,
    tokenizer: SqueezeBertTokenizer,
    batch: Sequence[Example],
) -> Tensor:
    labels = torch.tensor([example.label for example in batch])
    out: HeadOutput = model(**_inputs(tokenizer, [e.text for e in batch]), labels=labels)
    assert out.loss is not None
    return out.loss


@torch.no_grad()
def predict(
    model: SqueezeBertForSequenceClassification,
    tokenizer: SqueezeBertTokenizer,
    texts: Sequence[str],
) -> list[int]:
    """The id of the likeliest label of each text."""
    answers: list[int] = []
    for start in range(0, len(texts), _EVALUATION_BATCH):
        batch = texts[start : start + _EVALUATION_BATCH]
        answers += model(**_inputs(tokenizer, batch)).logits.argmax(-1).tolist()
    return answers
