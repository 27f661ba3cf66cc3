"""Sensitivity: how much the model's outputs change when one unit alone is quantized.

A unit is what the checkpoint has as one product or one embedding table; its groups, and the parts
that it was split into, belong together. Its signal-to-noise ratio is the power of the outputs
divided by the power of their error, in dB, with this unit quantized and everything else in fp32.

The product's own output would hide the worst case. Where a layer norm subtracts what all channels
have in common, what remains can be a thousandth of the product's output, and so smaller than its
error.
"""

import contextlib
import functools
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.feeds.building import TensorFeed
from squeezebert_mobile.export.quantize.recipe import Activations, stays_fp32
from squeezebert_mobile.export.quantize.rounding import round_activations
from squeezebert_mobile.models.facts import FLOAT_BYTES
from squeezebert_mobile.models.heads import TiedDecoder
from squeezebert_mobile.models.rewriting import Traceable, layers

__all__ = ["Unit", "Weights", "noise", "signal_to_noise", "units"]

#: Modules with their rounded weights.
Weights = Mapping[nn.Embedding | nn.Linear, Tensor]
#: The numbers in a module's path that distinguish the parts of one unit: group 2, first of two.
_PART_NUMBER = re.compile(r"\.(?:groups|products|first_token)\.\d+|\.\d+$")
_MAX_DB = 200.0  # no error at all


@dataclass(frozen=True)
class Unit:
    """Modules that are quantized together."""

    name: str
    modules: Mapping[str, nn.Module]  # by their path in the model: products, and tables

    @property
    def stored(self) -> list[nn.Embedding | nn.Linear]:
        """The modules with weights of their own; a tied decoder shares those of a table."""
        return [m for m in self.modules.values() if isinstance(m, nn.Embedding | nn.Linear)]

    @property
    def numbers(self) -> int:
        """The number of weights."""
        return sum(module.weight.numel() for module in self.stored)

    @property
    def is_table(self) -> bool:
        """Whether it contains an embedding table."""
        return any(isinstance(module, nn.Embedding) for module in self.stored)


def units(model: Traceable) -> dict[str, Unit]:
    """The units that int8 and int4 quantize, by name.

    Args:
        model: The result of `rewrite`.
    """
    modules: dict[str, dict[str, nn.Module]] = {}
    tables: dict[int, str] = {}  # id of a table's weight -> its unit
    for path, module in model.named_modules():
        if not isinstance(module, nn.Embedding | nn.Linear | TiedDecoder):
            continue
        if stays_fp32(path, module.weight.numel() * FLOAT_BYTES):
            continue
        name = _unit_name(path)
        if isinstance(module, nn.Embedding):
            tables[id(module.weight)] = name
        if isinstance(module, TiedDecoder):
            name = tables[id(module.weight)]
        modules.setdefault(name, {})[path] = module
    return {name: Unit(name, parts) for name, parts in modules.items()}


def _unit_name(path: str) -> str:
    """'model.base.layers.0.feed_forward.groups.1.first.0' as 'layers.0.feed_forward.first'."""
    return _PART_NUMBER.sub("", path).removeprefix("model.").removeprefix("base.")


@torch.inference_mode()
def signal_to_noise(
    model: Traceable,
    measured: Sequence[Unit],
    weights: Weights,
    activations: Activations,
    feeds: Sequence[TensorFeed],
) -> dict[str, float]:
    """The signal-to-noise ratio of each unit in dB.

    Args:
        model: The result of `rewrite`, with unrounded weights.
        measured: The units to measure.
        weights: The rounded weight of each of their modules that has one.
        activations: How the products quantize their inputs.
        feeds: The inputs to run; with more of them the figures vary less.
    """
    power, error = 0.0, dict.fromkeys((unit.name for unit in measured), 0.0)
    for feed in feeds:
        theirs, layer_outputs = _reference(model, feed)
        power += _power(theirs)
        for unit in measured:
            with _quantized(unit, weights, activations), _skipped_layers(layer_outputs, unit):
                ours = _outputs(model, feed)
            error[unit.name] += _power([a - b for a, b in zip(ours, theirs, strict=True)])
    return {name: _decibels(power, unit_error) for name, unit_error in error.items()}


def noise(decibels: float) -> float:
    """The power of the error relative to that of the outputs."""
    return math.pow(10, -decibels / 10)


def _decibels(power: float, error: float) -> float:
    if not math.isfinite(error):
        return -_MAX_DB
    if not error or not power:
        return _MAX_DB
    return round(min(max(10 * math.log10(power / error), -_MAX_DB), _MAX_DB), 1)


def _power(outputs: Sequence[Tensor]) -> float:
    return sum(float(output.double().square().sum()) for output in outputs)


def _outputs(model: Traceable, feed: TensorFeed) -> list[Tensor]:
    """The outputs without the positions of padding, which nobody reads."""
    mask = feed[1].bool()
    axes = model.outputs.values()
    return [
        output[mask] if "sequence" in names else output
        for names, output in zip(axes, model(*feed), strict=True)
    ]


#: The encoder's layers, in order, with the output of each.
_LayerOutputs = dict[nn.Module, Tensor]


def _reference(model: Traceable, feed: TensorFeed) -> tuple[list[Tensor], _LayerOutputs]:
    """The fp32 outputs of the model and of its layers."""
    layer_outputs: _LayerOutputs = {}

    def record(layer: nn.Module, _: object, output: Tensor) -> None:
        layer_outputs[layer] = output

    hooks = [layer.register_forward_hook(record) for layer in layers(model)]
    try:
        return _outputs(model, feed), layer_outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def _skipped_layers(outputs: _LayerOutputs, unit: Unit) -> Iterator[None]:
    """Let the layers before a unit return their recorded outputs, which saves half of all work."""
    changed = set(unit.modules.values())
    skipped = []
    if not unit.is_table:  # a table is read before the first layer
        skipped = list(
            itertools.takewhile(lambda layer: changed.isdisjoint(layer.modules()), outputs)
        )
    for layer in skipped:
        layer.__dict__["forward"] = functools.partial(_return_first, outputs[layer])
    try:
        yield
    finally:
        for layer in skipped:
            del layer.__dict__["forward"]


def _return_first(output: Tensor, *_: Tensor) -> Tensor:
    return output


@contextlib.contextmanager
def _quantized(unit: Unit, weights: Weights, activations: Activations) -> Iterator[None]:
    """Simulate quantization of the unit's modules."""

    def round_input(module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
        return (round_activations(arguments[0], activations),)

    before = [module.weight for module in unit.stored]
    products = [m for m in unit.modules.values() if not isinstance(m, nn.Embedding)]
    hooks = [product.register_forward_pre_hook(round_input) for product in products]
    try:
        for module in unit.stored:
            module.weight = nn.Parameter(weights[module], requires_grad=False)
        yield
    finally:
        for module, weight in zip(unit.stored, before, strict=True):
            module.weight = weight
        for hook in hooks:
            hook.remove()
