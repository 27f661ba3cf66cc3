"""The encoder of SqueezeBERT and BERT as published: pointwise grouped convolutions.

One encoder serves both families: BERT's matrix product is a convolution with one group.
Shapes: B batch, S sequence, C channels (hidden size), H heads, D channels of a head.
Data is (B, C, S) inside the encoder and (B, S, C) outside.
"""
# ruff: noqa: D107  (the class docstring says what a config makes of it)

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self, TypedDict

import torch
from torch import Tensor, nn

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.hub import checkpoint_folder
from squeezebert_mobile.models.activations import ACTIVATIONS
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.families import architecture_of, family_of, load_config
from squeezebert_mobile.models.weight_files import read_weights
from squeezebert_mobile.models.weights import has_pooler, load_weights, save_weights
from squeezebert_mobile.tasks import OPTIONAL_OUTPUTS, get_task

__all__ = [
    "EncoderLayer",
    "EncoderOptions",
    "EncoderOutput",
    "PretrainedModel",
    "SqueezeBertModel",
    "additive_attention_mask",
    "encoder_outputs",
    "init_weights",
]


@dataclass(frozen=True, kw_only=True)
class EncoderOutput:
    """The outputs of the encoder."""

    last_hidden_state: Tensor  # (B, S, C)
    pooler_output: Tensor | None  # (B, C); None without a pooler
    hidden_states: tuple[Tensor, ...] | None = None  # layers + 1 of (B, S, C)
    attentions: tuple[Tensor, ...] | None = None  # layers of (B, H, S, S)


class EncoderOptions(TypedDict, total=False):
    """The arguments that every head passes on to the encoder unchanged."""

    position_ids: Tensor | None
    inputs_embeds: Tensor | None
    output_attentions: bool
    output_hidden_states: bool


# Encoder ------------------------------------------------------------------------------------


class Embeddings(nn.Module):
    """The layer norm of the sum of word, position and token type embeddings."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.word = _embedding(config.vocab_size, hidden, padding=config.pad_token_id)
        self.position = _embedding(config.max_position_embeddings, hidden)
        self.token_type = _embedding(config.type_vocab_size, hidden)
        self.norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        """The first hidden state, (B, S, C)."""
        if inputs_embeds is None:
            inputs_embeds = self.word(input_ids)  # (B, S, C)
        batch, length, _ = inputs_embeds.shape
        device = inputs_embeds.device
        if position_ids is None:
            position_ids = torch.arange(length, device=device).unsqueeze(0)  # (1, S)
        if token_type_ids is None:
            token_type_ids = torch.zeros(batch, length, dtype=torch.long, device=device)
        if self.token_type.num_embeddings == 1:
            # Such a model has one type for both texts of a pair, as tokenizers without token types
            # have it in transformers. A product, so that an exported model keeps the input.
            token_type_ids = token_type_ids * 0
        total = inputs_embeds + self.position(position_ids) + self.token_type(token_type_ids)
        return self.dropout(self.norm(total))  # type: ignore[no-any-return]


def _embedding(count: int, size: int, *, padding: int | None = None) -> nn.Embedding:
    """An uninitialized table: nn.Embedding would draw values that `init_weights` draws again."""
    table: nn.Embedding = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        torch.empty(count, size), freeze=False, padding_idx=padding
    )
    return table


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with a residual connection and a layer norm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        hidden, wide = config.hidden_size, config.intermediate_size
        eps = config.encoder_layer_norm_eps
        self.heads = config.num_attention_heads
        self.head_size = hidden // self.heads
        self.query = nn.Conv1d(hidden, hidden, 1, groups=config.q_groups)
        self.key = nn.Conv1d(hidden, hidden, 1, groups=config.k_groups)
        self.value = nn.Conv1d(hidden, hidden, 1, groups=config.v_groups)
        self.attention_output = nn.Conv1d(hidden, hidden, 1, groups=config.post_attention_groups)
        self.attention_norm = nn.LayerNorm(hidden, eps=eps)
        self.intermediate = nn.Conv1d(hidden, wide, 1, groups=config.intermediate_groups)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.output = nn.Conv1d(wide, hidden, 1, groups=config.output_groups)
        self.output_norm = nn.LayerNorm(hidden, eps=eps)
        self.attention_dropout = nn.Dropout(config.attention_probs_dropout_prob)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.returns_scores = family_of(config).returns_scores

    def forward(self, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next hidden state (B, C, S) and the attention (B, H, S, S), as in transformers.

        There, attention is the masked scores before the softmax for SqueezeBERT, and the
        probabilities for BERT.
        """
        context, attention = self._attend(hidden, mask)
        attended = self._add_norm(self.attention_output(context), hidden, self.attention_norm)
        wide = self.activation(self.intermediate(attended))  # (B, intermediate, S)
        return self._add_norm(self.output(wide), attended, self.output_norm), attention

    def _attend(self, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        query, key, value = (
            self._split_heads(projection(hidden))
            for projection in (self.query, self.key, self.value)
        )
        scores = query.transpose(2, 3) @ key / math.sqrt(self.head_size)  # (B, H, S, S)
        if mask is not None:
            scores = scores + mask
        probabilities = self.attention_dropout(scores.softmax(dim=-1))
        context = value @ probabilities.transpose(2, 3)  # (B, H, D, S)
        return context.flatten(1, 2), scores if self.returns_scores else probabilities

    def _split_heads(self, x: Tensor) -> Tensor:
        batch, _, length = x.shape
        return x.reshape(batch, self.heads, self.head_size, length)  # (B, H, D, S)

    def _add_norm(self, x: Tensor, residual: Tensor, norm: nn.Module) -> Tensor:
        total = self.dropout(x) + residual
        return norm(total.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]  # (B, C, S)


# Loading, saving, initializing --------------------------------------------------------------


class PretrainedModel(nn.Module):
    """Base class of the encoder and the heads: the config, and loading and saving checkpoints."""

    task: ClassVar[str]

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how the checkpoint was read."""
        # Not an attribute of the module: torch.jit.trace would store it.
        return self.config.notes

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        """The float32 outputs that the model has, in order: name -> axes."""
        return get_task(self.task).outputs

    def keep_one_token_type(self) -> None:
        """Take all token types as 0: the others are removed."""
        for module in self.modules():
            if isinstance(module, Embeddings):
                table = module.token_type
                table.weight = nn.Parameter(table.weight[:1].detach().clone())
                table.num_embeddings = 1
            if isinstance(module, PretrainedModel):
                module.config = module.config.with_one_token_type()

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None) -> Self:
        """Load the model of a checkpoint, in evaluation mode and float32.

        Args:
            name: A folder in Hugging Face layout, or a Hub id.
            revision: A branch, a tag or a commit of a Hub id; None is its default branch.

        Raises:
            CheckpointError: the config is invalid, or weights are missing or of the wrong shape.
        """
        folder = checkpoint_folder(name, revision=revision, check=load_config)
        return cls.from_tensors(folder, load_config(folder), read_weights(folder))

    @classmethod
    def from_tensors(
        cls, folder: Path, config: EncoderConfig, tensors: Mapping[str, Tensor]
    ) -> Self:
        """`from_pretrained`, for files of `folder` that have been read.

        Raises:
            CheckpointError: weights are missing, or of the wrong shape.
        """
        model = cls.on_meta(config, tensors)  # allocates nothing until the shapes are checked
        notes = load_weights(model, tensors, folder, model.config, cls.task)
        model.config = model.config.with_notes(*notes)
        return model.eval()

    @classmethod
    def on_meta(cls, config: EncoderConfig, tensors: Mapping[str, Tensor]) -> Self:
        """The model on the meta device, with those optional parts that `tensors` has weights of."""
        with torch.device("meta"):
            return cls(config)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors in the form that transformers reads."""
        folder = Path(folder)
        architectures = (architecture_of(self.config, self.task),)
        replace(self.config, architectures=architectures).save_pretrained(folder)
        save_weights(self, folder, self.config, self.task)


def init_weights(model: nn.Module, std: float) -> None:
    """Draw the weights of every layer from the global generator, in module order."""
    if any(weight.is_meta for weight in model.parameters()):
        return  # nothing to write to, and the first normal_ on meta imports modules for seconds
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=std)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])


class SqueezeBertModel(PretrainedModel):
    """The encoder: the hidden states of all tokens, and the pooled first token.

    Args:
        config: The architecture.
        pooler: Whether to add a pooler; heads that read every token have none.
    """

    task = "feature-extraction"

    def __init__(self, config: EncoderConfig, *, pooler: bool = True) -> None:
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size) if pooler else None
        init_weights(self, config.initializer_range)

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        """The float32 outputs that the encoder has, in order: name -> axes."""
        return encoder_outputs(self.pooler)

    @classmethod
    def on_meta(cls, config: EncoderConfig, tensors: Mapping[str, Tensor]) -> Self:
        """The encoder on the meta device, with a pooler if the checkpoint has one."""
        pooler = has_pooler(tensors, config)
        if not pooler:
            note = "the checkpoint has no pooler, so the model has no pooler_output"
            config = config.with_notes(note)
        with torch.device("meta"):
            return cls(config, pooler=pooler)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> EncoderOutput:
        """Run the encoder.

        Args:
            input_ids: Token ids (B, S); either these or inputs_embeds.
            attention_mask: 1 for a token, 0 for padding (B, S); default all 1.
            token_type_ids: 0 for the first text, 1 for the second (B, S); default all 0. A model
                with a type_vocab_size of 1 takes all of them as 0.
            position_ids: (B, S) or (1, S); default 0, 1, 2, ...
            inputs_embeds: Word embeddings (B, S, C) in place of input_ids.
            output_attentions: Whether to return the attention of every layer.
            output_hidden_states: Whether to return the embeddings and every layer's output.

        Raises:
            InputError: the inputs are missing, of the wrong form, or too long for the model.
        """
        _check_inputs(self.config, input_ids, inputs_embeds, attention_mask)
        embedded = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        mask = (
            None
            if attention_mask is None
            else additive_attention_mask(attention_mask, embedded.dtype)
        )
        hidden = embedded.transpose(1, 2)  # (B, C, S)
        states, attentions = [hidden], []
        for layer in self.layers:
            hidden, attention = layer(hidden, mask)
            if output_hidden_states:
                states.append(hidden)
            if output_attentions:
                attentions.append(attention)
        last = hidden.transpose(1, 2)  # (B, S, C)
        pooled = None if self.pooler is None else torch.tanh(self.pooler(last[:, 0]))
        return EncoderOutput(
            last_hidden_state=last,
            pooler_output=pooled,
            hidden_states=tuple(s.transpose(1, 2) for s in states)
            if output_hidden_states
            else None,
            attentions=tuple(attentions) if output_attentions else None,
        )


def encoder_outputs(pooler: nn.Module | None) -> dict[str, tuple[str, ...]]:
    """The outputs of an encoder, in order: name -> axes."""
    outputs = get_task(SqueezeBertModel.task).outputs
    return {
        name: axes
        for name, axes in outputs.items()
        if pooler is not None or name not in OPTIONAL_OUTPUTS
    }


def additive_attention_mask(attention_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask to add to attention scores: 0 for a token, the lowest number for padding.

    Args:
        attention_mask: 1 for a token, 0 for padding (B, S).
        dtype: The dtype of the scores.

    Returns:
        The mask (B, 1, 1, S).
    """
    zeros = torch.zeros_like(attention_mask, dtype=dtype)
    lowest = torch.finfo(dtype).min
    return zeros.masked_fill(attention_mask == 0, lowest)[:, None, None, :]


def _check_inputs(
    config: EncoderConfig,
    input_ids: Tensor | None,
    inputs_embeds: Tensor | None,
    attention_mask: Tensor | None,
) -> None:
    inputs = [x for x in (input_ids, inputs_embeds) if x is not None]
    if len(inputs) != 1:
        raise InputError("give either input_ids or inputs_embeds, not both")
    if attention_mask is not None and attention_mask.dim() != 2:
        raise InputError(
            f"attention_mask has {attention_mask.dim()} axes; it must be [batch, sequence]"
        )
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    if tracing or torch.compiler.is_compiling():
        return  # a length is symbolic there; comparing it would make it static
    length, maximum = inputs[0].shape[1], config.max_position_embeddings
    if length > maximum:
        raise InputError(
            f"the input has {length} tokens, but the model reads at most {maximum}; shorten it "
            f"with truncation=True, max_length={maximum}"
        )
