"""The rewrite that makes SqueezeBERT fast: grouped convolutions become matrix products.

A pointwise convolution with G groups is G independent matrix products. Runtimes execute the
products much faster than the convolution, above all in int8, where they have no kernel for grouped
convolutions. The rewritten model differs from the published one as follows:

    - data stays (B, S, C), the layout of a matrix product, so no product needs a transpose;
    - group g of query, key and value is one product, and the heads of group g attend before
      anything is concatenated (if all three have the same group count and groups hold whole heads);
    - group g runs through both feed-forward products, with no concatenation between them;
    - 1/sqrt(head size) is folded into the query's weights;
    - layer norms only normalize: their scale is folded into the weights that read the result and
      into the residual connection, their shift into biases. The products' inputs are then even
      enough for int8 (gamma migration, arXiv 2209.13325), and the operator is faster;
    - if the head reads only the first token, the last layer computes only that one.

`prove_equal` compares the result with the original.
Shapes: B batch, S sequence, C channels, G groups.
"""
# ruff: noqa: D107  (the class docstring says what a module becomes)

import copy
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.models.linear_layers import (
    FeedForward,
    FirstTokenAttention,
    Grouped,
    WideFeedForward,
    by_group,
    has_whole_heads,
    make_attention,
    make_feed_forward,
)
from squeezebert_mobile.models.modeling import (
    EncoderLayer,
    EncoderOutput,
    PretrainedModel,
    SqueezeBertModel,
    additive_attention_mask,
    encoder_outputs,
)
from squeezebert_mobile.tasks import INPUT_NAMES, Task, get_task

__all__ = [
    "ATOL",
    "RTOL",
    "FirstTokenLayer",
    "Layer",
    "Traceable",
    "encoder",
    "feed_forwards",
    "layers",
    "map_children",
    "products",
    "prove_equal",
    "rewrite",
]

#: The difference of an fp32 output that counts as rounding is at most ATOL, or RTOL times the
#: largest absolute value of that output if this is more. RTOL is 250 steps of float32; rounding in
#: models of 2 to 12 layers differs by up to 25 steps.
ATOL, RTOL = 1e-4, 3e-5


class Traceable(nn.Module):
    """A model in the form for tracing: three int64 inputs, and a tuple of float32 outputs."""

    def __init__(self, model: PretrainedModel) -> None:
        super().__init__()
        self.model = model
        self.task: Task = get_task(model.task)

    @property
    def example_length(self) -> int:
        """A length to trace with, in tokens."""
        return min(9, self.model.config.max_position_embeddings)

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        """The outputs in order: name -> axes."""
        return self.model.outputs

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, ...]:
        """The outputs, in the order of `outputs`."""
        out = self.model(input_ids, attention_mask, token_type_ids)
        return tuple(getattr(out, name) for name in self.outputs)


def rewrite(model: PretrainedModel) -> Traceable:
    """Replace the grouped convolutions of a model; the result computes the same function.

    Args:
        model: A model of any task and family, in evaluation mode. It is not changed.

    Returns:
        The rewritten model, which shares the embeddings and the head with `model`.
    """
    if isinstance(model, SqueezeBertModel):
        return Traceable(Encoder(model, first_token_only=False)).eval()

    def rewrite_encoder(_: str, child: nn.Module) -> nn.Module:
        if not isinstance(child, SqueezeBertModel):
            return child
        # If there is a pooler, the head reads only its output, which is of the first token.
        return Encoder(child, first_token_only=child.pooler is not None)

    rewritten = map_children(model, rewrite_encoder)
    return Traceable(cast(PretrainedModel, rewritten)).eval()


def encoder(model: Traceable) -> "Encoder":
    """The encoder of a rewritten model; its inputs are ids, mask and token types (B, S)."""
    return next(m for m in model.modules() if isinstance(m, Encoder))


def layers(model: Traceable) -> list[nn.Module]:
    """The encoder layers of a rewritten model, in order."""
    return list(encoder(model).layers)


def products(model: Traceable) -> list[nn.Linear]:
    """The matrix products in the encoder layers of a rewritten model."""
    return [m for layer in layers(model) for m in layer.modules() if isinstance(m, nn.Linear)]


def feed_forwards(model: Traceable) -> "list[FeedForward | WideFeedForward]":
    """The feed-forward modules of a rewritten model: two products with an activation between."""
    return [m for m in model.modules() if isinstance(m, FeedForward | WideFeedForward)]


@torch.inference_mode()
def prove_equal(model: PretrainedModel, rewritten: Traceable, *, seed: int = 0) -> float:
    """Compare a model with its rewritten form on random inputs, with and without padding.

    Returns:
        The largest absolute difference of any output.

    Raises:
        ExportError: the difference of an output is more than rounding (see ATOL), and more than ten
            times what float32 changes in the model's own output, compared with float64; or it is
            not a number.
    """
    original = Traceable(model)
    feeds = list(_random_feeds(model, seed))
    theirs = [original(**feed) for feed in feeds]
    differences = _largest_differences(theirs, [rewritten(**feed) for feed in feeds])
    if not math.isfinite(max(differences)):
        raise ExportError(
            f"the rewritten model differs from the checkpoint by {max(differences):.3g}; its "
            "weights are too large for float32: train it again with a smaller learning rate, or "
            "use another checkpoint"
        )
    sizes = [
        max(output.abs().max().item() for output in each) for each in zip(*theirs, strict=True)
    ]
    allowed = [max(ATOL, RTOL * size) for size in sizes]
    if any(map(operator.gt, differences, allowed)):
        exact = Traceable(copy.deepcopy(model).double())
        own = _largest_differences(theirs, [exact(**feed) for feed in feeds])
        allowed = [max(limit, 10 * rounding) for limit, rounding in zip(allowed, own, strict=True)]
    for name, *figures in zip(original.outputs, differences, allowed, sizes, strict=True):
        difference, limit, size = figures
        if not difference <= limit:
            raise ExportError(
                f"the rewritten model differs from the checkpoint by {difference:.3g} in {name}, "
                f"whose values reach {size:.3g}; rounding explains at most {limit:.2g}; report it "
                "with the checkpoint"
            )
    return max(differences)


def _random_feeds(model: PretrainedModel, seed: int) -> Iterator[dict[str, Tensor]]:
    """Random ids and token types of three lengths; the last text is padded."""
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    max_length = min(config.max_position_embeddings, 64)
    for length in sorted({1, (max_length + 1) // 2, max_length}):
        shape = (2, 2, length) if get_task(model.task).has_choices else (2, length)
        ids = torch.randint(config.vocab_size, shape, generator=generator)
        types = torch.randint(config.type_vocab_size, shape, generator=generator)
        mask = torch.ones_like(ids)
        mask[-1, ..., (length + 1) // 2 :] = 0
        yield dict(zip(INPUT_NAMES, (ids, mask, types), strict=True))


def _largest_differences(
    theirs: Sequence[tuple[Tensor, ...]], ours: Sequence[tuple[Tensor, ...]]
) -> list[float]:
    """The largest absolute difference of each output over all feeds; infinite for NaN."""
    largest = [0.0] * len(theirs[0])
    for outputs in zip(theirs, ours, strict=True):
        for index, (a, b) in enumerate(zip(*outputs, strict=True)):
            difference = (a - b).abs().max().item()
            largest[index] = max(
                largest[index], difference if math.isfinite(difference) else math.inf
            )
    return largest


def map_children(module: nn.Module, replace: Callable[[str, nn.Module], nn.Module]) -> nn.Module:
    """A shallow copy of `module` in which `replace(name, child)` takes the place of each child.

    The copy shares its parameters with `module`.
    """
    clone = copy.copy(module)
    clone._modules = {
        name: None if child is None else replace(name, child)
        for name, child in module._modules.items()
    }
    return clone


# The rewritten encoder ----------------------------------------------------------------------


class Encoder(PretrainedModel):
    """`SqueezeBertModel` after the rewrite."""

    task = SqueezeBertModel.task

    def __init__(self, model: SqueezeBertModel, *, first_token_only: bool) -> None:
        super().__init__(model.config)
        layers = cast(Sequence[EncoderLayer], model.layers)
        norms = [model.embeddings.norm, *(layer.output_norm for layer in layers)]
        self.embeddings = map_children(
            model.embeddings, lambda name, child: nn.Identity() if name == "norm" else child
        )
        classes: list[type[nn.Module]] = [Layer] * len(layers)
        if first_token_only and has_whole_heads(layers[-1]):
            classes[-1] = FirstTokenLayer
        self.layers = nn.ModuleList(
            layer_class(layer, norm)
            for layer_class, layer, norm in zip(classes, layers, norms, strict=False)
        )
        self.last_norm = norms[-1]
        self.pooler = model.pooler

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        return encoder_outputs(self.pooler)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        position_ids: None = None,
        inputs_embeds: None = None,
    ) -> EncoderOutput:
        x = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        mask = additive_attention_mask(attention_mask, x.dtype)  # (B, 1, 1, S)
        for layer in self.layers:
            x = layer(x, mask)  # (B, S, C); after FirstTokenLayer (B, 1, C)
        hidden = self.last_norm(x)
        pooled = None if self.pooler is None else torch.tanh(self.pooler(hidden[:, 0]))
        return EncoderOutput(last_hidden_state=hidden, pooler_output=pooled)


class Norm(nn.Module):
    """A layer norm without scale and shift; `scale` is for the residual connection."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.shape, self.eps = norm.normalized_shape, norm.eps
        self.scale = norm.weight  # (C)

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.shape, eps=self.eps)


class Layer(nn.Module):
    """`EncoderLayer` after the rewrite, shifted by one norm.

    It starts with the norm before the layer (of the previous layer, or of the embeddings) and
    leaves its own last norm to the next layer, because a norm is folded into what reads it.
    """

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = Norm(norm)
        self.attention = make_attention(layer, norm)
        self.attention_output = Grouped(by_group(layer.attention_output, adds=norm))
        self.feed_forward_norm = Norm(layer.attention_norm)
        self.feed_forward = make_feed_forward(layer)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        return self.feed(self.attend(x, mask))

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """The first half: (B, S, C) to (B, S, C)."""
        normal = self.norm(x)
        return self.attention_output(self.attention(normal, mask)) + normal * self.norm.scale  # type: ignore[no-any-return]

    def feed(self, x: Tensor) -> Tensor:
        """The second half: (B, S, C) to (B, S, C)."""
        normal = self.feed_forward_norm(x)
        return self.feed_forward(normal) + normal * self.feed_forward_norm.scale  # type: ignore[no-any-return]


class FirstTokenLayer(nn.Module):
    """`Layer` for the last layer of a model that reads only its first token."""

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = Norm(norm)
        self.attention = FirstTokenAttention(layer, norm)
        self.attention_output = Grouped(by_group(layer.attention_output, adds=norm))
        self.first_token_norm = Norm(layer.attention_norm)
        self.feed_forward = make_feed_forward(layer)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C) to (B, 1, C)."""
        return self.feed(self.attend(x, mask))

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """The first half: (B, S, C) to (B, 1, C)."""
        normal = self.norm(x)
        first = normal[:, :1] * self.norm.scale
        return self.attention_output(self.attention(normal, mask)) + first  # type: ignore[no-any-return]

    def feed(self, first: Tensor) -> Tensor:
        """The second half: (B, 1, C) to (B, 1, C)."""
        normal = self.first_token_norm(first)
        return self.feed_forward(normal) + normal * self.first_token_norm.scale  # type: ignore[no-any-return]
