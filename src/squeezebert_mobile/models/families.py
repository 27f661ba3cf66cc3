"""The model families: one row each, with what differs between them besides their config class.

To add a family, add its config class in `config.py` and its row here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.config import (
    BertConfig,
    EncoderConfig,
    SqueezeBertConfig,
    read_config,
)
from squeezebert_mobile.tasks import TASKS

__all__ = [
    "FAMILIES",
    "Family",
    "architecture_of",
    "config_from_dict",
    "family_of",
    "load_config",
    "task_of",
]

#: transformers' weight names -> ours, both without the encoder's prefix. {} is the layer number,
#: * is weight and bias; None is a weight that is dropped on purpose.
WeightNames = Mapping[str, str | None]


@dataclass(frozen=True)
class Family:
    """What differs between model families in the checkpoints of transformers."""

    config_class: type[EncoderConfig]
    class_prefix: str  # of transformers' class names: SqueezeBert + ForMaskedLM
    weight_prefix: str  # of the encoder's weights in a checkpoint with a head
    encoder_weights: WeightNames
    stores_matrices: bool  # whether products are saved as (out, in), not (out, in, 1)
    returns_scores: bool  # output_attentions: the masked scores, not the softmax of them
    other_classes: Mapping[str, str] = field(
        default_factory=dict
    )  # further class names -> their task


_EMBEDDINGS: WeightNames = {
    "embeddings.word_embeddings.weight": "embeddings.word.weight",
    "embeddings.position_embeddings.weight": "embeddings.position.weight",
    "embeddings.token_type_embeddings.weight": "embeddings.token_type.weight",
    "embeddings.LayerNorm.*": "embeddings.norm.*",
    "embeddings.position_ids": None,  # buffers that older versions saved: 0, 1, 2, ... and 0, 0, 0
    "embeddings.token_type_ids": None,
}

#: model_type in config.json -> its family.
FAMILIES = {
    family.config_class.model_type: family
    for family in (
        Family(
            SqueezeBertConfig,
            class_prefix="SqueezeBert",
            weight_prefix="transformer.",
            encoder_weights={
                **_EMBEDDINGS,
                "encoder.layers.{}.attention.query.*": "layers.{}.query.*",
                "encoder.layers.{}.attention.key.*": "layers.{}.key.*",
                "encoder.layers.{}.attention.value.*": "layers.{}.value.*",
                "encoder.layers.{}.post_attention.conv1d.*": "layers.{}.attention_output.*",
                "encoder.layers.{}.post_attention.layernorm.*": "layers.{}.attention_norm.*",
                "encoder.layers.{}.intermediate.conv1d.*": "layers.{}.intermediate.*",
                "encoder.layers.{}.output.conv1d.*": "layers.{}.output.*",
                "encoder.layers.{}.output.layernorm.*": "layers.{}.output_norm.*",
                "pooler.dense.*": "pooler.*",
            },
            stores_matrices=False,
            returns_scores=True,
        ),
        Family(
            BertConfig,
            class_prefix="Bert",
            weight_prefix="bert.",
            encoder_weights={
                **_EMBEDDINGS,
                "encoder.layer.{}.attention.self.query.*": "layers.{}.query.*",
                "encoder.layer.{}.attention.self.key.*": "layers.{}.key.*",
                "encoder.layer.{}.attention.self.value.*": "layers.{}.value.*",
                "encoder.layer.{}.attention.output.dense.*": "layers.{}.attention_output.*",
                "encoder.layer.{}.attention.output.LayerNorm.*": "layers.{}.attention_norm.*",
                "encoder.layer.{}.intermediate.dense.*": "layers.{}.intermediate.*",
                "encoder.layer.{}.output.dense.*": "layers.{}.output.*",
                "encoder.layer.{}.output.LayerNorm.*": "layers.{}.output_norm.*",
                "pooler.dense.*": "pooler.*",
            },
            stores_matrices=True,
            returns_scores=False,
            # has the fill-mask head, and a next-sentence head that is dropped
            other_classes={"BertForPreTraining": "fill-mask"},
        ),
    )
}


def family_of(config: EncoderConfig) -> Family:
    """The family that `config` belongs to."""
    return FAMILIES[config.model_type]


#: Relatives of BERT that are not read, by model_type: what this package does not implement.
_NOT_READ = {
    "albert": "ALBERT's layers share their weights, and its vocabulary is SentencePiece",
    "camembert": "CamemBERT's vocabulary is SentencePiece",
    "deberta-v2": "DeBERTa's attention is relative to positions",
    "distilbert": "DistilBERT has no token types and no pooler",
    "electra": "ELECTRA has other heads, and embeddings of another width",
    "mobilebert": "MobileBERT has bottlenecks around its layers and another norm",
    "modernbert": "ModernBERT has rotary positions, and layers with local attention",
    "mpnet": "MPNet's attention is relative to positions",
    "roberta": "RoBERTa's vocabulary is byte-level BPE, and its positions begin after padding",
    "xlm-roberta": "XLM-RoBERTa's vocabulary is SentencePiece",
}


# Configs of any family ----------------------------------------------------------------------


def config_from_dict(data: Mapping[str, Any]) -> EncoderConfig:
    """The config described by the keys of a config.json, of the family that `model_type` names."""
    model_type = data.get("model_type")
    if isinstance(model_type, str) and model_type in FAMILIES:
        return FAMILIES[model_type].config_class.from_dict(data)
    raise CheckpointError(
        f"model_type is {model_type!r:.80}; this package reads "
        f"{' and '.join(repr(name) for name in FAMILIES)}{_what_else(model_type)}"
    )


def _what_else(model_type: Any) -> str:
    """The end of the message about another `model_type`: why it is not read, and what to do."""
    if model_type is None:
        return '; if the model is a BERT, add "model_type": "bert" to config.json'
    is_known = isinstance(model_type, str) and model_type in _NOT_READ
    why = f" ({_NOT_READ[model_type]})" if is_known else ""
    return f"{why}; use a BERT checkpoint for this task, or finetune one on your data"


def load_config(name: str | Path, *, revision: str | None = None) -> EncoderConfig:
    """The config of a checkpoint of any family, given as a folder or a Hub id.

    Args:
        name: The folder or Hub id.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.

    Raises:
        CheckpointError: there is no config.json, or this package cannot build its model.
    """
    return read_config(name, config_from_dict, revision)


# Class names --------------------------------------------------------------------------------


def architecture_of(config: EncoderConfig, task: str) -> str:
    """The transformers class for `config` with the head of `task`, such as BertForMaskedLM."""
    return family_of(config).class_prefix + TASKS[task].head


_TASK_OF_ARCHITECTURE = {
    name: task
    for family in FAMILIES.values()
    for name, task in {
        **{family.class_prefix + task.head: task.name for task in TASKS.values()},
        **family.other_classes,
    }.items()
}


def task_of(config: EncoderConfig) -> str:
    """The task that a checkpoint was saved for, from `architectures` in its config.

    Raises:
        CheckpointError: it names no class, or none with a supported head.
    """
    for name in config.architectures or ():
        if name in _TASK_OF_ARCHITECTURE:
            return _TASK_OF_ARCHITECTURE[name]
    named = ", ".join(config.architectures or ()) or "nothing"
    raise CheckpointError(
        f"config.json does not say what the model is for: architectures names {named}; "
        f"give --task, one of: {', '.join(TASKS)}"
    )
