"""From a rewritten model's weights back to those of the published layout.

The rewrite and the preparation for int8 only reorder the encoder's weights and multiply each one by
a number of its own. Where a weight goes is found by rewriting a model whose weights are their own
numbers, and what it is multiplied by, by rewriting one whose weights are all 1.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.quantize.preparation import Preparation, prepare
from squeezebert_mobile.models.modeling import EncoderLayer, PretrainedModel
from squeezebert_mobile.models.rewriting import Traceable, products, rewrite

__all__ = ["have_biases", "unfold"]


@torch.no_grad()
def unfold(trained: Traceable, published: PretrainedModel, preparation: Preparation) -> None:
    """Give `published` the weights from which `trained` would be rewritten.

    Args:
        trained: A rewritten and prepared model.
        published: The model that it was rewritten from. Its norms, tables and head are shared with
            `trained`; the encoder's convolutions are changed.
        preparation: What was changed in the rewritten model.
    """
    reordered = replace(preparation, factors={})
    numbers = _folded(_probe(published, numbered=True), reordered)
    ones = _folded(_probe(published), reordered)
    scales = _folded(_probe(published, norms=True), preparation)
    convolutions = _convolutions(published)
    weights = [conv.weight for conv in convolutions]
    for number, one, scale, product in zip(numbers, ones, scales, products(trained), strict=True):
        known = (one.weight != 0) & (scale.weight != 0)
        places = (number.weight / one.weight)[known].round().long()
        _put(weights, places, (product.weight / scale.weight)[known])
    # The rewrite adds to a bias the norm's shift times the weights, which are those just put.
    biases = [conv.bias for conv in convolutions if conv.bias is not None]
    again = _folded(published, preparation)
    for number, one, other, product in zip(numbers, ones, again, products(trained), strict=True):
        known = one.bias != 0
        places = (number.bias / one.bias)[known].round().long()
        _put(biases, places, ((product.bias - other.bias) / one.bias)[known], added=True)


@torch.no_grad()
def have_biases(published: PretrainedModel, preparation: Preparation) -> list[bool]:
    """Whether each product's bias is one of the published model.

    The others are 0: those of keys that read only the first token, and of the outlier channels'
    product, which is added to one that has a bias. Training must leave them so.
    """
    ones = _folded(_probe(published), replace(preparation, factors={}))
    return [bool(product.bias.any()) for product in ones]


def _folded(model: PretrainedModel, preparation: Preparation) -> list[nn.Linear]:
    rewritten = rewrite(model)
    prepare(rewritten, preparation)
    return products(rewritten)


def _convolutions(model: PretrainedModel) -> list[nn.Conv1d]:
    layers = [module for module in model.modules() if isinstance(module, EncoderLayer)]
    return [m for layer in layers for m in layer.modules() if isinstance(m, nn.Conv1d)]


def _probe(
    model: PretrainedModel, *, numbered: bool = False, norms: bool = False
) -> PretrainedModel:
    """A copy whose encoder has weights and biases of 1, or their own numbers, which start at 1.

    Norms have no shift, and no scale unless `norms`.
    """
    probe = copy.deepcopy(model).double()
    for parameters in zip(*((c.weight, c.bias) for c in _convolutions(probe)), strict=True):
        start = 1
        for parameter in parameters:
            parameter.fill_(1)
            if numbered:
                own = torch.arange(start, start + parameter.numel(), dtype=torch.double)
                parameter.copy_(own.view_as(parameter))
                start += parameter.numel()
    for norm in (module for module in probe.modules() if isinstance(module, nn.LayerNorm)):
        norm.bias.zero_()
        if not norms:
            norm.weight.fill_(1)
    return probe


def _put(
    parameters: Sequence[Tensor], places: Tensor, values: Tensor, *, added: bool = False
) -> None:
    """Set the numbers of several parameters at places that are counted over all of them, from 1."""
    start = 1
    for parameter in parameters:
        inside = (places >= start) & (places < start + parameter.numel())
        flat = parameter.data.view(-1)
        chosen, new = places[inside] - start, values[inside].to(flat.dtype)
        flat[chosen] = flat[chosen] + new if added else new
        start += parameter.numel()
