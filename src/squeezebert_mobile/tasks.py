"""The six tasks: their Hugging Face names, heads, inputs and outputs. The one table of them."""

from dataclasses import dataclass
from typing import Literal

from squeezebert_mobile.errors import ExportError, choose

__all__ = ["INPUT_NAMES", "TASKS", "Aggregation", "Task", "get_task", "gives_numbers"]

#: Every model takes these, as int64, in this order.
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
#: How token-classification groups tokens into entities, as in transformers.
Aggregation = Literal["none", "simple", "first", "average", "max"]


@dataclass(frozen=True)
class Task:
    """A head, and what its exported model takes and gives."""

    name: str
    head: str  # the Hugging Face class is model family + head: SqueezeBert + ForMaskedLM
    input_axes: tuple[str, ...]
    outputs: dict[str, tuple[str, ...]]  # float32 outputs in order: name -> axes
    uses_pooler: bool


_TOKENS = ("batch", "sequence")

TASKS = {
    task.name: task
    for task in (
        Task(
            "feature-extraction",
            "Model",
            _TOKENS,
            {
                "last_hidden_state": ("batch", "sequence", "hidden"),
                "pooler_output": ("batch", "hidden"),
            },
            uses_pooler=True,
        ),
        Task(
            "fill-mask",
            "ForMaskedLM",
            _TOKENS,
            {"logits": ("batch", "sequence", "vocab")},
            uses_pooler=False,
        ),
        Task(
            "text-classification",
            "ForSequenceClassification",
            _TOKENS,
            {"logits": ("batch", "labels")},
            uses_pooler=True,
        ),
        Task(
            "multiple-choice",
            "ForMultipleChoice",
            ("batch", "choices", "sequence"),
            {"logits": ("batch", "choices")},
            uses_pooler=True,
        ),
        Task(
            "token-classification",
            "ForTokenClassification",
            _TOKENS,
            {"logits": ("batch", "sequence", "labels")},
            uses_pooler=False,
        ),
        Task(
            "question-answering",
            "ForQuestionAnswering",
            _TOKENS,
            {"start_logits": _TOKENS, "end_logits": _TOKENS},
            uses_pooler=False,
        ),
    )
}


def get_task(name: str) -> Task:
    """The task called `name`.

    Raises:
        ExportError: there is no such task.
    """
    if name not in TASKS:
        raise ExportError(choose("task", name, TASKS))
    return TASKS[name]


def gives_numbers(problem_type: str | None, labels: int) -> bool:
    """Whether a text classifier with so many outputs gives numbers, and no labels.

    transformers' rule: a model of one output that does not say what it is was trained on numbers.
    """
    return problem_type == "regression" or (problem_type is None and labels == 1)
