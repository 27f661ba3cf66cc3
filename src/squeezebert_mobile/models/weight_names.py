"""The names of weights in transformers' checkpoints, and the names of the same weights here.

The encoder's names are in `families.py`, those of the heads in `tasks.py`.
"""

from collections.abc import Mapping

from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.families import family_of
from squeezebert_mobile.tasks import TASKS

__all__ = ["checkpoint_names", "current_name", "encoder_names", "head_names"]

# Weights that are known and dropped, except where a head has them.
_DROPPED = (
    "cls.predictions.decoder.*",  # if tied: the word embeddings and cls.predictions.bias once more
    "cls.seq_relationship.*",  # the next-sentence head
)
# What an untied decoder changes in the weights of fill-mask: transformers' names -> ours.
_UNTIED: dict[str, str | None] = {
    "cls.predictions.decoder.*": "decoder.*",
    "cls.predictions.bias": None,  # the decoder's bias once more
}
# Names that layer norms had in checkpoints converted from TensorFlow -> the names of today.
_OLD_ENDINGS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def current_name(key: str) -> str:
    """`key`, with the ending of old TensorFlow checkpoints replaced by the one of today."""
    for old, new in _OLD_ENDINGS.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key


def encoder_names(config: EncoderConfig, task: str) -> dict[str, str | None]:
    """transformers' names, without the prefix -> the names in our model of `task`."""
    names = _expand(family_of(config).encoder_weights, config.num_hidden_layers)
    base = "base." if TASKS[task].has_head else ""
    has_pooler = TASKS[task].uses_pooler
    return {
        theirs: None
        if ours is None or (ours.startswith("pooler") and not has_pooler)
        else base + ours
        for theirs, ours in names.items()
    }


def head_names(config: EncoderConfig, task: str) -> dict[str, str | None]:
    """transformers' names -> ours for the head of `task`; None for weights of other heads."""
    others = dict.fromkeys((*_DROPPED, *(name for t in TASKS.values() for name in t.head_weights)))
    is_untied = TASKS[task].predicts_masks and not config.tie_word_embeddings
    untied = _UNTIED if is_untied else {}
    return _expand({**others, **TASKS[task].head_weights, **untied}, 1)


def checkpoint_names(config: EncoderConfig, task: str) -> dict[str, str]:
    """Our names -> the names that transformers writes for the model of `task`."""
    prefix = family_of(config).weight_prefix if TASKS[task].has_head else ""
    encoder = {
        ours: prefix + theirs for theirs, ours in encoder_names(config, task).items() if ours
    }
    return encoder | {ours: theirs for theirs, ours in head_names(config, task).items() if ours}


def _expand(table: Mapping[str, str | None], layers: int) -> dict[str, str | None]:
    """The table with {} replaced by every layer number, and * by weight and bias."""
    names: dict[str, str | None] = {}
    for theirs, ours in table.items():
        for layer in range(layers) if "{}" in theirs else (0,):
            for parameter in ("weight", "bias") if theirs.endswith("*") else ("",):
                full = theirs.format(layer).replace("*", parameter)
                names[full] = None if ours is None else ours.format(layer).replace("*", parameter)
    return names
