"""SqueezeBERT and BERT with every head, in the published form: pointwise grouped convolutions.

One encoder serves both families: BERT's matrix product is the convolution with one group.
Shapes: B batch, N choices, S sequence, C channels (hidden size), H heads, D channels of a head,
L labels, V vocabulary. Inside the encoder the data is (B, C, S), outside (B, S, C).
"""
# ruff: noqa: D107  (a class says what its config makes of it)

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self, TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.errors import CheckpointError, InputError
from squeezebert_mobile.hub import checkpoint_folder
from squeezebert_mobile.models.activations import ACTIVATIONS
from squeezebert_mobile.models.config import SqueezeBertConfig, architecture_of
from squeezebert_mobile.models.weights import load_weights, save_weights
from squeezebert_mobile.tasks import get_task

__all__ = [
    "MODEL_CLASSES",
    "EncoderOutput",
    "HeadOutput",
    "PretrainedModel",
    "QuestionAnsweringOutput",
    "SqueezeBertForMaskedLM",
    "SqueezeBertForMultipleChoice",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
    "SqueezeBertModel",
    "TiedDecoder",
    "additive_mask",
    "initialize",
]


# Outputs ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EncoderOutput:
    """What the encoder gives."""

    last_hidden_state: Tensor  # (B, S, C)
    pooler_output: Tensor | None  # (B, C); None where the task has no pooler
    hidden_states: tuple[Tensor, ...] | None = None  # layers + 1 of (B, S, C)
    attentions: tuple[Tensor, ...] | None = None  # layers of (B, H, S, S)


@dataclass(frozen=True, kw_only=True)
class HeadOutput:
    """What a head with one output gives."""

    logits: Tensor
    loss: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class QuestionAnsweringOutput:
    """What the question-answering head gives."""

    start_logits: Tensor  # (B, S)
    end_logits: Tensor  # (B, S)
    loss: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class Options(TypedDict, total=False):
    """The arguments that every head hands on to the encoder as they are."""

    position_ids: Tensor | None
    inputs_embeds: Tensor | None
    output_attentions: bool
    output_hidden_states: bool


# Encoder ------------------------------------------------------------------------------------


class Embeddings(nn.Module):
    """Word, position and token type vectors: their sum, normalised."""

    def __init__(self, config: SqueezeBertConfig) -> None:
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
        total = inputs_embeds + self.position(position_ids) + self.token_type(token_type_ids)
        return self.dropout(self.norm(total))  # type: ignore[no-any-return]


def _embedding(count: int, size: int, *, padding: int | None = None) -> nn.Embedding:
    """A table without values yet: nn.Embedding would draw them, and `_randomize` does so again."""
    table: nn.Embedding = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        torch.empty(count, size), freeze=False, padding_idx=padding
    )
    return table


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each added to its input and normalised over channels."""

    def __init__(self, config: SqueezeBertConfig) -> None:
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
        self.returns_scores = config.model_type == "squeezebert"

    def forward(self, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next hidden state (B, C, S), and the attention (B, H, S, S) as transformers has it.

        That is the masked scores before the softmax for SqueezeBERT, the probabilities for BERT.
        """
        context, attention = self._attend(hidden, mask)
        attended = self._add_norm(self.attention_output(context), hidden, self.attention_norm)
        wide = self.activation(self.intermediate(attended))  # (B, intermediate, S)
        return self._add_norm(self.output(wide), attended, self.output_norm), attention

    def _attend(self, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        query, key, value = (
            self._split_heads(product(hidden)) for product in (self.query, self.key, self.value)
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


# Loading, saving, initialising --------------------------------------------------------------


class PretrainedModel(nn.Module):
    """What the encoder and the heads share: a config, and reading and writing checkpoints."""

    task: ClassVar[str]

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """The model of a checkpoint, in evaluation mode and float32.

        Args:
            name: A folder in Hugging Face layout, or a Hub id.

        Raises:
            CheckpointError: the config, or a weight that is missing, unknown or of another shape.
        """
        folder = checkpoint_folder(name)
        config = SqueezeBertConfig.from_pretrained(folder)
        with torch.device("meta"):  # no memory before the file's shapes are known to fit
            model = cls(config)
        load_weights(model, folder, config, cls.task)
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors so that transformers reads them too."""
        folder = Path(folder)
        names = (architecture_of(self.config, self.task),)
        replace(self.config, architectures=names).save_pretrained(folder)
        save_weights(self, folder, self.config, self.task)


def initialize(task: str, config: SqueezeBertConfig, *, seed: int = 0) -> PretrainedModel:
    """A model with random weights, the same ones for the same seed; the global seed is untouched.

    The distribution is the published one: normal with config.initializer_range, biases 0, norms 1.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODEL_CLASSES[get_task(task).name](config).eval()


def _randomize(model: nn.Module, deviation: float) -> None:
    """Draw the weights of every layer of `model` from the global generator, in order."""
    if any(weight.is_meta for weight in model.parameters()):
        return  # nothing to write to; and the first normal_ there imports for seconds
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.normal_(module.weight, std=deviation)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=deviation)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])


class SqueezeBertModel(PretrainedModel):
    """The encoder: hidden states of every token, and the pooled first token.

    Args:
        config: The architecture.
        pooler: Whether to have a pooler; the heads that read every token have none.
    """

    task = "feature-extraction"

    def __init__(self, config: SqueezeBertConfig, *, pooler: bool = True) -> None:
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size) if pooler else None
        _randomize(self, config.initializer_range)

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
            input_ids: Token ids (B, S); this or inputs_embeds.
            attention_mask: 1 for a token, 0 for padding (B, S); default all 1.
            token_type_ids: 0 for the first text, 1 for the second (B, S); default all 0.
            position_ids: (B, S) or (1, S); default 0, 1, 2, ...
            inputs_embeds: Word vectors (B, S, C) in place of input_ids.
            output_attentions: Whether to give every layer's attention.
            output_hidden_states: Whether to give every hidden state, the embeddings' first.
        """
        _check_inputs(self.config, input_ids, inputs_embeds, attention_mask)
        embedded = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        mask = None if attention_mask is None else additive_mask(attention_mask, embedded.dtype)
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


def additive_mask(attention_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a token may be looked at, the lowest number where not: (B, 1, 1, S)."""
    zeros = torch.zeros_like(attention_mask, dtype=dtype)
    lowest = torch.finfo(dtype).min
    return zeros.masked_fill(attention_mask == 0, lowest)[:, None, None, :]


def _check_inputs(
    config: SqueezeBertConfig,
    input_ids: Tensor | None,
    inputs_embeds: Tensor | None,
    attention_mask: Tensor | None,
) -> None:
    given = [x for x in (input_ids, inputs_embeds) if x is not None]
    if len(given) != 1:
        raise InputError("give either input_ids or inputs_embeds, and not both")
    if attention_mask is not None and attention_mask.dim() != 2:
        raise InputError(
            f"attention_mask has {attention_mask.dim()} axes; it must be [batch, sequence]"
        )
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    if tracing or torch.compiler.is_compiling():
        return  # there a length is a symbol, and comparing it would fix it
    length, longest = given[0].shape[1], config.max_position_embeddings
    if length > longest:
        raise InputError(
            f"the input has {length} tokens and the model reads {longest} at most; shorten it "
            f"with truncation=True, max_length={longest}"
        )


# Heads --------------------------------------------------------------------------------------


class TiedDecoder(nn.Module):
    """Hidden states to logits of the vocabulary, by the word embeddings and a bias of its own."""

    def __init__(self, words: nn.Embedding) -> None:
        super().__init__()
        self._words = (words,)  # a tuple: it is a module of the encoder, not of this one
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))

    @property
    def weight(self) -> Tensor:
        """The table (V, C)."""
        return self._words[0].weight

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, C) to (B, S, V)."""
        return functional.linear(hidden, self.weight, self.bias)


class SqueezeBertForMaskedLM(PretrainedModel):
    """fill-mask: which token stands at each position."""

    task = "fill-mask"

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        if not config.tie_word_embeddings:
            raise CheckpointError(
                "tie_word_embeddings is False, and this fill-mask head has no output weights of "
                "its own; fine-tune it for fill-mask with tied embeddings, or choose another task"
            )
        hidden = config.hidden_size
        self.base = SqueezeBertModel(config, pooler=False)
        self.transform = nn.Linear(hidden, hidden)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.transform_norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.decoder = TiedDecoder(self.base.embeddings.word)
        _randomize(self.transform, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        **options: Unpack[Options],
    ) -> HeadOutput:
        """Logits (B, S, V); the loss over the labels (B, S) that are not -100."""
        out: EncoderOutput = self.base(input_ids, attention_mask, token_type_ids, **options)
        hidden = self.transform_norm(self.activation(self.transform(out.last_hidden_state)))
        logits = self.decoder(hidden)
        return _output(out, logits, _cross_entropy(logits, labels))


class SqueezeBertForSequenceClassification(PretrainedModel):
    """text-classification: labels, or numbers, for the whole text."""

    task = "text-classification"

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.base = SqueezeBertModel(config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        _randomize(self.classifier, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        **options: Unpack[Options],
    ) -> HeadOutput:
        """Logits (B, L); the loss for labels (B) of ids, or (B, L) of numbers."""
        out: EncoderOutput = self.base(input_ids, attention_mask, token_type_ids, **options)
        logits = self.classifier(self.dropout(out.pooler_output))
        return _output(out, logits, _sequence_loss(self.config, logits, labels))


class SqueezeBertForMultipleChoice(PretrainedModel):
    """multiple-choice: which of N continuations fits."""

    task = "multiple-choice"

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.base = SqueezeBertModel(config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.classifier = nn.Linear(config.hidden_size, 1)
        _randomize(self.classifier, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        **options: Unpack[Options],
    ) -> HeadOutput:
        """Logits (B, N) from inputs (B, N, S); the loss for labels (B)."""
        first = options.get("inputs_embeds") if input_ids is None else input_ids
        if first is None:
            raise InputError("give either input_ids or inputs_embeds, and not both")
        choices = first.shape[1]
        options["position_ids"] = _merge_choices(options.get("position_ids"))
        options["inputs_embeds"] = _merge_choices(options.get("inputs_embeds"))
        out: EncoderOutput = self.base(
            _merge_choices(input_ids),
            _merge_choices(attention_mask),
            _merge_choices(token_type_ids),
            **options,
        )
        scores = self.classifier(self.dropout(out.pooler_output))  # (B*N, 1)
        logits = scores.reshape(-1, choices)  # (B, N)
        return _output(out, logits, _cross_entropy(logits, labels))


class SqueezeBertForTokenClassification(PretrainedModel):
    """token-classification: a label for every token."""

    task = "token-classification"

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.base = SqueezeBertModel(config, pooler=False)
        self.dropout = nn.Dropout(config.head_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        _randomize(self.classifier, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        **options: Unpack[Options],
    ) -> HeadOutput:
        """Logits (B, S, L); the loss over the labels (B, S) that are not -100."""
        out: EncoderOutput = self.base(input_ids, attention_mask, token_type_ids, **options)
        logits = self.classifier(self.dropout(out.last_hidden_state))
        return _output(out, logits, _cross_entropy(logits, labels))


class SqueezeBertForQuestionAnswering(PretrainedModel):
    """question-answering: where in the text the answer begins and ends."""

    task = "question-answering"

    def __init__(self, config: SqueezeBertConfig) -> None:
        super().__init__(config)
        self.base = SqueezeBertModel(config, pooler=False)
        self.classifier = nn.Linear(config.hidden_size, 2)
        _randomize(self.classifier, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        **options: Unpack[Options],
    ) -> QuestionAnsweringOutput:
        """Start and end logits (B, S); the mean of both losses for positions (B).

        A position outside the text does not count.
        """
        out: EncoderOutput = self.base(input_ids, attention_mask, token_type_ids, **options)
        start, end = self.classifier(out.last_hidden_state).unbind(-1)  # (B, S) each
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = (_position_loss(start, start_positions) + _position_loss(end, end_positions)) / 2
        return QuestionAnsweringOutput(
            start_logits=start,
            end_logits=end,
            loss=loss,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )


MODEL_CLASSES: dict[str, type[PretrainedModel]] = {
    model.task: model
    for model in (
        SqueezeBertModel,
        SqueezeBertForMaskedLM,
        SqueezeBertForSequenceClassification,
        SqueezeBertForMultipleChoice,
        SqueezeBertForTokenClassification,
        SqueezeBertForQuestionAnswering,
    )
}


def _output(out: EncoderOutput, logits: Tensor, loss: Tensor | None) -> HeadOutput:
    return HeadOutput(
        logits=logits, loss=loss, hidden_states=out.hidden_states, attentions=out.attentions
    )


def _merge_choices(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.flatten(0, 1)  # (B, N, S, ...) to (B*N, S, ...)


# Losses -------------------------------------------------------------------------------------


def _cross_entropy(logits: Tensor, labels: Tensor | None) -> Tensor | None:
    """The mean over the labels that are not -100."""
    if labels is None:
        return None
    return functional.cross_entropy(logits.flatten(0, -2), labels.flatten())


def _position_loss(logits: Tensor, positions: Tensor) -> Tensor:
    length = logits.shape[1]
    return functional.cross_entropy(
        logits, positions.flatten().clamp(0, length), ignore_index=length
    )


def _sequence_loss(
    config: SqueezeBertConfig, logits: Tensor, labels: Tensor | None
) -> Tensor | None:
    """By config.problem_type, or by what the labels look like where it is not given."""
    if labels is None:
        return None
    problem = config.problem_type or _problem_type(config.num_labels, labels.dtype)
    if problem == "single_label_classification":
        return _cross_entropy(logits, labels)
    numbers = labels.to(logits.dtype).reshape(logits.shape)
    if problem == "regression":
        return functional.mse_loss(logits, numbers)
    return functional.binary_cross_entropy_with_logits(logits, numbers)


def _problem_type(num_labels: int, dtype: torch.dtype) -> str:
    if num_labels == 1:
        return "regression"
    whole = dtype in {torch.long, torch.int}
    return "single_label_classification" if whole else "multi_label_classification"
