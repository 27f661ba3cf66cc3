"""The training loop, on accelerate: one process or several, CPU or GPU, and the same steps.

Several processes share a batch: each takes every n-th lesson of it, the gradient is the mean over
the whole, and the order is the main process's. The generators of torch decide everything, so a
training that is gone on with from a saved state ends with the same weights.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, reduce
from torch import Tensor, nn

from squeezebert_mobile.errors import TrainingError
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.distillation import Teacher
from squeezebert_mobile.training.examples import IGNORED, Lesson, collate

__all__ = ["Epoch", "History", "Progress", "Score", "Training", "finetune", "open_accelerator"]

_POOL = 50  # batches' worth of lessons that are sorted by length together
_NOT_DECAYED = 1  # dimensions of biases and norms: weight decay is for matrices
SAVE_EVERY = 500  # steps; every epoch's end is saved as well


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train; the defaults are the usual ones for a pretrained encoder."""

    epochs: int = 3
    batch_size: int = 32  # of one process
    learning_rate: float = 5e-5  # the highest: reached after the warm-up, 0 at the end
    warm_up: float = 0.1  # share of all steps
    weight_decay: float = 0.01
    largest_gradient: float = 1.0  # a longer one, over all weights, is shortened to this
    patience: int = 3  # epochs without a better score, after which no other is begun
    seed: int = 0  # of the order of the lessons and of dropout


@dataclass(frozen=True)
class Score:
    """How good a model is on the development set."""

    name: str
    value: float  # as it is shown
    rank: float  # more is better


@dataclass(frozen=True)
class Progress:
    """Where a training stands after a step."""

    step: int  # from 1
    steps: int
    epoch: int  # from 1
    loss: float  # of the step
    score: Score | None = None  # of the last epoch that has one


@dataclass(frozen=True)
class Epoch:
    """An epoch that is over."""

    epoch: int
    step: int  # its last one
    loss: float  # the mean over its steps
    score: Score | None


@dataclass
class History:
    """What happened, and which weights were the best."""

    epochs: list[Epoch] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # of every step

    @property
    def best(self) -> Epoch:
        """The epoch whose weights are kept: the first with the best score, or the last."""
        scored = [epoch for epoch in self.epochs if epoch.score]
        return max(scored, key=lambda each: _rank(each)) if scored else self.epochs[-1]

    @property
    def waited(self) -> int:
        """Epochs since the best one."""
        return self.epochs[-1].epoch - self.best.epoch if self.epochs else 0


def _rank(epoch: Epoch) -> float:
    return epoch.score.rank if epoch.score else -math.inf


#: A state as it is saved: tensors, numbers, texts, lists and dicts of these.
State = dict[str, Any]


def open_accelerator() -> Accelerator:
    """What runs the loop here: with mixed precision on a GPU, in all processes there are."""
    if not torch.cuda.is_available():
        # accelerate sees what torchrun started on the CPU only where it is told that it is there.
        return Accelerator(cpu="LOCAL_RANK" in os.environ)
    return Accelerator(mixed_precision="bf16" if torch.cuda.is_bf16_supported() else "fp16")


def finetune(
    model: PretrainedModel,
    tokenizer: SqueezeBertTokenizer,
    lessons: Sequence[Lesson],
    training: Training,
    *,
    accelerator: Accelerator | None = None,
    teacher: Teacher | None = None,
    measure: Callable[[], Score] | None = None,
    state: State | None = None,
    save: Callable[[State], None] | None = None,
    report: Callable[[Progress], None] | None = None,
) -> History:
    """Train `model` in place.

    Args:
        model: What to train; it is left in evaluation mode, on the CPU.
        tokenizer: Knows how to pad.
        lessons: What to learn.
        training: How.
        accelerator: What `open_accelerator` gave; None opens one.
        teacher: Whose answers are learned as well.
        measure: Called after each epoch with `model` in evaluation mode; the best weights are
            kept, and too many epochs without better ones end the training.
        state: Where to go on; what `save` was given last.
        save: Called with the state now and then.
        report: Called after every step, in the main process.

    Raises:
        TrainingError: the loss is no number any more.
    """
    accelerator = accelerator or open_accelerator()
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(training.seed + accelerator.process_index)
        run = _Run(model, tokenizer, lessons, training, accelerator, teacher)
        if state:
            run.restore(state)
        while run.epoch <= training.epochs and run.history.waited < training.patience:
            for batch in run.begin_epoch():
                run.learn(batch)
                if report is not None and accelerator.is_main_process:
                    report(run.progress())
                if save is not None and run.step % SAVE_EVERY == 0:
                    save(run.state())
            run.end_epoch(measure)
            if save is not None:
                save(run.state())
        run.finish()
    return run.history


class _Run:
    """A training at work: all that changes from step to step."""

    def __init__(
        self,
        model: PretrainedModel,
        tokenizer: SqueezeBertTokenizer,
        lessons: Sequence[Lesson],
        training: Training,
        accelerator: Accelerator,
        teacher: Teacher | None,
    ) -> None:
        self.tokenizer, self.lessons, self.training = tokenizer, lessons, training
        self.accelerator, self.teacher, self.model = accelerator, teacher, model
        self.batch_size = training.batch_size * accelerator.num_processes
        self.steps = training.epochs * -(-len(lessons) // self.batch_size)
        optimizer = _optimizer(model, training)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _rate(step, self.steps, training.warm_up)
        )
        self.wrapped, self.optimizer = accelerator.prepare(model, optimizer)
        if teacher is not None:
            teacher.model.to(accelerator.device)
        self.epoch, self.step, self.done = 1, 0, 0  # done: batches of this epoch
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        self.random_before = self.random_now = _random_state(accelerator)
        model.train()

    # Steps ----------------------------------------------------------------------------------

    def begin_epoch(self) -> list[list[int]]:
        """The batches of this epoch that are still to be learned, as places in the lessons."""
        if self.done:  # gone on with: the same order once more, then what came after it
            _set_random_state(self.random_before, self.accelerator)
        else:
            self.random_before = _random_state(self.accelerator)
        sizes = [lesson.size for lesson in self.lessons]
        batches = _batches(sizes, self.batch_size, self._shared)
        if self.done:
            _set_random_state(self.random_now, self.accelerator)
        return batches[self.done :]

    def _shared(self, drawn: Tensor) -> Tensor:
        """What the main process has drawn."""
        if self.accelerator.num_processes > 1:
            drawn = broadcast(drawn.to(self.accelerator.device)).cpu()
        return drawn

    def learn(self, batch: Sequence[int]) -> None:
        """One step."""
        loss = self._loss([self.lessons[place] for place in batch])
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.wrapped.parameters(), self.training.largest_gradient)
        self.optimizer.step()
        self.schedule.step()
        self.step, self.done = self.step + 1, self.done + 1
        if not math.isfinite(self.history.losses[-1]):
            raise TrainingError(
                f"the loss is {self.history.losses[-1]} at step {self.step}: the training has "
                f"diverged; give a --learning-rate below {self.training.learning_rate:g}"
            )

    def _loss(self, batch: Sequence[Lesson]) -> Tensor:
        """The loss of this process's part, such that the processes' mean is that of the batch."""
        several = self.accelerator.num_processes
        own = batch[self.accelerator.process_index :: several]
        found = collate(self.model.task, self.tokenizer, own or batch[:1])
        arguments = {name: x.to(self.accelerator.device) for name, x in found.items()}
        out = self.wrapped(**arguments)
        loss: Tensor = out.loss
        if self.teacher is not None:
            loss = self.teacher.loss(arguments, out)
        if several == 1:
            self.history.losses.append(loss.item())
            return loss
        count = _counting(arguments) if own else 0
        figures = [float(count), loss.item() * count]
        total, summed = reduce(
            torch.tensor(figures, device=self.accelerator.device), reduction="sum"
        ).tolist()
        self.history.losses.append(summed / total)
        share: float = count * several / total
        return loss * share

    def end_epoch(self, measure: Callable[[], Score] | None) -> None:
        """Write down what came of it, and keep the weights that are better than all before."""
        score = None
        if measure is not None:
            self.model.eval()
            score = measure()
            self.model.train()
            shared = self._shared(torch.tensor([score.value, score.rank], dtype=torch.float64))
            score = Score(score.name, *shared.tolist())
        losses = self.history.losses[-self.done :]
        mean = sum(losses) / len(losses)
        self.history.epochs.append(Epoch(self.epoch, self.step, mean, score))
        if score is not None and self.history.waited == 0:
            self.best = {name: x.detach().clone() for name, x in self.model.state_dict().items()}
        self.epoch, self.done = self.epoch + 1, 0

    def finish(self) -> None:
        """Leave the best weights in the model, and the model as it was before."""
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.cpu().eval()

    def progress(self) -> Progress:
        """Where it stands after the last step."""
        score = self.history.epochs[-1].score if self.history.epochs else None
        return Progress(self.step, self.steps, self.epoch, self.history.losses[-1], score)

    # Saving ---------------------------------------------------------------------------------

    def state(self) -> State:
        """All that `restore` needs; every process must ask for it."""
        scaler = self.accelerator.scaler
        return {
            "epoch": self.epoch,
            "step": self.step,
            "done": self.done,
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": scaler.state_dict() if scaler else None,
            "history": asdict(self.history),
            "random_before": self._gathered(self.random_before),
            "random_now": self._gathered(_random_state(self.accelerator)),
        }

    def _gathered(self, random: Tensor) -> Tensor:
        """A row a process."""
        if self.accelerator.num_processes == 1:
            return random[None]
        every: Tensor = self.accelerator.gather(random[None].to(self.accelerator.device))
        return every.cpu()

    def restore(self, state: State) -> None:
        """Go on where `state` was taken."""
        self.epoch, self.step, self.done = state["epoch"], state["step"], state["done"]
        self.model.load_state_dict(state["model"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        history = state["history"]
        self.history.losses = list(history["losses"])
        self.history.epochs = [_epoch(**each) for each in history["epochs"]]
        place = self.accelerator.process_index
        self.random_before, self.random_now = (
            state["random_before"][place],
            state["random_now"][place],
        )
        _set_random_state(self.random_now, self.accelerator)


def _epoch(*, score: dict[str, Any] | None, **rest: Any) -> Epoch:
    return Epoch(**rest, score=Score(**score) if score else None)


def _counting(arguments: dict[str, Tensor]) -> int:
    """Over how much the loss is the mean: labels, or questions."""
    if "labels" not in arguments:
        return len(arguments["start_positions"])
    return int((arguments["labels"] != IGNORED).sum())


# Order, rate, optimizer, random numbers -----------------------------------------------------


def _batches(
    sizes: Sequence[int], batch_size: int, shared: Callable[[Tensor], Tensor]
) -> list[list[int]]:
    """An epoch's batches in a random order, each as places in `sizes`.

    Lessons of like size share a batch, which saves half of the padding and of the time.

    Args:
        sizes: The lessons' sizes.
        batch_size: The most lessons of a batch.
        shared: Gives every process the same of what each has drawn.
    """
    pool = batch_size * _POOL
    order = shared(torch.randperm(len(sizes))).tolist()
    batches = []
    for start in range(0, len(order), pool):
        alike = sorted(order[start : start + pool], key=sizes.__getitem__)
        batches += [alike[i : i + batch_size] for i in range(0, len(alike), batch_size)]
    return [batches[place] for place in shared(torch.randperm(len(batches))).tolist()]


def _rate(step: int, steps: int, warm_up: float) -> float:
    """The learning rate of a step as a share of the highest: up in a line, down in a line."""
    rising = max(1, round(warm_up * steps))
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def _optimizer(model: nn.Module, training: Training) -> torch.optim.AdamW:
    weights = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in weights if p.dim() > _NOT_DECAYED]},
        {"params": [p for p in weights if p.dim() <= _NOT_DECAYED], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate, weight_decay=training.weight_decay)


def _random_state(accelerator: Accelerator) -> Tensor:
    """The generators of this process: the CPU's, then the GPU's."""
    states = [torch.get_rng_state()]
    if accelerator.device.type == "cuda":
        states.append(torch.cuda.get_rng_state(accelerator.device))
    return torch.cat(states)


def _set_random_state(state: Tensor, accelerator: Accelerator) -> None:
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size])
    if accelerator.device.type == "cuda":
        torch.cuda.set_rng_state(state[size:], accelerator.device)
