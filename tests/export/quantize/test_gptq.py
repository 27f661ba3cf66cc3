"""Products are rounded in stacks, which are small enough for memory and change nothing."""

import pytest
import torch
from torch import nn

from squeezebert_mobile.export.quantize import gptq
from squeezebert_mobile.export.quantize.calibration import InputStatistics, Statistics
from squeezebert_mobile.export.quantize.gptq import round_weights

#: Outputs, channels, how many: groups, a whole feed-forward's two products, and one of its own.
SHAPES = [(24, 12, 20), (96, 24, 5), (24, 96, 5), (7, 33, 1)]


def _statistics() -> Statistics:
    generator = torch.Generator().manual_seed(0)
    statistics: Statistics = {}
    for outputs, channels, count in SHAPES:
        for _ in range(count):
            product = nn.Linear(channels, outputs)
            weight = torch.randn(outputs, channels, generator=generator)
            product.weight = nn.Parameter(weight, requires_grad=False)
            seen = torch.randn(200, channels, generator=generator)
            seen[:, 1:] += seen[:, :-1]  # neighbours move together
            moment = seen.T @ seen
            statistics[product] = InputStatistics(seen.abs().amax(0), moment, len(seen))
    return statistics


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("numbers", [1, 96 * 96, 3 * 96 * 96])
def test_the_size_of_a_stack_changes_no_weight(
    precision: str, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics = _statistics()
    together = round_weights(statistics, precision=precision)
    monkeypatch.setattr(gptq, "_STACKED_NUMBERS", numbers)
    apart = round_weights(statistics, precision=precision)
    assert all(together[product].equal(apart[product]) for product in statistics)


@pytest.mark.parametrize(
    ("outputs", "channels", "most"),
    [
        (576, 192, 16),  # query, key and value of a group of SqueezeBERT-base
        (192, 768, 16),  # from a group's intermediate channels
        (768, 768, 16),  # BERT-base: attention output
        (2304, 768, 5),  # BERT-base: query, key and value
        (3072, 768, 4),  # BERT-base: to the intermediate channels, as many numbers as back
        (768, 3072, 1),
        (1024, 4096, 1),  # BERT-large
    ],
)
def test_the_wider_the_products_the_fewer_in_a_stack(
    outputs: int, channels: int, most: int
) -> None:
    products = [nn.Linear(channels, outputs, device="meta") for _ in range(17)]
    stacks = list(gptq._stacks(products))
    assert [product for stack in stacks for product in stack] == products
    assert max(map(len, stacks)) == most
