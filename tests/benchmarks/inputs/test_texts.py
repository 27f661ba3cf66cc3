"""The texts that models with random weights are verified with."""

from squeezebert_mobile.benchmarks.inputs.texts import few_texts
from squeezebert_mobile.models.checkpoint import shipped_texts


def test_the_few_texts_are_of_those_that_an_export_uses() -> None:
    assert few_texts() == shipped_texts()[::8] and len(few_texts()) == 25
