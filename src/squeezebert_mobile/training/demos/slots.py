"""The demo of token-classification: the times, places, names and things in what people ask for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqeval.metrics import classification_report

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
from squeezebert_mobile.training.demos.sentences import TaggedSentence, tagged_sentences
from squeezebert_mobile.training.loop import Training

__all__ = ["as_conll", "make_demo_slots", "measure_slots"]

HELD_OUT_PER_INTENT = 100
TRAINING_PER_INTENT = 6000
TRAINING = Training(epochs=2, batch_size=32, learning_rate=1e-3, seed=SEED)
_MEASURED_TOGETHER = 32


def as_conll(sentences: Sequence[TaggedSentence]) -> str:
    """The sentences as labelled data: a word and its tag a line."""
    return "\n".join(
        "".join(f"{word} {tag}\n" for word, tag in zip(each.words, each.tags, strict=True))
        for each in sentences
    )


def measure_slots(pipeline: Pipeline[Any], asked: Sequence[TaggedSentence]) -> dict[str, Any]:
    """How many of the slots in the sentences are found, whole and with the right name."""
    data = as_data(as_conll(asked), "held_out.conll", "token-classification")
    found = score(pipeline, data, batch_size=_MEASURED_TOGETHER)
    report = classification_report(
        [list(each.tags) for each in asked],
        [list(each.answers) for each in found.predictions],
        output_dict=True,
        zero_division=0,
    )
    averages = {"micro avg", "macro avg", "weighted avg"}
    return {
        "sentences": len(asked),
        "slots": int(report["micro avg"]["support"]),
        **found.metrics,
        "f1_by_slot": {
            name: float(each["f1-score"]) for name, each in report.items() if name not in averages
        },
    }


@reproducible()
def make_demo_slots(folder: Path) -> dict[str, Any]:
    """Train the demo and write it.

    Args:
        folder: Where the checkpoint goes; files of the same names are replaced.

    Returns:
        What results.json holds: the held-out F1, the recipe, the versions.
    """
    learned = tagged_sentences("training", per_intent=TRAINING_PER_INTENT, seed=SEED, noisy=True)
    data = as_conll(learned), "slots.conll"
    train(DEMO, *data, folder, task="token-classification", training=TRAINING)
    return finish(folder, _measure, TRAINING, len(learned), _readme)


def _measure(pipeline: Pipeline[Any], split: str, seed: int) -> dict[str, Any]:
    asked = tagged_sentences(split, per_intent=HELD_OUT_PER_INTENT, seed=seed)
    return measure_slots(pipeline, asked)


def _readme(results: dict[str, Any]) -> str:
    held_out, known = results["held_out"], results["known_words"]
    rows = "\n".join(
        f"| {name} | {f1:.0%} | {held_out['f1_by_slot'][name]:.0%} |"
        for name, f1 in known["f1_by_slot"].items()
        if name in held_out["f1_by_slot"]
    )
    return f"""---
license: {LICENSE}
language: en
pipeline_tag: token-classification
---
# demo-slots: the times, places and names in what they asked

A SqueezeBERT of {results["parameters"]:,} weights: a text in, its times, days, names, places and
things out ("wake me at half past six" has a time, half past six). The encoder of demo, fine-tuned
on {results["training"]["sentences"]:,} generated sentences. It is here to be exported, measured and
tried, not to run an assistant.

Its F1 (whole slots, by seqeval) is {known["f1"]:.1%} on {known["sentences"]:,} sentences drawn anew
of words and templates that it knows, and {held_out["f1"]:.1%} on {held_out["sentences"]:,} held-out
ones, of which training saw no template, polite phrase, name, time, place or thing: half a million
weights cannot know that Thursday is a day. results.json has the counts.

| slot | known words | held out |
|---|---|---|
{rows}

`make demo-checkpoint` makes this folder again, from the grammars in training/demos/grammar.
Licence: Apache-2.0.
"""
