"""The table of tasks: Hugging Face names, model heads, inputs and outputs.

A new head starts with a row here. The other places are its model class (models/heads.py), its
pipeline and result (runtime/tasks/), its data readers, metrics and training examples, and its
Kotlin twin.
"""

from dataclasses import dataclass
from typing import Literal

from squeezebert_mobile.errors import ExportError, InputError, choose

__all__ = [
    "INPUT_NAMES",
    "OPTIONAL_OUTPUTS",
    "TASKS",
    "Aggregation",
    "Task",
    "check_has_answers",
    "get_task",
    "is_regression",
]

#: The inputs of every model, int64, in this order.
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
#: Outputs that not every model of a task has: an encoder may have no pooler.
OPTIONAL_OUTPUTS = frozenset({"pooler_output"})
#: Aggregation strategies of token-classification, as in transformers.
Aggregation = Literal["none", "simple", "first", "average", "max"]

_TOKENS = ("batch", "sequence")
_CLASSIFIER = {"classifier.*": "classifier.*"}


@dataclass(frozen=True)
class Task:
    """A model head: its inputs and outputs, and what they mean."""

    name: str
    head: str  # the Hugging Face class is model family + head: SqueezeBert + ForMaskedLM
    outputs: dict[str, tuple[str, ...]]  # float32 outputs in order, optional ones too: name -> axes
    uses_pooler: bool
    head_weights: dict[str, str]  # transformers' names -> ours; * is weight and bias
    input_axes: tuple[str, ...] = _TOKENS
    has_labels: bool = False  # config.json's id2label names the last axis of the logits
    has_problem_type: bool = False  # config.json's problem_type decides what the logits mean
    needs_pairs: bool = False  # every input is two texts
    predicts_masks: bool = False  # the input contains mask tokens

    @property
    def has_head(self) -> bool:
        """Whether there are layers on top of the encoder."""
        return self.head != "Model"

    @property
    def has_choices(self) -> bool:
        """Whether one input is several rows, of which the model picks one."""
        return "choices" in self.input_axes

    @property
    def has_answers(self) -> bool:
        """Whether the largest value along the last axis of an output is the model's answer."""
        return not any("hidden" in axes for axes in self.outputs.values())


TASKS = {
    task.name: task
    for task in (
        Task(
            "feature-extraction",
            "Model",
            {
                "last_hidden_state": ("batch", "sequence", "hidden"),
                "pooler_output": ("batch", "hidden"),
            },
            uses_pooler=True,
            head_weights={},
        ),
        Task(
            "fill-mask",
            "ForMaskedLM",
            {"logits": ("batch", "sequence", "vocab")},
            uses_pooler=False,
            head_weights={
                "cls.predictions.transform.dense.*": "transform.*",
                "cls.predictions.transform.LayerNorm.*": "transform_norm.*",
                "cls.predictions.bias": "decoder.bias",
            },
            predicts_masks=True,
        ),
        Task(
            "text-classification",
            "ForSequenceClassification",
            {"logits": ("batch", "labels")},
            uses_pooler=True,
            head_weights=_CLASSIFIER,
            has_labels=True,
            has_problem_type=True,
        ),
        Task(
            "multiple-choice",
            "ForMultipleChoice",
            {"logits": ("batch", "choices")},
            uses_pooler=True,
            head_weights=_CLASSIFIER,
            input_axes=("batch", "choices", "sequence"),
            needs_pairs=True,
        ),
        Task(
            "token-classification",
            "ForTokenClassification",
            {"logits": ("batch", "sequence", "labels")},
            uses_pooler=False,
            head_weights=_CLASSIFIER,
            has_labels=True,
        ),
        Task(
            "question-answering",
            "ForQuestionAnswering",
            {"start_logits": _TOKENS, "end_logits": _TOKENS},
            uses_pooler=False,
            head_weights={"qa_outputs.*": "classifier.*"},
            needs_pairs=True,
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


def check_has_answers(task: str) -> None:
    """Check that a model of `task` gives answers, which labelled examples can be compared with.

    Raises:
        InputError: its outputs are vectors.
    """
    if task in TASKS and not TASKS[task].has_answers:
        raise InputError(
            f"{task} outputs vectors, which cannot be scored; compare an artifact with its "
            "checkpoint instead: squeezebert-mobile verify ARTIFACT --against CHECKPOINT"
        )


def is_regression(problem_type: str | None, num_labels: int) -> bool:
    """Whether a text classifier predicts numbers instead of labels.

    As in transformers, a model with one output and no problem_type is a regression model.
    """
    return problem_type == "regression" or (problem_type is None and num_labels == 1)
