"""What a model is made of: its architecture, and the parameters and bytes of its parts."""

from collections.abc import Mapping

from squeezebert_mobile.artifact import ModelFacts, Part
from squeezebert_mobile.models.modeling import PretrainedModel

__all__ = ["FLOAT_BYTES", "model_facts", "parameters_of", "parts_of"]

FLOAT_BYTES = 4


def model_facts(model: PretrainedModel) -> ModelFacts:
    """The architecture, as manifests state it."""
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
    """The part that a weight belongs to, by the name of the module it came from."""
    if "embeddings" in name:
        return "embeddings"
    return "encoder" if "layers." in name or "last_norm" in name else "head"


def parameters_of(model: PretrainedModel) -> dict[str, int]:
    """The parameters of each part."""
    parameters = {"embeddings": 0, "encoder": 0, "head": 0}
    for name, parameter in model.named_parameters():
        parameters[_part(name)] += parameter.numel()
    return parameters


def parts_of(model: PretrainedModel, stored: Mapping[str, int]) -> dict[str, Part]:
    """Each part in the checkpoint's float32, and in a file that stores these names and bytes."""
    parameters = parameters_of(model)
    parts = dict.fromkeys(parameters, 0)
    for name, size in stored.items():
        parts[_part(name)] += size
    return {
        part: Part(parameters=count, checkpoint_bytes=count * FLOAT_BYTES, bytes=parts[part])
        for part, count in parameters.items()
    }
