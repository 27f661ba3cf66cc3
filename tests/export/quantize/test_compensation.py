"""Products that end a residual branch make up for the errors of what comes before them."""

import contextlib
from collections.abc import Iterator

import pytest
import tiny
import torch
from torch import Tensor, nn

from squeezebert_mobile.export.quantize.calibration import calibrate, hooked
from squeezebert_mobile.export.quantize.mixed_precision import MixedPrecision
from squeezebert_mobile.export.quantize.recipe import PER_TENSOR
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric, round_activations
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.rewriting import Traceable, encoder, layers, products, rewrite

Feeds = list[tuple[Tensor, Tensor, Tensor]]


def _model(task: str, family: str = "squeezebert", **changes: int) -> Traceable:
    """A model with large weights, whose tables are rounded already."""
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128} | changes
    model = initialize(task, tiny.tiny_config(family, **sizes), seed=1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv1d):
                module.weight.mul_(6)
            if isinstance(module, nn.Embedding):
                values, scales = quantize_symmetric(module.weight.numpy(), axis=1)
                module.weight.copy_(torch.from_numpy(values * scales[:, None]))
    return rewrite(model)


def _feeds(count: int, *, seed: int, choices: bool = False) -> Feeds:
    """Random ids; the first row of each feed is padded."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 1, 4, 12) if choices else (count, 4, 12)
    ids = torch.randint(5, 60, shape, generator=generator)
    mask = torch.ones_like(ids)
    mask[..., 0, 7:] = 0
    return [(i, m, torch.zeros_like(i)) for i, m in zip(ids, mask, strict=True)]


def _mixed(model: Traceable, feeds: Feeds, *, fitted: bool) -> MixedPrecision:
    statistics = calibrate(model, feeds)
    fitted_to = feeds if fitted else []
    return MixedPrecision(model, statistics, "int4", PER_TENSOR, feeds[:1], fitted_to=fitted_to)


@contextlib.contextmanager
def _int8_inputs(model: Traceable) -> Iterator[None]:
    def rounded(_: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
        return (round_activations(arguments[0], PER_TENSOR),)

    with hooked(products(model), rounded):
        yield


@torch.inference_mode()
def _hidden(model: Traceable, feeds: Feeds) -> Tensor:
    """What the last layer writes, of all tokens that are not padding."""
    found = []
    with layers(model)[-1].register_forward_hook(lambda *call: found.append(call[2])):
        for ids, mask, types in feeds:
            flat = [x.flatten(0, -2) for x in (ids, mask, types)]
            encoder(model)(*flat)
            found[-1] = found[-1][flat[1].bool()[:, : found[-1].shape[1]]]
    return torch.cat(found)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_new_texts_come_nearer_to_fp32(family: str) -> None:
    model, new = _model("feature-extraction", family), _feeds(6, seed=9)
    exact, feeds = _hidden(model, new), _feeds(30, seed=2)
    errors = []
    for fitted in (False, True):
        mixed = _mixed(model, feeds, fitted=fitted)
        mixed.set_weights()
        with _int8_inputs(model):
            errors.append(float((_hidden(model, new) - exact).square().mean()))
        mixed.raise_precision()
    plain, ours = errors
    assert ours < 0.9 * plain, errors


@pytest.mark.parametrize("task", ["text-classification", "multiple-choice", "question-answering"])
def test_nothing_is_missing_on_average(task: str) -> None:
    """The biases make up for what is left, in a run of the model as in the fit."""
    model = _model(task, "bert", num_hidden_layers=2)
    feeds = _feeds(8, seed=3, choices=task == "multiple-choice")
    exact = _hidden(model, feeds)
    mixed = _mixed(model, feeds, fitted=True)
    mixed.set_weights()
    with _int8_inputs(model):
        missing = exact - _hidden(model, feeds)
    assert missing.abs().mean() > 1e-3
    assert missing.mean(dim=0).abs().max() < 1e-4


def test_the_model_is_as_before_once_the_precision_rises() -> None:
    model, feeds = _model("feature-extraction"), _feeds(6, seed=4)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    mixed = _mixed(model, feeds, fitted=True)
    mixed.set_weights()
    changed = {name for name, x in model.state_dict().items() if not x.equal(before[name])}
    ends = {name for name in changed if name.endswith("bias")}
    assert ends and all(".second." in name or "attention_output" in name for name in ends)
    mixed.raise_precision()
    assert all(x.equal(before[name]) for name, x in model.state_dict().items())


def test_what_has_a_higher_precision_is_not_fitted() -> None:
    model, feeds = _model("feature-extraction"), _feeds(6, seed=4)
    mixed = _mixed(model, feeds, fitted=True)
    biases = {name: x.clone() for name, x in model.state_dict().items() if "bias" in name}
    while mixed.raise_precision():
        pass
    mixed.set_weights()
    fitted = {name for name, x in biases.items() if not x.equal(model.state_dict()[name])}
    paths = {name.removesuffix(".bias") for name in fitted}
    assert paths.isdisjoint(mixed.overrides)
