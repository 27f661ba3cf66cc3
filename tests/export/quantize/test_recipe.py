"""The recipe of int8 and int4, and how the manifest states it."""

from squeezebert_mobile.export.quantize.recipe import (
    PER_TENSOR,
    PER_TOKEN,
    RECIPES,
    quantization_record,
    stays_fp32,
)


def test_the_integers() -> None:
    assert (RECIPES["int8"].max_value, RECIPES["int4"].max_value) == (127, 105)
    assert RECIPES["int4"].max_value % RECIPES["int4"].levels == 0
    assert all(255 * recipe.max_value < 2**15 for recipe in RECIPES.values())


def test_the_record_of_the_manifest() -> None:
    record = quantization_record(
        "int4",
        PER_TENSOR,
        engine=None,
        without_weights={"softmax": "fp16", "layer norms": "fp32"},
        kept={"classifier": "fp32: small"},
        approximated={},
        sensitivity={"pooler": 40.0},
    )
    assert "int4" in record.weights and "int4" in record.embeddings
    assert record.activations == "uint8, asymmetric, one scale a tensor, dynamic"
    assert record.kept == {
        "softmax": "fp16: no weights to make smaller",
        "layer norms": "fp32: no weights to make smaller",
        "classifier": "fp32: small",
    }
    assert record.sensitivity == {"pooler": 40.0}


def test_activations_per_token_are_signed() -> None:
    assert PER_TOKEN.description == "int8, asymmetric, one scale a token, dynamic"


def test_only_small_classifiers_and_token_types_stay_fp32() -> None:
    assert stays_fp32("model.classifier", 192)
    assert stays_fp32("base.embeddings.token_type", 6144)
    assert not stays_fp32("model.classifier", 64 * 1024)
    assert not stays_fp32("base.embeddings.word", 192)
