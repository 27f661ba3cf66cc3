"""int8 for the formats that are made from torch modules: TorchScript and ExecuTorch.

    weights       int8, symmetric, one scale an output channel
    embeddings    int8, symmetric, one scale a row

`with_int8` takes a rewritten model, and gives one with the same structure whose tables are
`Int8Table` and whose products are what the format calls a product of int8 weights. ONNX graphs are
quantized as graphs (`quantization.py`), with the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.export.facts import FLOAT_BYTES
from squeezebert_mobile.export.model import TiedDecoder
from squeezebert_mobile.export.quantization import nothing_to_gain, stays_float, symmetric
from squeezebert_mobile.export.rewriting import Traceable, with_children

__all__ = ["Int8Model", "Int8Table", "with_int8"]

#: int8 weights (out, in), scales (out) and float biases (out) to a module.
Product = Callable[[Tensor, Tensor, Tensor], nn.Module]


@dataclass(frozen=True)
class Int8Model:
    """A model with int8 weights, what its weights take, and what was kept in fp32."""

    model: Traceable
    stored: dict[str, int] = field(default_factory=dict)  # name -> bytes
    kept: dict[str, str] = field(default_factory=dict)  # part -> why


class Int8Table(nn.Module):
    """An embedding table of bytes, of which only the rows looked up become floats."""

    def __init__(self, rows: Tensor, scales: Tensor) -> None:  # noqa: D107
        super().__init__()
        self.rows = nn.Buffer(rows)  # (N, C) int8
        self.scales = nn.Buffer(scales[:, None])  # (N, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) to (B, S, C)."""
        found = functional.embedding(ids, self.rows).to(torch.float32)
        return found * functional.embedding(ids, self.scales)


def with_int8(model: Traceable, product: Product) -> Int8Model:
    """The model with int8 tables and products; `model` itself stays as it is.

    Args:
        model: What `rewrite` gave.
        product: Makes the format's product.
    """
    made = Int8Model(model)
    int8 = with_children(model, lambda name, child: _replaced(child, name, product, made))
    return Int8Model(cast(Traceable, int8), made.stored, made.kept)


def _replaced(module: nn.Module, name: str, product: Product, made: Int8Model) -> nn.Module:
    """A copy of the module with other modules in it; what stays is shared."""
    if isinstance(module, nn.Embedding):
        return Int8Table(*_counted(made, name, module.weight))
    if isinstance(module, nn.Linear | TiedDecoder):
        if not stays_float(name, module.weight.numel() * FLOAT_BYTES):
            values, scales = _counted(made, name, module.weight)
            made.stored[f"{name}.bias"] = module.bias.nbytes
            return product(values, scales, module.bias.detach())
        made.kept["classifier"] = nothing_to_gain(module.weight.nbytes)
    for parameter_name, parameter in module.named_parameters(recurse=False):
        made.stored[f"{name}.{parameter_name}"] = parameter.nbytes
    return with_children(
        module, lambda child_name, child: _replaced(child, f"{name}.{child_name}", product, made)
    )


def _counted(made: Int8Model, name: str, weight: Tensor) -> tuple[Tensor, Tensor]:
    values, scales = symmetric(weight.detach().numpy(), axis=1)
    made.stored[name] = values.nbytes + scales.nbytes
    return torch.from_numpy(values), torch.from_numpy(scales)
