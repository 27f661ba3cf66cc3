"""The size of a model file in each format and precision, computed before anything is exported."""

from torch import nn

from squeezebert_mobile.export.backends import BACKENDS
from squeezebert_mobile.export.quantize.int4 import is_int4_table
from squeezebert_mobile.export.quantize.mixed_precision import MAX_FP32
from squeezebert_mobile.export.quantize.recipe import BLOCK, TABLE_BLOCK, stays_fp32
from squeezebert_mobile.models.facts import FLOAT_BYTES
from squeezebert_mobile.models.heads import TiedDecoder
from squeezebert_mobile.models.modeling import PretrainedModel

__all__ = ["expected_bytes", "largest_bytes"]


def expected_bytes(model: PretrainedModel) -> dict[str, dict[str, int]]:
    """Format -> precision -> bytes of the weights."""
    parameters = FLOAT_BYTES * sum(parameter.numel() for parameter in model.parameters())
    tied = [m.weight for m in model.modules() if isinstance(m, TiedDecoder)]
    copies = {
        "fp32": sum(weight.numel() * FLOAT_BYTES for weight in tied),
        "int8": sum(weight.numel() + len(weight) * FLOAT_BYTES for weight in tied),
    }
    return {
        format: {
            precision: parameters
            + sum(_change(precision, name, module) for name, module in model.named_modules())
            + (copies[precision] if precision in backend.tied_copies else 0)
            for precision in backend.facts.precisions
        }
        for format, backend in BACKENDS.items()
    }


def largest_bytes(model: PretrainedModel) -> int:
    """The largest size in bytes of an ONNX model in int8 or int4, after repair (mixed precision).

    All tables in fp32, and as many of the products' weights as may be; the other products in int8.
    """
    products = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv1d)
    }
    saved = sum(_change("int8", name, product) for name, product in products.items())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return round(parameters * FLOAT_BYTES + (1 - MAX_FP32) * saved)


def _change(precision: str, name: str, module: nn.Module) -> int:
    """Size change of a layer's weights against fp32 in bytes; usually negative."""
    if precision == "fp32" or not isinstance(module, nn.Embedding | nn.Linear | nn.Conv1d):
        return 0
    weight = module.weight
    fp32 = weight.numel() * FLOAT_BYTES
    if precision == "fp16":
        return -fp32 // 2
    if stays_fp32(name, fp32):
        return 0
    int4 = weight.numel() // 2
    scales = len(weight) * FLOAT_BYTES  # one per output channel, or per table row
    if precision == "int4" and isinstance(module, nn.Conv1d):
        return int4 + weight.numel() // BLOCK // 2 + scales - fp32
    if precision == "int4" and is_int4_table(tuple(weight.shape)):
        return int4 + weight.numel() // TABLE_BLOCK * FLOAT_BYTES - fp32
    return weight.numel() + scales - fp32
