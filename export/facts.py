"""What a model is made of: its architecture, and the parameters and bytes of its parts."""

from collections.abc import Mapping

from torch import nn

from squeezebert_mobile.artifact import PRECISIONS, ModelFacts, Part
from squeezebert_mobile.export import four_bits
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
    sizes = {
        precision: FLOAT_BYTES * sum(parameter.numel() for parameter in model.parameters())
        + sum(_more(precision, name, module) for name, module in model.named_modules())
        for precision in PRECISIONS["onnx"]
    }
    tied = [m.weight for m in model.modules() if isinstance(m, TiedDecoder)]
    copies = {
        "fp32": sum(weight.numel() * FLOAT_BYTES for weight in tied),
        "int8": sum(weight.numel() + len(weight) * FLOAT_BYTES for weight in tied),
    }
    return {
        format: {
            precision: sizes[precision]
            + (copies[precision] if (format, precision) in TIED_TWICE else 0)
            for precision in precisions
        }
        for format, precisions in PRECISIONS.items()
    }


def _more(precision: str, name: str, module: nn.Module) -> int:
    """How many bytes a layer's weights take more than in fp32; less than nothing, mostly."""
    if precision == "fp32" or not isinstance(module, nn.Embedding | nn.Linear | nn.Conv1d):
        return 0
    weight = module.weight
    floats = weight.numel() * FLOAT_BYTES
    if precision == "fp16":
        return -floats // 2
    if stays_float(name, floats):
        return 0
    halves, blocks = weight.numel() // 2, weight.numel() // four_bits.BLOCK
    scales = len(weight) * FLOAT_BYTES  # of an output channel, or of a table's row
    if precision == "int4" and isinstance(module, nn.Conv1d):
        return halves + blocks + scales - floats
    if precision == "int4" and four_bits.is_packed(tuple(weight.shape)):
        return halves + blocks * FLOAT_BYTES - floats
    return weight.numel() + scales - floats
