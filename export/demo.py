"""Make the demo checkpoint, a small trained SqueezeBERT: python -m squeezebert_mobile.export.demo

Twelve intents of a voice assistant, from generated sentences to a folder in Hugging Face layout.
The same versions on the same machine write the same bytes.
"""

import contextlib
import json
import string
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from squeezebert_mobile.export.config import SqueezeBertConfig
from squeezebert_mobile.export.demo_sentences import INTENTS, sentences
from squeezebert_mobile.export.finetune import Example, Progress, Training, finetune, predict
from squeezebert_mobile.export.model import SqueezeBertForSequenceClassification, initialize
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer

__all__ = ["HELD_OUT_PER_INTENT", "LICENSE", "examples", "make_demo", "measure", "vocabulary"]

LICENSE = "apache-2.0"
SEED = 0
HELD_OUT_PER_INTENT = 100
TRAINING_PER_INTENT = 8000
VOCABULARY_PER_INTENT = 2000  # sentences that the vocabulary is made from
TRAINING = Training(epochs=2, batch_size=32, learning_rate=1e-3, seed=SEED)

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


def examples(split: str, *, per_intent: int, noisy: bool = False) -> list[Example]:
    """Generated sentences of a split with the ids of their intents."""
    found = sentences(split, per_intent=per_intent, seed=SEED, noisy=noisy)
    return [Example(sentence.text, INTENTS.index(sentence.intent)) for sentence in found]


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


def measure(
    model: SqueezeBertForSequenceClassification,
    tokenizer: SqueezeBertTokenizer,
    asked: Sequence[Example],
) -> dict[str, Any]:
    """How many of the sentences, of each intent and in all, get the right intent."""
    answers = predict(model, tokenizer, [example.text for example in asked])
    right = Counter(
        INTENTS[answer]
        for answer, example in zip(answers, asked, strict=True)
        if answer == example.label
    )
    return {
        "sentences": len(asked),
        "right": right.total(),
        "accuracy": right.total() / len(asked),
        "right_by_intent": {intent: right[intent] for intent in INTENTS},
    }


@contextlib.contextmanager
def _reproducible() -> Iterator[None]:
    """Have torch compute the same bits each time; its settings are put back afterwards."""
    threads = torch.get_num_threads()
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)  # sums in one order; products this small gain nothing from threads
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(was_deterministic)


@_reproducible()
def make_demo(folder: Path) -> dict[str, Any]:
    """Train the demo and write it.

    Args:
        folder: Where the checkpoint goes; files of the same names are replaced.

    Returns:
        What results.json holds: the held-out accuracy, the recipe, the versions.
    """
    clean = examples("training", per_intent=VOCABULARY_PER_INTENT)
    vocab = vocabulary([example.text for example in clean])
    tokenizer = SqueezeBertTokenizer(vocab, model_max_length=MAX_TOKENS)
    model = _untrained(len(vocab))
    learned = examples("training", per_intent=TRAINING_PER_INTENT, noisy=True)
    finetune(model, tokenizer, learned, TRAINING, report=_report)
    held_out = examples("held_out", per_intent=HELD_OUT_PER_INTENT)
    results = {
        "held_out": measure(model, tokenizer, held_out),
        "training": {"sentences": len(learned), **asdict(TRAINING)},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocabulary": len(vocab),
        "versions": {name: version(name) for name in ("torch", "tokenizers")},
    }
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _write(folder / "results.json", json.dumps(results, indent=2) + "\n")
    _write(folder / "README.md", _readme(results))
    return results


def _untrained(vocab_size: int) -> SqueezeBertForSequenceClassification:
    config = SqueezeBertConfig(
        vocab_size=vocab_size,
        problem_type="single_label_classification",
        extra={"license": LICENSE},
        **SIZES,
    )
    model = initialize("text-classification", config.with_labels(INTENTS), seed=SEED)
    assert isinstance(model, SqueezeBertForSequenceClassification)
    return model


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def _report(progress: Progress) -> None:
    if progress.step % 100 == 0 or progress.step == progress.steps:
        print(
            f"step {progress.step:>5} of {progress.steps}  epoch {progress.epoch}  "
            f"loss {progress.loss:.3f}",
            flush=True,
        )


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

`make demo-checkpoint` makes this folder again, from the grammars in export/assets/demo_grammar.
Licence: Apache-2.0.
"""


def main(arguments: Sequence[str]) -> None:
    """Write the demo into the folder that the command line names."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m squeezebert_mobile.export.demo FOLDER")
    held_out = make_demo(Path(arguments[0]))["held_out"]
    print(
        f"held-out accuracy {held_out['accuracy']:.1%} "
        f"({held_out['right']} of {held_out['sentences']} sentences)"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
