"""Numbers and facts as the commands print them."""

import pytest

from squeezebert_mobile.cli.printing.tables import parameter_count


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1_538, "1,538"), (9_999, "9,999"), (10_000, "0.01 M"), (22_713_216, "22.71 M")],
)
def test_a_small_part_does_not_have_0_00_million_parameters(count: int, text: str) -> None:
    assert parameter_count(count) == text
