"""The spec of a model: what sessions and pipelines need to know of it."""

from squeezebert_mobile.artifact import ModelSpec, TensorSpec
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.tasks import INPUT_NAMES, get_task

__all__ = ["model_spec"]


def model_spec(
    model: PretrainedModel,
    *,
    max_sequence_length: int,
    sequence_length: int | None = None,
    single_row: bool = False,
    engine: str | None = None,
) -> ModelSpec:
    """The task, labels, inputs and outputs of a model.

    Args:
        model: The model with the head of its task.
        max_sequence_length: The longest input, in tokens.
        sequence_length: The length of a fixed sequence axis, in tokens; None if it is dynamic.
        single_row: Whether the batch axis, and the choices axis, have the fixed length 1.
        engine: torch's kernel backend for int8 TorchScript.
    """
    config, task = model.config, get_task(model.task)
    rows = 1 if single_row else None
    lengths = {"batch": rows, "choices": rows, "sequence": sequence_length} | _sizes(config)

    def tensor(name: str, dtype: str, axes: tuple[str, ...]) -> TensorSpec:
        return TensorSpec(
            name=name,
            dtype=dtype,  # type: ignore[arg-type]
            axes=tuple(lengths.get(axis) or axis for axis in axes),
        )

    return ModelSpec(
        task=task.name,
        labels=tuple(config.id2label.values()) if task.has_labels else None,
        problem_type=config.problem_type if task.has_problem_type else None,
        inputs=tuple(tensor(name, "int64", task.input_axes) for name in INPUT_NAMES),
        outputs=tuple(tensor(name, "float32", axes) for name, axes in model.outputs.items()),
        max_sequence_length=max_sequence_length,
        vocab_size=config.vocab_size,
        engine=engine,
    )


def _sizes(config: EncoderConfig) -> dict[str, int | None]:
    return {
        "hidden": config.hidden_size,
        "vocab": config.vocab_size,
        "labels": config.num_labels,
    }
