"""The demo of text-classification: twelve intents of a voice assistant."""

import string
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.models.config import SqueezeBertConfig
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime import Pipeline
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.demos.recipe import (
    LICENSE,
    SEED,
    as_jsonl,
    recipe_of,
    reproducible,
    train,
    versions,
    write_results,
)
from squeezebert_mobile.training.demos.sentences import INTENTS, Sentence, sentences
from squeezebert_mobile.training.loop import Training

__all__ = ["HELD_OUT_PER_INTENT", "make_demo", "measure", "vocabulary"]

HELD_OUT_PER_INTENT = 100
TRAINING_PER_INTENT = 8000
VOCABULARY_PER_INTENT = 2000  # sentences that the vocabulary is made from
TRAINING = Training(epochs=2, batch_size=32, learning_rate=1e-3, seed=SEED)
_MEASURED_TOGETHER = 128

MAX_TOKENS = 128
VOCABULARY_SIZE = 2400
# Lower case, because the tokenizer lowers it, and without marks, because it strips them; the last
# are letters that do not come apart into a letter and a mark.
_LETTERS = string.ascii_lowercase + string.digits + "ßæœøłđðþıŋ"
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # padding has id 0 by convention
_OTHER = string.punctuation + "–—‘’“”„…«»¡¿°€£"

SIZES: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": MAX_TOKENS,
}


def vocabulary(texts: Sequence[str]) -> dict[str, int]:
    """A WordPiece vocabulary from `texts` that can spell any word of Latin letters."""
    spelling = [*_LETTERS, *_OTHER, *(f"##{letter}" for letter in _LETTERS)]
    # The trainer numbers pieces as it meets them, in an order that changes from run to run, and
    # goes by the number where two are as frequent: so everything it could meet is numbered first.
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY_SIZE, special_tokens=[*_SPECIAL, *spelling], show_progress=False
    )
    learner = Tokenizer(models.WordPiece())
    learner.normalizer = normalizers.BertNormalizer(lowercase=True)
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    learner.train_from_iterator(texts, trainer=trainer)
    return dict(sorted(learner.get_vocab().items(), key=lambda item: item[1]))


def measure(pipeline: Pipeline[Any], asked: Sequence[Sentence]) -> dict[str, Any]:
    """How many of the sentences, of each intent and in all, get the right intent."""
    answers = pipeline([sentence.text for sentence in asked], batch_size=_MEASURED_TOGETHER)
    right = Counter(
        sentence.intent
        for answer, sentence in zip(answers, asked, strict=True)
        if answer.label == sentence.intent
    )
    return {
        "sentences": len(asked),
        "right": right.total(),
        "accuracy": right.total() / len(asked),
        "right_by_intent": {intent: right[intent] for intent in INTENTS},
    }


@reproducible()
def make_demo(folder: Path) -> dict[str, Any]:
    """Train the demo and write it.

    Args:
        folder: Where the checkpoint goes; files of the same names are replaced.

    Returns:
        What results.json holds: the held-out accuracy, the recipe, the versions.
    """
    clean = sentences("training", per_intent=VOCABULARY_PER_INTENT, seed=SEED)
    vocab = vocabulary([sentence.text for sentence in clean])
    learned = sentences("training", per_intent=TRAINING_PER_INTENT, seed=SEED, noisy=True)
    with tempfile.TemporaryDirectory() as untrained:
        _write_untrained(Path(untrained), vocab)
        data = as_jsonl(learned), "intents.jsonl"
        train(untrained, *data, folder, task="text-classification", training=TRAINING)
    made = open_checkpoint(folder)
    held_out = sentences("held_out", per_intent=HELD_OUT_PER_INTENT, seed=SEED)
    results = {
        "held_out": measure(reference_pipeline(made), held_out),
        "training": recipe_of(TRAINING, len(learned)),
        "parameters": sum(parameter.numel() for parameter in made.model.parameters()),
        "vocabulary": len(vocab),
        "versions": versions(),
    }
    write_results(folder, results, _readme(results))
    return results


def _write_untrained(folder: Path, vocab: dict[str, int]) -> None:
    config = SqueezeBertConfig(
        vocab_size=len(vocab),
        problem_type="single_label_classification",
        extra={"license": LICENSE},
        **SIZES,
    )
    initialize("text-classification", config.with_labels(INTENTS), seed=SEED).save_pretrained(
        folder
    )
    SqueezeBertTokenizer(vocab, model_max_length=MAX_TOKENS).save_pretrained(folder)


def _readme(results: dict[str, Any]) -> str:
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
# demo: what did they ask the phone for?

A SqueezeBERT of {results["parameters"]:,} weights, trained from nothing on generated sentences: a
text in, one of {len(INTENTS)} intents of a voice assistant out ("wake me at half past six" is
set_alarm). It is here to be exported, measured and tried, not to run an assistant: it has read
{results["training"]["sentences"]:,} sentences of twelve kinds and nothing else.

Of {held_out["sentences"]:,} held-out sentences it gets {held_out["accuracy"]:.1%} right. Training
saw none of their templates, polite phrases, names, times, places and things; it may have seen
their verbs. results.json has the counts.

| intent | right |
|---|---|
{rows}

`make demo-checkpoint` makes this folder again, from the grammars in training/demos/grammar.
Licence: Apache-2.0.
"""
