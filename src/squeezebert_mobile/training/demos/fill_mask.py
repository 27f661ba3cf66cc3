"""The demo for fill-mask: the missing word in a request to a voice assistant."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from squeezebert_mobile.evaluation.scoring import score
from squeezebert_mobile.models.checkpoint import DEMO
from squeezebert_mobile.runtime import Pipeline
from squeezebert_mobile.training.config import TrainingConfig
from squeezebert_mobile.training.demos.recipe import (
    LICENSE,
    SEED,
    as_data,
    measure_and_describe,
    reproducible,
    train_demo,
)
from squeezebert_mobile.training.demos.sentences import Sentence, sentences

__all__ = ["as_lines", "make_demo_fill_mask", "measure_masks", "model_card"]

HELD_OUT_PER_INTENT = 100
TRAINING_PER_INTENT = 4000
TRAINING = TrainingConfig(epochs=4, batch_size=32, learning_rate=2e-3, seed=SEED)
_EVALUATION_BATCH_SIZE = 32


def as_lines(sentences: Sequence[Sentence]) -> str:
    """The sentences as data: one text per line."""
    return "".join(f"{sentence.text}\n" for sentence in sentences)


def measure_masks(pipeline: Pipeline[Any], sentences: Sequence[Sentence]) -> dict[str, Any]:
    """The metrics of the pipeline on masked tokens of the sentences."""
    data = as_data(as_lines(sentences), "held_out.txt", "fill-mask")
    scores = score(pipeline, data, batch_size=_EVALUATION_BATCH_SIZE)
    return {"sentences": len(sentences), **scores.metrics}


@reproducible()
def make_demo_fill_mask(folder: Path) -> dict[str, Any]:
    """Train the demo, and write it with its results and model card.

    Args:
        folder: The checkpoint's folder; files of the same names are replaced.

    Returns:
        The contents of results.json: held-out loss, recipe, versions.
    """
    training = sentences("training", per_intent=TRAINING_PER_INTENT, seed=SEED)
    data = as_lines(training), "sentences.txt"
    train_demo(DEMO, *data, folder, task="fill-mask", config=TRAINING)
    return measure_and_describe(folder, _measure, TRAINING, len(training), model_card, DEMO)


def _measure(pipeline: Pipeline[Any], split: str, seed: int) -> dict[str, Any]:
    drawn = sentences(split, per_intent=HELD_OUT_PER_INTENT, seed=seed)
    return measure_masks(pipeline, drawn)


def model_card(results: dict[str, Any]) -> str:
    """README.md, from results.json."""
    held_out, known = results["held_out"], results["known_words"]
    return f"""---
license: {LICENSE}
language: en
pipeline_tag: fill-mask
---
# demo-fill-mask: the missing word

A SqueezeBERT with {results["parameters"]:,} weights that predicts the tokens behind [MASK]: for
"wake me [MASK] six" it predicts "at". Its encoder is that of demo, fine-tuned on
{results["training"]["sentences"]:,} generated sentences; its decoder shares the word embeddings.
It is a demo to export, measure and try: it knows requests to a voice assistant and nothing else.

15 % of the tokens of each text are masked. On {known["sentences"]:,} new sentences from known words
and templates its accuracy is {known["accuracy"]:.1%} (perplexity {known["perplexity"]:.1f}). On
{held_out["sentences"]:,} held-out sentences, of which training saw no template, polite phrase,
name, time, place or thing, it is {held_out["accuracy"]:.1%}
(perplexity {held_out["perplexity"]:.1f}).

`make demo-checkpoint` makes this folder again, from the grammars in training/demos/grammar.
Licence: Apache-2.0.
"""
