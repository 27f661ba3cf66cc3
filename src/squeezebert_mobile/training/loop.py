"""The training loop, on accelerate: one or several processes, on CPU or GPU, with the same steps.

Several processes share a batch: each takes every n-th example of it, the gradient is the mean over
the whole batch, and the main process decides the order. All randomness comes from torch's
generators, so a training that is resumed from a saved state ends with the same weights.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, reduce
from torch import Tensor

from squeezebert_mobile.errors import TrainingError
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.config import TrainingConfig
from squeezebert_mobile.training.distillation import Targets
from squeezebert_mobile.training.examples import IGNORED, TrainingExample, collate
from squeezebert_mobile.training.history import DevScore, EpochResult, History, TrainingProgress
from squeezebert_mobile.training.optimization import learning_rate_factor, make_optimizer
from squeezebert_mobile.training.processes import check_processes, is_distributed
from squeezebert_mobile.training.sampling import draw_batches

__all__ = ["State", "open_accelerator", "train"]

SAVE_EVERY = 500  # steps; the end of every epoch is saved as well

#: A saved state: tensors, numbers and strings, and lists and dicts of these.
State = dict[str, Any]


def open_accelerator() -> Accelerator:
    """The accelerator for this machine: all its processes; mixed precision on a GPU.

    Raises:
        InputError: the environment variables of torchrun are invalid.
    """
    check_processes()
    if not torch.cuda.is_available():
        # On a CPU accelerate ignores torchrun's processes unless cpu=True.
        return Accelerator(cpu=is_distributed())
    return Accelerator(mixed_precision="bf16" if torch.cuda.is_bf16_supported() else "fp16")


def train(
    model: PretrainedModel,
    tokenizer: SqueezeBertTokenizer,
    examples: Sequence[TrainingExample],
    config: TrainingConfig,
    *,
    accelerator: Accelerator | None = None,
    teacher: Targets | None = None,
    measure: Callable[[], DevScore] | None = None,
    state: State | None = None,
    save: Callable[[State], None] | None = None,
    report: Callable[[TrainingProgress], None] | None = None,
) -> History:
    """Train `model` in place.

    Args:
        model: The model to train; returned in evaluation mode, on the CPU.
        tokenizer: Gives the ids of padding and special tokens.
        examples: The training examples.
        config: The hyperparameters.
        accelerator: From `open_accelerator`; None opens one.
        teacher: A teacher for distillation.
        measure: Called after each epoch with `model` in evaluation mode. The best weights are
            kept, and training stops after `config.patience` epochs without better ones.
        state: The last state given to `save`, to resume from.
        save: Called with the state every SAVE_EVERY steps and after each epoch.
        report: Called after every step, in the main process.

    Raises:
        TrainingError: the loss became infinite or NaN.
    """
    accelerator = accelerator or open_accelerator()
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(config.seed + accelerator.process_index)
        trainer = _Trainer(model, tokenizer, examples, config, accelerator, teacher)
        if state:
            trainer.restore(state)
        while not trainer.is_done():
            for batch in trainer.begin_epoch():
                trainer.train_step(batch)
                if report is not None and accelerator.is_main_process:
                    report(trainer.progress())
                if save is not None and trainer.step % SAVE_EVERY == 0:
                    save(trainer.state())
            trainer.end_epoch(measure)
            if save is not None:
                save(trainer.state())
        trainer.finish()
    return trainer.history


class _Trainer:
    """A training in progress: everything that changes from step to step."""

    def __init__(
        self,
        model: PretrainedModel,
        tokenizer: SqueezeBertTokenizer,
        examples: Sequence[TrainingExample],
        config: TrainingConfig,
        accelerator: Accelerator,
        teacher: Targets | None,
    ) -> None:
        self.tokenizer, self.examples, self.config = tokenizer, examples, config
        self.accelerator, self.teacher, self.model = accelerator, teacher, model
        self.batch_size = config.batch_size * accelerator.num_processes
        self.steps = config.epochs * -(-len(examples) // self.batch_size)
        optimizer = make_optimizer(model, config)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, self.steps, config.warm_up)
        )
        self.wrapped, self.optimizer = accelerator.prepare(model, optimizer)
        if teacher is not None:
            teacher.model.to(accelerator.device)
        self.epoch, self.step, self.batches_done = 1, 0, 0  # batches_done: of this epoch
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        self.random_before = self.random_now = _random_state(accelerator)
        model.train()

    # Steps ----------------------------------------------------------------------------------

    def is_done(self) -> bool:
        """Whether all epochs are over, or the score has stopped improving."""
        waited = self.history.epochs_without_improvement
        return self.epoch > self.config.epochs or waited >= self.config.patience

    def begin_epoch(self) -> list[list[int]]:
        """The remaining batches of this epoch, as indices into the examples."""
        if self.batches_done:  # resumed: draw the same order again, then restore the generators
            _set_random_state(self.random_before, self.accelerator)
        else:
            self.random_before = _random_state(self.accelerator)
        sizes = [example.size for example in self.examples]
        batches = draw_batches(sizes, self.batch_size, self._shared)
        if self.batches_done:
            _set_random_state(self.random_now, self.accelerator)
        return batches[self.batches_done :]

    def _shared(self, drawn: Tensor) -> Tensor:
        """The main process's value of `drawn`, in every process."""
        if self.accelerator.num_processes > 1:
            drawn = broadcast(drawn.to(self.accelerator.device)).cpu()
        return drawn

    def train_step(self, batch: Sequence[int]) -> None:
        """Update the weights with one batch."""
        loss = self._loss([self.examples[index] for index in batch])
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.wrapped.parameters(), self.config.largest_gradient)
        self.optimizer.step()
        self.schedule.step()
        self.step, self.batches_done = self.step + 1, self.batches_done + 1
        if not math.isfinite(self.history.losses[-1]):
            raise TrainingError(
                f"the loss is {self.history.losses[-1]} at step {self.step}: the training has "
                f"diverged; use a --learning-rate below {self.config.learning_rate:g}"
            )

    def _loss(self, batch: Sequence[TrainingExample]) -> Tensor:
        """The loss of this process's part, scaled so that the processes' mean is the batch's."""
        processes = self.accelerator.num_processes
        own = batch[self.accelerator.process_index :: processes]
        collated = collate(self.model.task, self.tokenizer, own or batch[:1])
        arguments = {name: x.to(self.accelerator.device) for name, x in collated.items()}
        outputs = self.wrapped(**arguments)
        loss: Tensor = (
            self.teacher.loss(arguments, outputs) if self.teacher is not None else outputs.loss
        )
        if processes == 1:
            self.history.losses.append(loss.item())
            return loss
        count = _target_count(arguments) if own else 0
        count_and_sum = [float(count), loss.item() * count]
        total, summed = reduce(
            torch.tensor(count_and_sum, device=self.accelerator.device), reduction="sum"
        ).tolist()
        self.history.losses.append(summed / total)
        share: float = count * processes / total
        return loss * share

    def end_epoch(self, measure: Callable[[], DevScore] | None) -> None:
        """Record the epoch, and keep its weights if they are the best so far."""
        score = None
        if measure is not None:
            self.model.eval()
            score = measure()
            self.model.train()
            shared = self._shared(torch.tensor([score.value, score.rank], dtype=torch.float64))
            score = DevScore(score.name, *shared.tolist())
        losses = self.history.losses[-self.batches_done :]
        mean = sum(losses) / len(losses)
        self.history.epochs.append(EpochResult(self.epoch, self.step, mean, score))
        if score is not None and self.history.epochs_without_improvement == 0:
            self.best = {name: x.detach().clone() for name, x in self.model.state_dict().items()}
        self.epoch, self.batches_done = self.epoch + 1, 0

    def finish(self) -> None:
        """Load the best weights, and undo what accelerate and training changed in the model."""
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.cpu().eval()

    def progress(self) -> TrainingProgress:
        """The progress after the last step."""
        score = self.history.epochs[-1].score if self.history.epochs else None
        return TrainingProgress(self.step, self.steps, self.epoch, self.history.losses[-1], score)

    # Saving ---------------------------------------------------------------------------------

    def state(self) -> State:
        """Everything that `restore` needs. All processes must call this together."""
        scaler = self.accelerator.scaler
        return {
            "epoch": self.epoch,
            "step": self.step,
            "done": self.batches_done,
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": scaler.state_dict() if scaler else None,
            "history": asdict(self.history),
            "random_before": self._gathered(self.random_before),
            "random_now": self._gathered(_random_state(self.accelerator)),
        }

    def _gathered(self, random_state: Tensor) -> Tensor:
        """The generator states of all processes, one row each."""
        if self.accelerator.num_processes == 1:
            return random_state[None]
        rows: Tensor = self.accelerator.gather(random_state[None].to(self.accelerator.device))
        return rows.cpu()

    def restore(self, state: State) -> None:
        """Continue from a saved state."""
        self.epoch, self.step, self.batches_done = state["epoch"], state["step"], state["done"]
        self.model.load_state_dict(state["model"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        history = state["history"]
        self.history.losses = list(history["losses"])
        self.history.epochs = [_epoch_result(**epoch) for epoch in history["epochs"]]
        process = self.accelerator.process_index
        self.random_before = state["random_before"][process]
        self.random_now = state["random_now"][process]
        _set_random_state(self.random_now, self.accelerator)


def _epoch_result(*, score: dict[str, Any] | None, **rest: Any) -> EpochResult:
    return EpochResult(**rest, score=DevScore(**score) if score else None)


def _target_count(arguments: dict[str, Tensor]) -> int:
    """The number of targets that the loss is the mean of: labels, questions, or tokens."""
    if "labels" in arguments:
        return int((arguments["labels"] != IGNORED).sum())
    if "start_positions" in arguments:
        return len(arguments["start_positions"])
    return int(arguments["attention_mask"].sum())


def _random_state(accelerator: Accelerator) -> Tensor:
    """The states of this process's generators: the CPU's, then the GPU's."""
    states = [torch.get_rng_state()]
    if accelerator.device.type == "cuda":
        states.append(torch.cuda.get_rng_state(accelerator.device))
    return torch.cat(states)


def _set_random_state(state: Tensor, accelerator: Accelerator) -> None:
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size])
    if accelerator.device.type == "cuda":
        torch.cuda.set_rng_state(state[size:], accelerator.device)
