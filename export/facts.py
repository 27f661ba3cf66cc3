"""What a model is made of: its architecture, and the parameters and bytes of its parts."""

from collections.abc import Mapping

from torch import nn

from squeezebert_mobile.artifact import MODEL_FILES, ModelFacts, Part
from squeezebert_mobile.export.model import PretrainedModel, TiedDecoder
from squeezebert_mobile.export.quantization import stays_float

__all__ = ["FLOAT_BYTES", "expected_bytes", "model_facts", "parameters_of", "parts_of"]

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


#: Where a tied decoder is a copy of the table: its kernel wants the weights in an order of its own.
TIED_TWICE = {("torchscript", "int8"), ("executorch", "fp32"), ("executorch", "int8")}


def expected_bytes(model: PretrainedModel) -> dict[str, dict[str, int]]:
    """The bytes of the weights in each format and precision, before anything was exported."""
    fp32 = FLOAT_BYTES * sum(parameter.numel() for parameter in model.parameters())
    saved = sum(_saved_by_int8(name, module) for name, module in model.named_modules())
    tied = [m.weight for m in model.modules() if isinstance(m, TiedDecoder)]
    copies = {
        "fp32": sum(weight.numel() * FLOAT_BYTES for weight in tied),
        "int8": sum(weight.numel() + len(weight) * FLOAT_BYTES for weight in tied),
    }
    return {
        format: {
            precision: size + copies[precision] * ((format, precision) in TIED_TWICE)
            for precision, size in {"fp32": fp32, "int8": fp32 - saved}.items()
        }
        for format in MODEL_FILES
    }


def _saved_by_int8(name: str, module: nn.Module) -> int:
    """A byte a weight, and a scale an output channel (or a row of a table) more."""
    if not isinstance(module, nn.Embedding | nn.Linear | nn.Conv1d):
        return 0
    weight = module.weight
    if stays_float(name, weight.numel() * FLOAT_BYTES):
        return 0
    return weight.numel() * (FLOAT_BYTES - 1) - len(weight) * FLOAT_BYTES
