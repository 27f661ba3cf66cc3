"""The demo for token-classification: the times, places, names and things in a request."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqeval.metrics import classification_report

from squeezebert_mobile.evaluation.scoring import score
from squeezebert_mobile.models.checkpoint import DEMO, open_checkpoint
from squeezebert_mobile.runtime import Pipeline
from squeezebert_mobile.training.config import TrainingConfig
from squeezebert_mobile.training.demos.recipe import (
    LICENSE,
    SEED,
    as_data,
    measure_and_describe,
    reproducible,
    train_demo,
    write_untrained,
)
from squeezebert_mobile.training.demos.tagged import TaggedSentence, tagged_sentences

__all__ = ["as_conll", "make_demo_slots", "measure_slots", "model_card"]

HELD_OUT_PER_INTENT = 100
TRAINING_PER_INTENT = 18000
TRAINING = TrainingConfig(epochs=2, batch_size=64, learning_rate=1.5e-3, seed=SEED)
SIZES: dict[str, Any] = {
    "hidden_size": 192,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 768,
}
_EVALUATION_BATCH_SIZE = 32
_WEAKEST = 3  # slots that the model card names


def as_conll(sentences: Sequence[TaggedSentence]) -> str:
    """The sentences as labelled data: one word and its tag per line."""
    return "\n".join(
        "".join(f"{word} {tag}\n" for word, tag in zip(sentence.words, sentence.tags, strict=True))
        for sentence in sentences
    )


def measure_slots(pipeline: Pipeline[Any], sentences: Sequence[TaggedSentence]) -> dict[str, Any]:
    """The metrics of the pipeline on whole slots, overall and by slot name."""
    data = as_data(as_conll(sentences), "held_out.conll", "token-classification")
    scores = score(pipeline, data, batch_size=_EVALUATION_BATCH_SIZE)
    report = classification_report(
        [list(sentence.tags) for sentence in sentences],
        [list(prediction.answers) for prediction in scores.predictions],
        output_dict=True,
        zero_division=0,
    )
    averages = {"micro avg", "macro avg", "weighted avg"}
    return {
        "sentences": len(sentences),
        "slots": int(report["micro avg"]["support"]),
        **scores.metrics,
        "f1_by_slot": {
            name: float(values["f1-score"])
            for name, values in report.items()
            if name not in averages
        },
    }


@reproducible()
def make_demo_slots(folder: Path) -> dict[str, Any]:
    """Train the demo, and write it with its results and model card.

    Args:
        folder: The checkpoint's folder; files of the same names are replaced.

    Returns:
        The contents of results.json: held-out F1, recipe, versions.
    """
    training = tagged_sentences("training", per_intent=TRAINING_PER_INTENT, seed=SEED, noisy=True)
    data = as_conll(training), "slots.conll"
    vocab = open_checkpoint(DEMO).tokenizer.get_vocab()
    with tempfile.TemporaryDirectory() as untrained:
        write_untrained(Path(untrained), vocab, SIZES)
        train_demo(untrained, *data, folder, task="token-classification", config=TRAINING)
    start = f"random weights, with the vocabulary of {DEMO}"
    return measure_and_describe(folder, _measure, TRAINING, len(training), model_card, start)


def _measure(pipeline: Pipeline[Any], split: str, seed: int) -> dict[str, Any]:
    drawn = tagged_sentences(split, per_intent=HELD_OUT_PER_INTENT, seed=seed)
    return measure_slots(pipeline, drawn)


def model_card(results: dict[str, Any]) -> str:
    """README.md, from results.json."""
    held_out, known = results["held_out"], results["known_words"]
    rows = "\n".join(
        f"| {name} | {f1:.0%} | {held_out['f1_by_slot'][name]:.0%} |"
        for name, f1 in known["f1_by_slot"].items()
        if name in held_out["f1_by_slot"]
    )
    by_f1 = sorted(held_out["f1_by_slot"], key=held_out["f1_by_slot"].get)
    weak = ", ".join(by_f1[:_WEAKEST])
    return f"""---
license: {LICENSE}
language: en
pipeline_tag: token-classification
---
# demo-slots: the times, places and names in a request

A SqueezeBERT with {results["parameters"]:,} weights that labels times, days, names, places and
things in a text: in "wake me at half past six" it finds the time "half past six". It has the
vocabulary of demo, and was trained on {results["training"]["sentences"]:,} generated sentences.
It is a demo to export, measure and try, not a voice assistant.

Its F1 (whole slots, by seqeval) is {known["f1"]:.1%} on {known["sentences"]:,} new sentences from
known words and templates, and {held_out["f1"]:.1%} on {held_out["sentences"]:,} held-out ones.
Training saw none of their templates, polite phrases, names, places and things, and none of their
times and days as whole phrases. Many slots that it read are filled with invented words, so it finds
a slot mostly by the words around it and by its form. It is least reliable for {weak}.
results.json has the counts.

| slot | known words | held out |
|---|---|---|
{rows}

`make demo-checkpoint` makes this folder again, from the grammars in training/demos/grammar.
Licence: Apache-2.0.
"""
