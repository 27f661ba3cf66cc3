"""Calibration, smoothing, outlier channels, and GPTQ, on a model with outliers."""

import pytest
import torch
from tiny import tiny_config
from torch import Tensor, nn

from squeezebert_mobile.export.quantize.calibration import InputStatistics, calibrate
from squeezebert_mobile.export.quantize.gptq import round_weights
from squeezebert_mobile.export.quantize.outlier_channels import split_outlier_channels
from squeezebert_mobile.export.quantize.saturation import largest_pairs
from squeezebert_mobile.export.quantize.smoothing import smooth
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.linear_layers import Factors, FeedForward
from squeezebert_mobile.models.modeling import SqueezeBertModel
from squeezebert_mobile.models.rewriting import (
    ATOL,
    Traceable,
    products,
    prove_equal,
    rewrite,
)

OUTLIER, FACTOR = 5, 100.0


@pytest.fixture
def model() -> SqueezeBertModel:
    config = tiny_config(
        "squeezebert", hidden_size=64, num_attention_heads=4, intermediate_size=2048
    )
    found = initialize("feature-extraction", config, seed=1)
    assert isinstance(found, SqueezeBertModel)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer in found.layers:
            for bias in (layer.intermediate.bias, layer.output.bias):
                bias.normal_(std=0.02, generator=generator)
    return found


@pytest.fixture
def feeds() -> list[tuple[Tensor, Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (6, 4, 12), generator=generator)
    mask = torch.ones_like(ids)
    mask[:, 0, 7:] = 0
    return [(i, m, torch.zeros_like(i)) for i, m in zip(ids, mask, strict=True)]


@torch.no_grad()
def _with_an_outlier_channel(model: SqueezeBertModel) -> SqueezeBertModel:
    """One channel inside each feed-forward is a hundred times larger, and its weights smaller."""
    for layer in model.layers:
        layer.intermediate.weight[OUTLIER] *= FACTOR
        layer.intermediate.bias[OUTLIER] = FACTOR
        layer.output.weight[:, OUTLIER] /= FACTOR
    return model


def _error(product: nn.Linear, read: InputStatistics, exact: Tensor) -> float:
    difference = (product.weight - exact).double()
    return float(((difference @ read.moment.double()) * difference).sum())


def test_ranges_include_padding_and_moments_do_not(
    model: SqueezeBertModel, feeds: list[tuple[Tensor, Tensor, Tensor]]
) -> None:
    rewritten = rewrite(model)
    statistics = calibrate(rewritten, feeds)
    assert set(statistics) == set(products(rewritten))
    first = products(rewritten)[0]  # the first group, which reads the embeddings
    hidden = torch.stack([model.embeddings(ids, types, None, None) for ids, _, types in feeds])
    hidden = hidden[..., : first.in_features]
    texts = hidden[torch.stack([mask for _, mask, _ in feeds]).bool()]
    torch.testing.assert_close(statistics[first].largest, hidden.abs().flatten(0, 2).amax(0))
    torch.testing.assert_close(statistics[first].moment, texts.T @ texts, rtol=1e-4, atol=1e-3)
    assert statistics[first].vectors == len(texts)


def test_smoothing_evens_out_channels_and_keeps_the_function(
    model: SqueezeBertModel, feeds: list[tuple[Tensor, Tensor, Tensor]]
) -> None:
    with torch.no_grad():
        model.embeddings.word.weight[:, OUTLIER] *= FACTOR
    rewritten = rewrite(model)
    before = calibrate(rewritten, feeds)
    predicted = smooth(rewritten, before)
    assert prove_equal(model, rewritten) <= ATOL
    after = calibrate(rewritten, feeds)
    first = products(rewritten)[0]

    def unevenness(read: InputStatistics) -> float:
        return float(read.largest.max() / read.largest.median())

    # What is normalized is at most the root of its 64 channels.
    assert unevenness(before[first]) > 4 > 2 > unevenness(after[first])
    for product, read in after.items():  # predicted and measured statistics
        torch.testing.assert_close(predicted[product].largest, read.largest, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(predicted[product].moment, read.moment, rtol=1e-3, atol=1e-2)


def test_even_channels_are_not_smoothed(
    model: SqueezeBertModel, feeds: list[tuple[Tensor, Tensor, Tensor]]
) -> None:
    rewritten = rewrite(model)
    smooth(rewritten, calibrate(rewritten, feeds))
    assert all(m.factors is None for m in rewritten.modules() if isinstance(m, Factors))


def test_outlier_channels_are_split_off_and_the_function_stays(
    model: SqueezeBertModel, feeds: list[tuple[Tensor, Tensor, Tensor]]
) -> None:
    model = _with_an_outlier_channel(model)
    rewritten = rewrite(model)
    predicted = split_outlier_channels(rewritten, calibrate(rewritten, feeds))
    groups = [module for module in rewritten.modules() if isinstance(module, FeedForward)]
    parts = [[second.in_features for second in group.products[1]] for group in groups]
    each = len(groups) // len(model.layers)
    assert parts[0] == [496, 16], "the group with the outlier channel"
    assert all(part == [512] for part in parts[1:each]), "the groups without"
    assert prove_equal(model, rewritten) <= ATOL
    seen = calibrate(rewritten, feeds)
    assert set(predicted) == set(seen)
    for product, read in seen.items():
        torch.testing.assert_close(predicted[product].largest, read.largest, rtol=1e-3, atol=1e-4)


def test_similar_channels_are_not_split(
    model: SqueezeBertModel, feeds: list[tuple[Tensor, Tensor, Tensor]]
) -> None:
    rewritten = rewrite(model)
    before = products(rewritten)
    split_outlier_channels(rewritten, calibrate(rewritten, feeds))
    assert products(rewritten) == before


def test_rounding_errors_cancel(
    model: SqueezeBertModel, feeds: list[tuple[Tensor, Tensor, Tensor]]
) -> None:
    rewritten: Traceable = rewrite(model)
    statistics = calibrate(rewritten, feeds)
    exact = {product: product.weight.clone() for product in statistics}
    rounded = round_weights(statistics)
    for product, inputs in statistics.items():
        assert product.weight.equal(exact[product]), "the model does not change"
        product.weight.data = rounded[product]
        steps = largest_pairs(exact[product].T).amax(dim=0)[:, None] / 127
        ours = _error(product, inputs, exact[product])
        quotient = product.weight / steps
        torch.testing.assert_close(quotient, quotient.round(), atol=1e-3, rtol=0)
        largest = largest_pairs(quotient.round().T).amax(dim=0)
        assert largest.eq(127).all(), "quantize finds the same scale"
        product.weight.data = (exact[product] / steps).round() * steps
        assert ours < 0.8 * _error(product, inputs, exact[product])


def test_rounding_in_blocks_is_rounding_channel_by_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    product, seen = nn.Linear(300, 8), torch.randn(900, 300, generator=generator)
    seen[:, 1:] += seen[:, :-1]  # neighbours move together
    read = InputStatistics(seen.abs().amax(0), seen.T @ seen, len(seen))
    rounded = []
    for block in (300, 128, 7):
        monkeypatch.setattr("squeezebert_mobile.export.quantize.gptq._CHANNELS", block)
        rounded.append(round_weights({product: read})[product])
    torch.testing.assert_close(rounded[1], rounded[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(rounded[2], rounded[0], rtol=0, atol=1e-6)


def test_a_channel_that_is_always_zero_is_rounded() -> None:
    product = nn.Linear(4, 3)
    with torch.no_grad():
        product.weight[1] = 0
    nothing = InputStatistics(torch.zeros(4), torch.zeros(4, 4), 0)
    assert round_weights({product: nothing})[product].isfinite().all()
