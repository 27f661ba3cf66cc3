"""Tiny random models of every family, ours and transformers', and checkpoint folders of them."""

from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

from squeezebert_mobile.models import families
from squeezebert_mobile.models.config import EncoderConfig

torch.set_num_threads(1)  # faster for products this small
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

FAMILIES = tuple(families.FAMILIES)

# All sizes differ, so that a swap of two is detected; the epsilon is large enough to matter.
_SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "type_vocab_size": 3,
    "layer_norm_eps": 1e-3,
}
_WORDS = (
    "a alarm at big cat clock cold dog half how in is it long me mat minute music no night on one "
    "past play rain sat set seven six small song stop sun the time to turn wake weather what yes"
).split()
_PIECES = ["##s", "##ing", "##ed", ".", ",", "?", "!"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS, *_PIECES]
VOCABULARY += [f"[unused{i}]" for i in range(_SIZES["vocab_size"] - len(VOCABULARY))]


def tiny_config(family: str = "squeezebert", **changes: Any) -> EncoderConfig:
    """A valid config of tiny sizes, with `changes`."""
    return families.FAMILIES[family].config_class(**(_SIZES | changes))


def tiny_theirs(
    family: str = "squeezebert",
    task: str = "feature-extraction",
    *,
    seed: int = 0,
    **changes: Any,
) -> transformers.PreTrainedModel:
    """transformers' model for `tiny_config` with all weights random, in evaluation mode.

    Biases and norms are random too: a swap of two that are all 0 or all 1 would go unnoticed.
    """
    config = tiny_config(family, **changes)
    model_class = getattr(transformers, families.architecture_of(config, task))
    settings = config.to_dict() | {"attn_implementation": "eager"}  # returns attentions
    model = model_class(model_class.config_class(**settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            is_norm = "norm" in name.lower() and name.endswith("weight")
            weight.copy_(1 + 0.2 * noise if is_norm else 0.2 * noise)
    return model.eval()


def write_vocabulary(folder: Path) -> None:
    """Write vocab.txt, tokenizer.json and tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    backend: tokenizers.Tokenizer = tokenizer.backend_tokenizer
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}\n', encoding="utf-8")


def write_checkpoint(
    folder: Path,
    family: str = "squeezebert",
    task: str = "feature-extraction",
    *,
    seed: int = 0,
    **changes: Any,
) -> transformers.PreTrainedModel:
    """Save `tiny_theirs` with its vocabulary as a checkpoint in `folder`, and return it."""
    theirs = tiny_theirs(family, task, seed=seed, **changes)
    theirs.save_pretrained(folder)
    write_vocabulary(folder)
    return theirs
