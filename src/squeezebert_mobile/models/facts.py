"""Facts of a model: its spec, its architecture, and the parameters and bytes of its parts."""

from collections.abc import Mapping

from squeezebert_mobile.artifact import ModelFacts, ModelSpec, Part, SentenceVector, TensorSpec
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.tasks import INPUT_NAMES, get_task

__all__ = ["FLOAT_BYTES", "model_facts", "model_spec", "parameters_of", "parts_of"]

FLOAT_BYTES = 4  # of a float32


def model_spec(
    model: PretrainedModel,
    *,
    max_sequence_length: int,
    sequence_length: int | None = None,
    single_row: bool = False,
    engine: str | None = None,
    integers: str = "int64",
    sequence_lengths: tuple[int, ...] | None = None,
    sentence_vector: SentenceVector | None = None,
) -> ModelSpec:
    """The task, labels, inputs and outputs of a model.

    Args:
        model: The model with the head of its task.
        max_sequence_length: The longest input, in tokens.
        sequence_length: The length of a fixed sequence axis, in tokens; None if it is dynamic.
        single_row: Whether the batch axis, and the choices axis, have the fixed length 1.
        engine: torch's kernel backend for int8 TorchScript.
        integers: The dtype of the inputs.
        sequence_lengths: The lengths of a file of fixed shapes, in tokens; None if there are none.
        sentence_vector: How a text's vector is computed; None for the normalized mean.
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
        inputs=tuple(tensor(name, integers, task.input_axes) for name in INPUT_NAMES),
        outputs=tuple(tensor(name, "float32", axes) for name, axes in model.outputs.items()),
        max_sequence_length=max_sequence_length,
        vocab_size=config.vocab_size,
        engine=engine,
        sentence_vector=sentence_vector,
        sequence_lengths=sequence_lengths,
    )


def _sizes(config: EncoderConfig) -> dict[str, int | None]:
    return {
        "hidden": config.hidden_size,
        "vocab": config.vocab_size,
        "labels": config.num_labels,
    }


def model_facts(model: PretrainedModel) -> ModelFacts:
    """The architecture and size of a model, for its manifest."""
    config = model.config
    return ModelFacts(
        type=config.model_type,  # type: ignore[arg-type]
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        groups={
            "query": config.q_groups,
            "key": config.k_groups,
            "value": config.v_groups,
            "attention_output": config.post_attention_groups,
            "intermediate": config.intermediate_groups,
            "output": config.output_groups,
        },
        parameters=sum(parameters_of(model).values()),
        vocab_size=config.vocab_size,
    )


def _part(name: str) -> str:
    """The part that a weight belongs to, by its name."""
    if "embeddings" in name:
        return "embeddings"
    return "encoder" if "layers." in name or "last_norm" in name else "head"


def parameters_of(model: PretrainedModel) -> dict[str, int]:
    """The number of parameters in each part."""
    parameters = {"embeddings": 0, "encoder": 0, "head": 0}
    for name, parameter in model.named_parameters():
        parameters[_part(name)] += parameter.numel()
    return parameters


def parts_of(model: PretrainedModel, stored: Mapping[str, int]) -> dict[str, Part]:
    """The size of each part, in the float32 checkpoint and in an exported model file.

    Args:
        model: The model.
        stored: Bytes of each weight in the model file, by name.
    """
    parameters = parameters_of(model)
    file_bytes = dict.fromkeys(parameters, 0)
    for name, size in stored.items():
        file_bytes[_part(name)] += size
    return {
        part: Part(parameters=count, checkpoint_bytes=count * FLOAT_BYTES, bytes=file_bytes[part])
        for part, count in parameters.items()
    }
