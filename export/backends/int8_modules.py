"""int8 for the formats that are made from torch modules: TorchScript and ExecuTorch.

    weights       int8, symmetric, one scale an output channel
    embeddings    int8, symmetric, one scale a row

`with_int8` takes a rewritten model, and gives one with the same structure whose tables and products
are what the format has for int8. ONNX graphs are quantized as graphs (`quantization.py`), with the
same numbers.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.backends.onnx.quantization import (
    nothing_to_gain,
    stays_float,
    symmetric,
)
from squeezebert_mobile.models.facts import FLOAT_BYTES
from squeezebert_mobile.models.heads import TiedDecoder
from squeezebert_mobile.models.rewriting import Traceable, map_children

__all__ = ["Int8Model", "with_int8"]

#: int8 weights (out, in), scales (out) and float biases (out) to a module.
Product = Callable[[Tensor, Tensor, Tensor], nn.Module]
#: int8 rows (N, C) and scales (N) to a module.
Table = Callable[[Tensor, Tensor], nn.Module]


@dataclass(frozen=True)
class Int8Model:
    """A model with int8 weights, what its weights take, and what was kept in fp32."""

    model: Traceable
    stored: dict[str, int] = field(default_factory=dict)  # name -> bytes
    kept: dict[str, str] = field(default_factory=dict)  # part -> why


def with_int8(
    model: Traceable, table: Table, product: Product, apart: Container[str] = ()
) -> Int8Model:
    """The model with int8 tables and products; `model` itself stays as it is.

    Args:
        model: What `rewrite` gave.
        table: Makes the format's embedding table.
        product: Makes the format's product.
        apart: The names of the modules that stay in fp32.
    """
    made = Int8Model(model)
    int8 = _replaced(model, "", table, product, made, apart)
    return Int8Model(cast(Traceable, int8), made.stored, made.kept)


def _replaced(
    module: nn.Module,
    name: str,
    table: Table,
    product: Product,
    made: Int8Model,
    apart: Container[str],
) -> nn.Module:
    """A copy of the module with other modules in it; what stays is shared."""
    if isinstance(module, nn.Embedding | nn.Linear | TiedDecoder) and name not in apart:
        if stays_float(name, module.weight.numel() * FLOAT_BYTES):
            made.kept.update(nothing_to_gain(name, module.weight.nbytes))
        elif isinstance(module, nn.Embedding):
            return table(*_counted(made, name, module.weight, multiplied=False))
        else:
            values, scales = _counted(made, name, module.weight, multiplied=True)
            made.stored[f"{name}.bias"] = module.bias.nbytes
            return product(values, scales, module.bias.detach())
    for parameter_name, parameter in module.named_parameters(recurse=False):
        made.stored[f"{name}.{parameter_name}"] = parameter.nbytes
    return map_children(
        module,
        lambda child_name, child: _replaced(
            child, f"{name}.{child_name}".lstrip("."), table, product, made, apart
        ),
    )


def _counted(
    made: Int8Model, name: str, weight: Tensor, *, multiplied: bool
) -> tuple[Tensor, Tensor]:
    values, scales = symmetric(weight.detach().numpy(), axis=1, multiplied=multiplied)
    made.stored[name] = values.nbytes + scales.nbytes
    return torch.from_numpy(values), torch.from_numpy(scales)
