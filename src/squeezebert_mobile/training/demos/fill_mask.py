"""The demo of fill-mask: which word stood there, in what people ask for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from squeezebert_mobile.evaluation.scoring import score
from squeezebert_mobile.models.checkpoint import DEMO
from squeezebert_mobile.runtime import Pipeline
from squeezebert_mobile.training.demos.recipe import (
    LICENSE,
    SEED,
    as_data,
    finish,
    reproducible,
    train,
)
from squeezebert_mobile.training.demos.sentences import Sentence, sentences
from squeezebert_mobile.training.loop import Training

__all__ = ["as_lines", "make_demo_fill_mask", "measure_masks"]

HELD_OUT_PER_INTENT = 100
TRAINING_PER_INTENT = 4000
TRAINING = Training(epochs=4, batch_size=32, learning_rate=2e-3, seed=SEED)
_MEASURED_TOGETHER = 32


def as_lines(said: Sequence[Sentence]) -> str:
    """The sentences as data: a text a line."""
    return "".join(f"{sentence.text}\n" for sentence in said)


def measure_masks(pipeline: Pipeline[Any], asked: Sequence[Sentence]) -> dict[str, Any]:
    """How well the tokens of the sentences are guessed where they are masked."""
    data = as_data(as_lines(asked), "held_out.txt", "fill-mask")
    found = score(pipeline, data, batch_size=_MEASURED_TOGETHER)
    return {"sentences": len(asked), **found.metrics}


@reproducible()
def make_demo_fill_mask(folder: Path) -> dict[str, Any]:
    """Train the demo and write it.

    Args:
        folder: Where the checkpoint goes; files of the same names are replaced.

    Returns:
        What results.json holds: the held-out loss, the recipe, the versions.
    """
    learned = sentences("training", per_intent=TRAINING_PER_INTENT, seed=SEED)
    data = as_lines(learned), "sentences.txt"
    train(DEMO, *data, folder, task="fill-mask", training=TRAINING)
    return finish(folder, _measure, TRAINING, len(learned), _readme)


def _measure(pipeline: Pipeline[Any], split: str, seed: int) -> dict[str, Any]:
    asked = sentences(split, per_intent=HELD_OUT_PER_INTENT, seed=seed)
    return measure_masks(pipeline, asked)


def _readme(results: dict[str, Any]) -> str:
    held_out, known = results["held_out"], results["known_words"]
    return f"""---
license: {LICENSE}
language: en
pipeline_tag: fill-mask
---
# demo-fill-mask: which word is missing?

A SqueezeBERT of {results["parameters"]:,} weights: a text with [MASK] in, the tokens that fit there
out ("wake me [MASK] six" wants at). The encoder of demo, fine-tuned on
{results["training"]["sentences"]:,} generated sentences; the decoder is its table of words. It is
here to be exported, measured and tried: it knows what people ask an assistant for, no more.

Of masked tokens (15 % of each text) it names {known["accuracy"]:.1%} in
{known["sentences"]:,} newly drawn sentences of words and templates that it knows (perplexity
{known["perplexity"]:.1f}), and
{held_out["accuracy"]:.1%} in {held_out["sentences"]:,} held-out ones, of which training saw no
template, polite phrase, name, time, place or thing (perplexity {held_out["perplexity"]:.1f}).

`make demo-checkpoint` makes this folder again, from the grammars in training/demos/grammar.
Licence: Apache-2.0.
"""
