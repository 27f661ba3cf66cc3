"""Facts of a model: its architecture, and the parameters and bytes of its parts."""

from collections.abc import Mapping

from squeezebert_mobile.artifact import ModelFacts, Part
from squeezebert_mobile.models.modeling import PretrainedModel

__all__ = ["FLOAT_BYTES", "model_facts", "parameters_of", "parts_of"]

FLOAT_BYTES = 4  # of a float32


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
