"""The heads of SqueezeBERT and BERT, one class for each task, with their losses.

Shapes: B batch, N choices, S sequence, C channels (hidden size), L labels, V vocabulary.
"""
# ruff: noqa: D107  (the class docstring says what a config makes of it)

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.models.activations import ACTIVATIONS
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.modeling import (
    EncoderOptions,
    EncoderOutput,
    PretrainedModel,
    SqueezeBertModel,
    init_weights,
)
from squeezebert_mobile.models.weights import is_tied
from squeezebert_mobile.tasks import get_task

__all__ = [
    "MODEL_CLASSES",
    "HeadOutput",
    "QuestionAnsweringOutput",
    "SqueezeBertForMaskedLM",
    "SqueezeBertForMultipleChoice",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
    "TiedDecoder",
    "initialize",
]


# Outputs ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HeadOutput:
    """The outputs of a head with one set of logits."""

    logits: Tensor
    loss: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class QuestionAnsweringOutput:
    """The outputs of the question-answering head."""

    start_logits: Tensor  # (B, S)
    end_logits: Tensor  # (B, S)
    loss: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


# Heads --------------------------------------------------------------------------------------


class TiedDecoder(nn.Module):
    """Hidden states to vocabulary logits: the word embeddings as weight, and a separate bias."""

    def __init__(self, words: nn.Embedding) -> None:
        super().__init__()
        self._words = (words,)  # in a tuple, so that it is not registered as a submodule
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))

    @property
    def weight(self) -> Tensor:
        """The word embeddings (V, C)."""
        return self._words[0].weight

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, C) to (B, S, V)."""
        return functional.linear(hidden, self.weight, self.bias)


class _Head(PretrainedModel):
    """Base class of the heads: the encoder, with a pooler if the task uses one."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.base = SqueezeBertModel(config, pooler=get_task(self.task).uses_pooler)


class SqueezeBertForMaskedLM(_Head):
    """fill-mask: predicts the token at each position."""

    task = "fill-mask"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        hidden = config.hidden_size
        self.transform = nn.Linear(hidden, hidden)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.transform_norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        words = self.base.embeddings.word
        is_tied = config.tie_word_embeddings
        self.decoder = TiedDecoder(words) if is_tied else nn.Linear(hidden, config.vocab_size)
        init_weights(self.transform, config.initializer_range)
        if not is_tied:
            init_weights(self.decoder, config.initializer_range)

    @classmethod
    def on_meta(cls, config: EncoderConfig, tensors: Mapping[str, Tensor]) -> Self:
        """The model on the meta device; its decoder has its own weights if those in the file do."""
        if is_tied(tensors, config) == config.tie_word_embeddings:
            return super().on_meta(config, tensors)
        note = (
            "the decoder of the checkpoint (cls.predictions.decoder.weight) is used, as in "
            "transformers: it differs from the word embeddings, though tie_word_embeddings is true"
        )
        untied = replace(config, tie_word_embeddings=False)
        return super().on_meta(untied.with_notes(*config.notes, note), tensors)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        **options: Unpack[EncoderOptions],
    ) -> HeadOutput:
        """Logits (B, S, V); the loss over labels (B, S), where -100 is ignored."""
        out: EncoderOutput = self.base(input_ids, attention_mask, token_type_ids, **options)
        hidden = self.transform_norm(self.activation(self.transform(out.last_hidden_state)))
        logits = self.decoder(hidden)
        return _output(out, logits, _cross_entropy(logits, labels))


class SqueezeBertForSequenceClassification(_Head):
    """text-classification: predicts labels, or numbers, for the whole text."""

    task = "text-classification"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        init_weights(self.classifier, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        **options: Unpack[EncoderOptions],
    ) -> HeadOutput:
        """Logits (B, L); the loss for label ids (B) or numbers (B, L)."""
        out: EncoderOutput = self.base(input_ids, attention_mask, token_type_ids, **options)
        logits = self.classifier(self.dropout(out.pooler_output))
        return _output(out, logits, _sequence_loss(self.config, logits, labels))


class SqueezeBertForMultipleChoice(_Head):
    """multiple-choice: scores N continuations of a text."""

    task = "multiple-choice"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.classifier = nn.Linear(config.hidden_size, 1)
        init_weights(self.classifier, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        **options: Unpack[EncoderOptions],
    ) -> HeadOutput:
        """Logits (B, N) from inputs (B, N, S); the loss for labels (B)."""
        first = options.get("inputs_embeds") if input_ids is None else input_ids
        if first is None:
            raise InputError("give either input_ids or inputs_embeds, not both")
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


class SqueezeBertForTokenClassification(_Head):
    """token-classification: predicts a label for every token."""

    task = "token-classification"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        init_weights(self.classifier, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        **options: Unpack[EncoderOptions],
    ) -> HeadOutput:
        """Logits (B, S, L); the loss over labels (B, S), where -100 is ignored."""
        out: EncoderOutput = self.base(input_ids, attention_mask, token_type_ids, **options)
        logits = self.classifier(self.dropout(out.last_hidden_state))
        return _output(out, logits, _cross_entropy(logits, labels))


class SqueezeBertForQuestionAnswering(_Head):
    """question-answering: predicts where in the text the answer starts and ends."""

    task = "question-answering"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.classifier = nn.Linear(config.hidden_size, 2)
        init_weights(self.classifier, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        **options: Unpack[EncoderOptions],
    ) -> QuestionAnsweringOutput:
        """Start and end logits (B, S); the mean of both losses for positions (B).

        Positions outside the text are ignored.
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


def _output(out: EncoderOutput, logits: Tensor, loss: Tensor | None) -> HeadOutput:
    return HeadOutput(
        logits=logits, loss=loss, hidden_states=out.hidden_states, attentions=out.attentions
    )


def _merge_choices(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.flatten(0, 1)  # (B, N, S, ...) to (B*N, S, ...)


# Losses -------------------------------------------------------------------------------------


def _cross_entropy(logits: Tensor, labels: Tensor | None) -> Tensor | None:
    """The mean over the labels, where -100 is ignored."""
    if labels is None:
        return None
    return functional.cross_entropy(logits.flatten(0, -2), labels.flatten())


def _position_loss(logits: Tensor, positions: Tensor) -> Tensor:
    length = logits.shape[1]
    return functional.cross_entropy(
        logits, positions.flatten().clamp(0, length), ignore_index=length
    )


def _sequence_loss(config: EncoderConfig, logits: Tensor, labels: Tensor | None) -> Tensor | None:
    """The loss for config.problem_type, which is inferred from the labels where it is None."""
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


# By task ------------------------------------------------------------------------------------

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


def initialize(task: str, config: EncoderConfig, *, seed: int = 0) -> PretrainedModel:
    """A model with random weights, determined by `seed`; the global generator is not changed.

    The distribution is the published one: normal with standard deviation config.initializer_range,
    biases 0, layer norms 1.

    Raises:
        ExportError: the task is unknown.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODEL_CLASSES[get_task(task).name](config).eval()
