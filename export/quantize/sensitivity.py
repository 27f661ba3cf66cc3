"""What quantizing one unit of a model alone does to the model's outputs.

A unit is what the checkpoint has as one product or one table: its groups, and what it was parted
into, go together. Its signal-to-noise is the power of the outputs over that of their error, in dB,
when it alone is quantized and the rest is fp32.

Not the product's own output: that hides the worst case. Where a layer norm takes away what all
channels have in common, what is left can be a thousandth of what the product gave, and so smaller
than its error.
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

from squeezebert_mobile.export.backends.onnx.quantization import stays_float
from squeezebert_mobile.models.facts import FLOAT_BYTES
from squeezebert_mobile.models.heads import TiedDecoder
from squeezebert_mobile.models.rewriting import Traceable, layers

__all__ = ["Activations", "Feed", "Unit", "Weights", "noise", "signal_to_noise", "units"]

#: Ids, mask and token types.
Feed = tuple[Tensor, Tensor, Tensor]

#: The rounded weights of modules.
Weights = Mapping[nn.Embedding | nn.Linear, Tensor]
#: Places among equals: group 2, the first part of two.
_PLACE = re.compile(r"\.(?:groups|products|first_token)\.\d+|\.\d+$")
_LARGEST_DB = 200.0  # no error at all
_STEPS = 255  # between the smallest and the largest activation


@dataclass(frozen=True)
class Activations:
    """How a format's products quantize what they read, at run time."""

    a_token: bool = False  # a scale for each token; else one for all that is read

    def rounded(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        axes = (-1,) if self.a_token else tuple(range(x.dim()))
        low, high = x.amin(axes, keepdim=True).clamp(max=0), x.amax(axes, keepdim=True).clamp(min=0)
        step = (high - low) / _STEPS
        step = torch.where(step > 0, step, 1)
        zero = (-low / step).round()
        return ((x / step).round() + zero).clamp(0, _STEPS).sub(zero) * step


@dataclass(frozen=True)
class Unit:
    """Modules that are quantized together."""

    name: str
    modules: Mapping[str, nn.Module]  # by their names in the model; products, tables

    @property
    def stored(self) -> list[nn.Embedding | nn.Linear]:
        """The modules that have weights of their own: a tied decoder reads another's."""
        found = self.modules.values()
        return [each for each in found if isinstance(each, nn.Embedding | nn.Linear)]

    @property
    def numbers(self) -> int:
        """How many weights there are."""
        return sum(module.weight.numel() for module in self.stored)

    @property
    def is_table(self) -> bool:
        """Whether it is looked up."""
        return any(isinstance(module, nn.Embedding) for module in self.stored)


def units(model: Traceable) -> dict[str, Unit]:
    """The units that int8 and int4 quantize, by name.

    Args:
        model: What `rewrite` gave.
    """
    found: dict[str, dict[str, nn.Module]] = {}
    tables: dict[int, str] = {}  # a table's weight -> its unit
    for path, module in model.named_modules():
        if not isinstance(module, nn.Embedding | nn.Linear | TiedDecoder):
            continue
        if stays_float(path, module.weight.numel() * FLOAT_BYTES):
            continue
        name = _unit_of(path)
        if isinstance(module, nn.Embedding):
            tables[id(module.weight)] = name
        if isinstance(module, TiedDecoder):
            name = tables[id(module.weight)]
        found.setdefault(name, {})[path] = module
    return {name: Unit(name, modules) for name, modules in found.items()}


def _unit_of(path: str) -> str:
    """'model.base.layers.0.feed_forward.groups.1.first.0' as 'layers.0.feed_forward.first'."""
    return _PLACE.sub("", path).removeprefix("model.").removeprefix("base.")


@torch.inference_mode()
def signal_to_noise(
    model: Traceable,
    measured: Sequence[Unit],
    weights: Weights,
    activations: Activations,
    feeds: Sequence[Feed],
) -> dict[str, float]:
    """The dB of each unit.

    Args:
        model: What `rewrite` gave, its weights not rounded.
        measured: Some of its units.
        weights: The rounded weight of each module that has one.
        activations: How its products quantize what they read.
        feeds: What to run; more of them, and the figures wobble less.
    """
    power, error = 0.0, dict.fromkeys((unit.name for unit in measured), 0.0)
    for feed in feeds:
        theirs, given = _reference(model, feed)
        power += _power(theirs)
        for unit in measured:
            with _quantized(unit, weights, activations), _given(given, before=unit):
                ours = _outputs(model, feed)
            error[unit.name] += _power([a - b for a, b in zip(ours, theirs, strict=True)])
    return {name: _decibels(power, each) for name, each in error.items()}


def noise(decibels: float) -> float:
    """The power of the error, where that of the outputs is 1."""
    return math.pow(10, -decibels / 10)


def _decibels(power: float, error: float) -> float:
    if not math.isfinite(error):
        return -_LARGEST_DB
    if not error or not power:
        return _LARGEST_DB
    return round(min(max(10 * math.log10(power / error), -_LARGEST_DB), _LARGEST_DB), 1)


def _power(outputs: Sequence[Tensor]) -> float:
    return sum(float(output.double().square().sum()) for output in outputs)


def _outputs(model: Traceable, feed: Feed) -> list[Tensor]:
    """What somebody reads: nothing at positions of padding."""
    mask = feed[1].bool()
    axes = model.task.outputs.values()
    return [
        output[mask] if "sequence" in names else output
        for names, output in zip(axes, model(*feed), strict=True)
    ]


#: Layers, in order, and what each of them gave.
_Given = dict[nn.Module, Tensor]


def _reference(model: Traceable, feed: Feed) -> tuple[list[Tensor], _Given]:
    """The outputs, and what the layers gave on the way to them."""
    given: _Given = {}

    def note(layer: nn.Module, _: object, output: Tensor) -> None:
        given[layer] = output

    hooks = [layer.register_forward_hook(note) for layer in layers(model)]
    try:
        return _outputs(model, feed), given
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def _given(outputs: _Given, *, before: Unit) -> Iterator[None]:
    """The layers before a unit give at once what they gave: half of all work is saved."""
    changed = set(before.modules.values())
    skipped = []
    if not before.is_table:  # that is read before the first layer
        skipped = list(
            itertools.takewhile(lambda each: changed.isdisjoint(each.modules()), outputs)
        )
    for layer in skipped:
        layer.__dict__["forward"] = functools.partial(_first, outputs[layer])
    try:
        yield
    finally:
        for layer in skipped:
            del layer.__dict__["forward"]


def _first(output: Tensor, *_: Tensor) -> Tensor:
    return output


@contextlib.contextmanager
def _quantized(unit: Unit, weights: Weights, activations: Activations) -> Iterator[None]:
    """The unit's modules as if they were quantized."""

    def look(module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
        return (activations.rounded(arguments[0]),)

    before = [module.weight for module in unit.stored]
    products = [m for m in unit.modules.values() if not isinstance(m, nn.Embedding)]
    hooks = [product.register_forward_pre_hook(look) for product in products]
    try:
        for module in unit.stored:
            module.weight = nn.Parameter(weights[module], requires_grad=False)
        yield
    finally:
        for module, weight in zip(unit.stored, before, strict=True):
            module.weight = weight
        for hook in hooks:
            hook.remove()
