"""The size to expect of a model file, before anything is exported."""

from torch import nn

from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.export.backends.onnx.quantization import stays_float
from squeezebert_mobile.export.quantize import int4
from squeezebert_mobile.models.facts import FLOAT_BYTES
from squeezebert_mobile.models.heads import TiedDecoder
from squeezebert_mobile.models.modeling import PretrainedModel

__all__ = ["expected_bytes"]

#: Where a tied decoder is a copy of the table: its kernel wants the weights in an order of its own.
TIED_TWICE = {("torchscript", "int8"), ("executorch", "fp32"), ("executorch", "int8")}


def expected_bytes(model: PretrainedModel) -> dict[str, dict[str, int]]:
    """The bytes of the weights in each format and precision, before anything was exported."""
    sizes = {
        precision: FLOAT_BYTES * sum(parameter.numel() for parameter in model.parameters())
        + sum(_more(precision, name, module) for name, module in model.named_modules())
        for precision in FORMATS["onnx"].precisions
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
            for precision in facts.precisions
        }
        for format, facts in FORMATS.items()
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
    halves, blocks = weight.numel() // 2, weight.numel() // int4.BLOCK
    scales = len(weight) * FLOAT_BYTES  # of an output channel, or of a table's row
    if precision == "int4" and isinstance(module, nn.Conv1d):
        return halves + blocks + scales - floats
    if precision == "int4" and int4.is_packed(tuple(weight.shape)):
        return halves + blocks * FLOAT_BYTES - floats
    return weight.numel() + scales - floats
