"""The checkpoint that an export starts from and is compared with."""

from dataclasses import dataclass

from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.tasks import Task, is_regression

__all__ = ["Reference"]

LONGEST = 128  # tokens; the longest of the three lengths, where the model reads as many


@dataclass(frozen=True)
class Reference:
    """A checkpoint's fp32 model and tokenizer, and the sequence lengths of its artifact."""

    model: PretrainedModel
    tokenizer: SqueezeBertTokenizer
    max_sequence_length: int
    sequence_length: int | None  # None: dynamic

    @property
    def task(self) -> Task:
        """The model's task."""
        return Traceable(self.model).task

    @property
    def problem_type(self) -> str | None:
        """What a text classifier's outputs are, where it does not choose one of its labels."""
        if not self.task.has_problem_type:
            return None
        config = self.model.config
        if is_regression(config.problem_type, config.num_labels):
            return "regression"
        return config.problem_type

    @property
    def has_answers(self) -> bool:
        """Whether the largest logit is an answer; not for vectors, nor for regression."""
        return self.task.has_answers and self.problem_type != "regression"

    @property
    def lengths(self) -> list[int]:
        """The lengths to run at, in tokens: an eighth, a half and all of the longest."""
        if self.sequence_length is not None:
            return [self.sequence_length]
        longest = min(LONGEST, self.max_sequence_length)
        shortest = min(8, longest)  # room for a pair and its three special tokens
        return sorted({max(longest // 8, shortest), max(longest // 2, shortest), longest})
