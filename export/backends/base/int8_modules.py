"""int8 for the formats that are made from torch modules: TorchScript, ExecuTorch and LiteRT.

`with_int8` copies a rewritten model and replaces its embedding tables and products by the format's
int8 modules. ONNX graphs are quantized as graphs (`onnx/quantization.py`), with the same integers.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.quantize.recipe import (
    PER_TEXT_IN_GROUPS,
    PER_TOKEN,
    Activations,
    fp32_reason,
    stays_fp32,
)
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric
from squeezebert_mobile.models.facts import FLOAT_BYTES
from squeezebert_mobile.models.heads import TiedDecoder
from squeezebert_mobile.models.linear_layers import AttentionByGroup, FeedForwardByGroup
from squeezebert_mobile.models.rewriting import Traceable, map_children

__all__ = ["Int8Model", "activations_by_group", "with_int8"]

#: int8 weights (out, in), scales (out) and float biases (out) to a module.
MakeProduct = Callable[[Tensor, Tensor, Tensor], nn.Module]
#: int8 rows (N, C) and scales (N) to a module.
MakeTable = Callable[[Tensor, Tensor], nn.Module]


@dataclass(frozen=True)
class Int8Model:
    """A model with int8 weights, the bytes of its weights, and which modules stayed fp32."""

    model: Traceable
    stored: dict[str, int]  # weight -> bytes
    kept: dict[str, str]  # module -> reason


def with_int8(
    model: Traceable,
    make_table: MakeTable,
    make_product: MakeProduct,
    fp32: Container[str] = (),
) -> Int8Model:
    """A copy of the model with int8 tables and products; `model` does not change.

    Args:
        model: The result of `rewrite`.
        make_table: Makes the format's embedding table.
        make_product: Makes the format's product.
        fp32: The paths of the modules that stay fp32.
    """
    conversion = _Conversion(make_table, make_product, fp32)
    converted = cast(Traceable, conversion.convert(model, ""))
    return Int8Model(converted, conversion.stored, conversion.kept)


def activations_by_group(model: Traceable) -> Activations:
    """How XNNPACK quantizes what products read: several groups at once have one scale a text."""
    by_group = [m for m in model.modules() if isinstance(m, AttentionByGroup | FeedForwardByGroup)]
    return PER_TEXT_IN_GROUPS if any(len(m.groups) > 1 for m in by_group) else PER_TOKEN


@dataclass(frozen=True)
class _Conversion:
    make_table: MakeTable
    make_product: MakeProduct
    fp32: Container[str]
    stored: dict[str, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def convert(self, module: nn.Module, name: str) -> nn.Module:
        """A copy of the module with int8 modules in it; what stays fp32 is shared."""
        if isinstance(module, nn.Embedding | nn.Linear | TiedDecoder) and name not in self.fp32:
            if stays_fp32(name, module.weight.numel() * FLOAT_BYTES):
                self.kept.update(fp32_reason(name, module.weight.nbytes))
            elif isinstance(module, nn.Embedding):
                return self.make_table(*self._rounded(name, module.weight, pairs=False))
            else:
                values, scales = self._rounded(name, module.weight, pairs=True)
                self.stored[f"{name}.bias"] = module.bias.nbytes
                return self.make_product(values, scales, module.bias.detach())
        for parameter_name, parameter in module.named_parameters(recurse=False):
            self.stored[f"{name}.{parameter_name}"] = parameter.nbytes
        return map_children(
            module,
            lambda child_name, child: self.convert(child, f"{name}.{child_name}".lstrip(".")),
        )

    def _rounded(self, name: str, weight: Tensor, *, pairs: bool) -> tuple[Tensor, Tensor]:
        values, scales = quantize_symmetric(weight.detach().numpy(), axis=1, pairs=pairs)
        self.stored[name] = values.nbytes + scales.nbytes
        return torch.from_numpy(values), torch.from_numpy(scales)
