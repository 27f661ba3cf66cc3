"""Builds in a module that a fresh process can import, unlike the test modules."""

import os
from pathlib import Path

from squeezebert_mobile.benchmarks.peers.families import Family
from squeezebert_mobile.benchmarks.peers.models import SurveyModel, models_of
from squeezebert_mobile.errors import MissingExtraError

ROOT = Path(__file__).parents[2]
_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 200,
}
SMALL_FAMILIES = (
    Family("SqueezeBERT", "SqueezeBert", "nowhere", _SIZES | {"embedding_size": 32}),
    Family("BERT-base", "Bert", "nowhere", _SIZES),
)
SMALL_PEERS: tuple[SurveyModel, ...] = tuple(
    model for family in SMALL_FAMILIES for model in models_of(family) if model.kind == "peer"
)


def every_quick_peer(folder: Path) -> None:
    """All peers that are built in seconds; int8 first, so that they build their fp32."""
    for model in sorted(SMALL_PEERS, key=lambda model: model.precision, reverse=True):
        if model.format not in {"executorch", "litert"}:
            model.build(folder)


def noisy_failure() -> None:
    print("a page of advice", flush=True)
    os.write(2, b"from C++ too\n")
    raise ValueError("first line\nsecond line")


def missing_extra() -> None:
    raise MissingExtraError("transformers is not installed; run: pip install ...")


def killed() -> None:
    os.write(1, b"about to die\n")
    os.kill(os.getpid(), 9)
