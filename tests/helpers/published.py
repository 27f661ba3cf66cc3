"""Checkpoints with the files of the published SqueezeBERT checkpoints, at a small width."""

import json
from pathlib import Path
from typing import Any

import tiny
import torch
import transformers

#: The keys of the published config.json; the sizes are small. There is no `architectures`.
CONFIG: dict[str, Any] = {
    "attention_probs_dropout_prob": 0.1,
    "embedding_size": 24,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 24,
    "initializer_range": 0.02,
    "intermediate_groups": 4,
    "intermediate_size": 48,
    "k_groups": 4,
    "max_position_embeddings": 40,
    "model_type": "squeezebert",
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "output_groups": 4,
    "post_attention_groups": 1,
    "q_groups": 4,
    "type_vocab_size": 2,
    "v_groups": 4,
    "vocab_size": 70,  # of which the vocabulary has 64 tokens
}

#: Name -> the head of transformers that has its weights, and what its config.json adds.
PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "squeezebert-uncased": ("SqueezeBertForMaskedLM", {}),
    "squeezebert-mnli": ("SqueezeBertForSequenceClassification", {"num_labels": 3}),
    "squeezebert-mnli-headless": ("SqueezeBertModel", {}),
    "squeezebert-squadv2": (
        "SqueezeBertForQuestionAnswering",
        {"layer_norm_eps": 1e-12, "pad_token_id": 0},
    ),
}


def write_published(folder: Path, name: str, **changes: Any) -> transformers.PreTrainedModel:
    """Write one of PUBLISHED into `folder`, with `changes` of its config; returns the model."""
    head, added = PUBLISHED[name]
    tiny.write_vocabulary(folder)
    (folder / "tokenizer.json").unlink()
    config = CONFIG | added | changes
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    (folder / "README.md").write_text("# SqueezeBERT pretrained model\n", encoding="utf-8")
    model_class = getattr(transformers, head)
    theirs = model_class(transformers.SqueezeBertConfig(**config)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    weights = {key: tensor.clone() for key, tensor in theirs.state_dict().items()}
    weights = {key: w for key, w in weights.items() if "position_ids" not in key}
    if head == "SqueezeBertModel":
        weights = {f"transformer.{key}": tensor for key, tensor in weights.items()}
    if head == "SqueezeBertForMaskedLM":
        weights["cls.seq_relationship.weight"] = torch.ones(2, 24)
        weights["cls.seq_relationship.bias"] = torch.ones(2)
    torch.save(weights, folder / "pytorch_model.bin")
    return theirs
