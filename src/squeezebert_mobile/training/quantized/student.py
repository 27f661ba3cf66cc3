"""A model in training that computes as its export to int8 or int4 will.

It is the rewritten model, calibrated and rounded as an export does it. From then on the weights
move, each one between the values of its grid (`export/quantize/grid.py`), and every product rounds
its inputs. Rounding has no gradient; the gradient passes as if it were not there (straight-through
estimator). Embedding tables keep their rounded values.
"""

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.hooks import RemovableHandle

from squeezebert_mobile.export.feeds.building import TensorFeed
from squeezebert_mobile.export.feeds.reference import Reference
from squeezebert_mobile.export.feeds.selection import calibration_feeds, sensitivity_feeds
from squeezebert_mobile.export.quantize.gelu import approximate_gelu
from squeezebert_mobile.export.quantize.grid import Grid, make_grid
from squeezebert_mobile.export.quantize.mixed_precision import MixedPrecision
from squeezebert_mobile.export.quantize.preparation import (
    Preparation,
    calibrated,
    preparation_of,
)
from squeezebert_mobile.export.quantize.recipe import PER_TENSOR, RECIPES
from squeezebert_mobile.export.quantize.rounding import round_activations
from squeezebert_mobile.export.quantize.sensitivity import units
from squeezebert_mobile.models.checkpoint import Checkpoint, shipped_texts
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.rewriting import Traceable, products, rewrite
from squeezebert_mobile.training.quantized.unfolding import have_biases, unfold

__all__ = ["Student", "make_student"]

_TOWARDS = 0.4  # of a step; from 0.5 on, the rounded weight would be another one


@dataclass(frozen=True)
class Student:
    """A checkpoint's model in the form in which it is trained."""

    published: PretrainedModel  # shares embeddings, norms and head with `model`
    model: Traceable
    preparation: Preparation
    feeds: list[TensorFeed]  # the texts that it was calibrated with
    hooks: list[RemovableHandle]

    def finish(self) -> PretrainedModel:
        """The published form of the model, with the rounded weights; the training is over."""
        self.model.cpu()
        for hook in self.hooks:
            hook.remove()
        for module in self.model.modules():
            if parametrize.is_parametrized(module):
                parametrize.remove_parametrizations(module, "weight")
        unfold(self.model, self.published, self.preparation)
        return self.published


class _Rounded(nn.Module):
    """The nearest weights of a grid, with the gradient of the unrounded ones."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, weight: Tensor) -> Tensor:
        self.grid = self.grid.to(weight.device)
        with torch.no_grad():
            change = self.grid.nearest(weight) - weight
        return weight + change


def make_student(source: Checkpoint, precision: str, own_feeds: Iterable[TensorFeed]) -> Student:
    """Calibrate and round a copy of a checkpoint's model, and make it ready for training.

    Args:
        source: The checkpoint; its model is not changed.
        precision: "int8" or "int4".
        own_feeds: Some of what it will be trained on, which it is calibrated with as well.
    """
    published = copy.deepcopy(source.model).eval()
    reference = Reference(published, source.tokenizer, source.max_sequence_length, None)
    texts = shipped_texts()
    feeds = [*calibration_feeds(reference, texts), *own_feeds]
    scratch = rewrite(published)
    calibrated(scratch, feeds, precision)
    preparation = preparation_of(scratch, precision)
    model = rewrite(published)  # prepared as its export will be
    statistics = calibrated(model, feeds, precision, preparation)
    approximate_gelu(model, feeds[::16])
    fitted_to = feeds if RECIPES[precision].compensates else ()
    rounding = MixedPrecision(
        model,
        statistics,
        precision,
        PER_TENSOR,
        sensitivity_feeds(reference, texts),
        fitted_to=fitted_to,
    )
    exact = {product: product.weight.detach() for product in products(model)}
    rounding.set_weights()
    rounding.set_tables()
    trained = zip(products(model), have_biases(published, preparation), strict=True)
    constant = {product for product, has_bias in trained if not has_bias}
    hooks = _make_trainable(model, precision, constant)
    _move_towards(exact)
    return Student(published, model, preparation, feeds, hooks)


def _make_trainable(
    model: Traceable, precision: str, constant: Collection[nn.Module]
) -> list[RemovableHandle]:
    """Round what the file rounds, in every forward pass; the result are the hooks that do it.

    The biases of the products in `constant` stay as they are.
    """
    hooks = []
    inner = set(products(model))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # the noise of rounding is enough
    for unit in units(model).values():
        for module in unit.modules.values():
            if isinstance(module, nn.Embedding):
                module.weight.requires_grad_(False)
                continue
            hooks.append(module.register_forward_pre_hook(_round_input))
            module.bias.requires_grad_(module not in constant)
            if isinstance(module, nn.Linear):
                module.weight.requires_grad_(True)
                recipe = RECIPES[precision if module in inner else "int8"]
                grid = make_grid(module.weight.detach(), recipe)
                parametrize.register_parametrization(module, "weight", _Rounded(grid), unsafe=True)
    return hooks


@torch.no_grad()
def _move_towards(exact: Mapping[nn.Linear, Tensor]) -> None:
    """Let each weight start on its unrounded one's side of the value that it is rounded to.

    In the middle between two values it would be as far from the one as from the other.
    """
    for product, weight in exact.items():
        (rounding,) = weights = cast(Any, product).parametrizations.weight
        farthest = _TOWARDS * rounding.grid.steps
        weights.original += (weight - weights.original).clamp(-farthest, farthest)


def _rounded_input(text: Tensor) -> Tensor:
    return round_activations(text, PER_TENSOR)


def _round_input(module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    (inputs,) = arguments
    with torch.no_grad():  # one scale for each text, as if it were alone
        change = torch.vmap(_rounded_input)(inputs) - inputs
    return (inputs + change,)
