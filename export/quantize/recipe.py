"""What int8 and int4 are, for every format: the integers, the exceptions, the manifest's wording.

    weights       int8: symmetric, one scale per output channel. int4: each block of 16 weights of
                  an output channel is a multiplier times -8 to 7, and the channel has one scale
    embeddings    int8: symmetric, one scale per row. int4: one scale per block of 32, positive or
                  negative, for a table of at least a million numbers; smaller tables are int8
    activations   asymmetric, quantized at run time with one scale per tensor or per token

The scales of a product are chosen so that no pair of neighbouring weights sums to more than
`Recipe.max_value` (`saturation.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from squeezebert_mobile.artifact import Quantization

__all__ = [
    "ACTIVATION_STEPS",
    "BLOCK",
    "INT4_MAX",
    "INT4_MIN",
    "INT8_MAX",
    "MAX_MULTIPLIER",
    "MIN_INT4_TABLE",
    "PER_TENSOR",
    "PER_TEXT_IN_GROUPS",
    "PER_TOKEN",
    "RECIPES",
    "TABLE_BLOCK",
    "WITHOUT_WEIGHTS",
    "Activations",
    "Recipe",
    "fp32_reason",
    "quantization_record",
    "stays_fp32",
]

INT8_MAX = 127
INT4_MIN, INT4_MAX = -8, 7
MAX_MULTIPLIER = 15  # of a block of int4: a multiplier has 4 bits as well
BLOCK = 16  # int4 weights that share a multiplier
TABLE_BLOCK = 32  # int4 numbers of a table that share a scale
MIN_INT4_TABLE = 1_000_000  # numbers; a smaller embedding table stays int8
ACTIVATION_STEPS = 255  # between the smallest and the largest activation

#: A classifier of a few labels and the table of token types stay fp32 where they are small: as int8
#: they save little and lose precision. (The two rows of token types caused 5 % of the int8 error of
#: all-MiniLM-L6-v2.)
_SMALL_MODULES = ("classifier", "token_type")
_SMALL_BYTES = 64 * 1024
#: What has no weights -> the precision it is computed in; a format may have others.
WITHOUT_WEIGHTS = {"attention scores, softmax, layer norms": "fp32"}


@dataclass(frozen=True)
class Recipe:
    """How one precision quantizes weights."""

    max_value: int  # largest integer of a product's weight, and of the sum of a pair of weights
    levels: int  # the largest number of steps that rounding chooses from
    lowest: int  # the smallest one
    block: int | None  # weights that share a step; None: all of an output channel
    #: How far smoothing goes: 0 leaves all of the difficulty in the activations, 1 moves all of it
    #: into the weights.
    smoothing: float
    #: Whether products make up for the errors of those before them (`compensation.py`).
    compensates: bool
    weights: str  # as the manifest says it
    embeddings: str  # as the manifest says it


RECIPES = {
    "int8": Recipe(
        max_value=INT8_MAX,
        levels=INT8_MAX,
        lowest=-INT8_MAX,
        block=None,
        smoothing=0.7,
        compensates=False,
        weights="int8, symmetric, one scale an output channel",
        embeddings="int8, symmetric, one scale a row",
    ),
    "int4": Recipe(
        max_value=MAX_MULTIPLIER * INT4_MAX,
        levels=INT4_MAX,
        lowest=INT4_MIN,
        block=BLOCK,
        smoothing=0.5,  # its weights have fewer values
        # The fit needs many texts: on a half, the error of all-MiniLM-L6-v2 is an eighth larger.
        compensates=True,
        weights="int4, a multiplier a block of 16, one scale an output channel",
        embeddings="words int4, one scale a block of 32; others int8, one scale a row",
    ),
}


@dataclass(frozen=True)
class Activations:
    """How a format's int8 products quantize their inputs at run time."""

    per_token: bool  # one scale per token; otherwise one per tensor
    description: str  # as the manifest says it


PER_TENSOR = Activations(False, "uint8, asymmetric, one scale a tensor, dynamic")
PER_TOKEN = Activations(True, "int8, asymmetric, one scale a token, dynamic")
#: Errors are estimated as if all products had one scale a text.
PER_TEXT_IN_GROUPS = Activations(
    False, "int8, asymmetric, one scale a text for grouped products, otherwise a token, dynamic"
)


def stays_fp32(name: str, nbytes: int) -> bool:
    """Whether the module `name`, of `nbytes` bytes in fp32, is too small to be quantized."""
    return name.rpartition(".")[2] in _SMALL_MODULES and nbytes < _SMALL_BYTES


def fp32_reason(name: str, nbytes: int) -> dict[str, str]:
    """The manifest's entry for a small module that stays fp32."""
    return {name.rpartition(".")[2]: f"fp32: {nbytes:,} bytes, nothing to gain"}


def quantization_record(
    precision: str,
    activations: Activations,
    *,
    engine: str | None,
    without_weights: Mapping[str, str],
    kept: Mapping[str, str],
    approximated: Mapping[str, str],
    sensitivity: Mapping[str, float],
) -> Quantization:
    """The manifest's record of how a model was quantized.

    Args:
        precision: "int8" or "int4".
        activations: How products quantize their inputs.
        engine: The kernel backend that the weights are packed for, where the format has several.
        without_weights: What has no weights -> the precision it is computed in.
        kept: Modules with a higher precision, and the reason.
        approximated: Operators that were approximated, and how.
        sensitivity: The signal-to-noise ratio of each unit, in dB.
    """
    recipe = RECIPES[precision]
    no_weights = {
        what: f"{computed_in}: no weights to make smaller"
        for what, computed_in in without_weights.items()
    }
    return Quantization(
        weights=recipe.weights,
        embeddings=recipe.embeddings,
        activations=activations.description,
        engine=engine,
        kept=no_weights | dict(kept),
        approximated=dict(approximated),
        sensitivity=dict(sensitivity),
    )
