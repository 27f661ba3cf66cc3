"""The demo for text-classification: twelve intents of requests to a voice assistant."""

import string
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime import Pipeline
from squeezebert_mobile.training.config import TrainingConfig
from squeezebert_mobile.training.demos.recipe import (
    LICENSE,
    SEED,
    as_jsonl,
    reproducible,
    train_demo,
    training_facts,
    versions,
    write_results,
    write_untrained,
)
from squeezebert_mobile.training.demos.sentences import INTENTS, Sentence, sentences

__all__ = ["HELD_OUT_PER_INTENT", "make_demo", "measure", "model_card", "vocabulary"]

HELD_OUT_PER_INTENT = 100
TRAINING_PER_INTENT = 8000
VOCABULARY_PER_INTENT = 2000  # sentences for training the vocabulary
TRAINING = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3, seed=SEED)
_EVALUATION_BATCH_SIZE = 128

VOCABULARY_SIZE = 2400
# Lower case and without accents, as the tokenizer normalizes texts; the last ones are letters that
# Unicode does not decompose into a letter and an accent.
_LETTERS = string.ascii_lowercase + string.digits + "ßæœøłđðþıŋ"
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # padding has id 0 by convention
_OTHER = string.punctuation + "–—‘’“”„…«»¡¿°€£"

SIZES: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
}


def vocabulary(texts: Sequence[str]) -> dict[str, int]:
    """Train a WordPiece vocabulary on `texts` that can spell any word in Latin letters."""
    spelling = [*_LETTERS, *_OTHER, *(f"##{letter}" for letter in _LETTERS)]
    # The trainer numbers characters in an order that changes from run to run, and breaks ties in
    # frequency by number. So all characters that can occur are numbered first.
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY_SIZE, special_tokens=[*_SPECIAL, *spelling], show_progress=False
    )
    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return dict(sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))


def measure(pipeline: Pipeline[Any], sentences: Sequence[Sentence]) -> dict[str, Any]:
    """The number of correctly classified sentences, in total and by intent."""
    texts = [sentence.text for sentence in sentences]
    results = pipeline(texts, batch_size=_EVALUATION_BATCH_SIZE)
    correct = Counter(
        sentence.intent
        for result, sentence in zip(results, sentences, strict=True)
        if result.label == sentence.intent
    )
    return {
        "sentences": len(sentences),
        "right": correct.total(),
        "accuracy": correct.total() / len(sentences),
        "right_by_intent": {intent: correct[intent] for intent in INTENTS},
    }


@reproducible()
def make_demo(folder: Path) -> dict[str, Any]:
    """Train the demo, and write it with its results and model card.

    Args:
        folder: The checkpoint's folder; files of the same names are replaced.

    Returns:
        The contents of results.json: held-out accuracy, recipe, versions.
    """
    clean = sentences("training", per_intent=VOCABULARY_PER_INTENT, seed=SEED)
    vocab = vocabulary([sentence.text for sentence in clean])
    training = sentences("training", per_intent=TRAINING_PER_INTENT, seed=SEED, noisy=True)
    with tempfile.TemporaryDirectory() as untrained:
        write_untrained(Path(untrained), vocab, SIZES)
        data = as_jsonl(training), "intents.jsonl"
        train_demo(untrained, *data, folder, task="text-classification", config=TRAINING)
    checkpoint = open_checkpoint(folder)
    held_out = sentences("held_out", per_intent=HELD_OUT_PER_INTENT, seed=SEED)
    results = {
        "held_out": measure(reference_pipeline(checkpoint), held_out),
        "training": training_facts(TRAINING, len(training)),
        "parameters": sum(parameter.numel() for parameter in checkpoint.model.parameters()),
        "vocabulary": len(vocab),
        "versions": versions(),
    }
    write_results(folder, results, model_card(results))
    return results


def model_card(results: dict[str, Any]) -> str:
    """README.md, from results.json."""
    held_out = results["held_out"]
    rows = "\n".join(
        f"| {intent} | {right / HELD_OUT_PER_INTENT:.0%} |"
        for intent, right in held_out["right_by_intent"].items()
    )
    return f"""---
license: {LICENSE}
language: en
pipeline_tag: text-classification
---
# demo: the intent of a request

A SqueezeBERT with {results["parameters"]:,} weights, trained from scratch on generated sentences,
that classifies a request to a voice assistant into one of {len(INTENTS)} intents: "wake me at half
past six" is set_alarm. It is a demo to export, measure and try, not a voice assistant: it has read
{results["training"]["sentences"]:,} sentences of twelve kinds and nothing else.

Its accuracy on {held_out["sentences"]:,} held-out sentences is {held_out["accuracy"]:.1%}. Training
saw none of their templates, polite phrases, names, times, places and things, but may have seen
their verbs. results.json has the counts.

| intent | accuracy |
|---|---|
{rows}

`make demo-checkpoint` makes this folder again, from the grammars in training/demos/grammar.
Licence: Apache-2.0.
"""
