"""The rewrite that makes SqueezeBERT fast: grouped convolutions become matrix products.

A pointwise convolution with G groups is G independent matrix products. Runtimes are slow at the
convolution and fast at the products, above all in int8, where they have no kernel for the former.
So before export

    - data stays (B, S, C), the layout of a matrix product, and no product needs a transpose;
    - group g of query, key and value is one product, with the heads of group g attending before
      anything is concatenated (where the three have as many groups, and groups hold whole heads);
    - group g runs through both feed-forward products, with no concatenation between them;
    - 1/sqrt(head size) is folded into the query's weights;
    - a layer norm only normalizes: its scale goes into the weights that read it, and into the sum
      that skips them; its shift into biases. What products read is then even enough for int8
      (gamma migration, arXiv 2209.13325), and normalizing alone is a faster operator;
    - where the head reads the first token alone, the last layer computes no other.

`prove_equal` holds the result against the original.
Shapes: B batch, S sequence, C channels, G groups, H heads, D channels of a head.
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.models.linear_layers import (
    FeedForward,
    FirstTokenLayer,
    RewrittenLayer,
    WideFeedForward,
    has_whole_heads,
)
from squeezebert_mobile.models.modeling import (
    EncoderLayer,
    EncoderOutput,
    PretrainedModel,
    SqueezeBertModel,
    additive_attention_mask,
)
from squeezebert_mobile.tasks import INPUT_NAMES, Task, get_task

__all__ = [
    "EQUAL_WITHIN",
    "Traceable",
    "encoder",
    "feed_forwards",
    "layers",
    "map_children",
    "products",
    "prove_equal",
    "rewrite",
]

#: Largest absolute difference of an fp32 output that still counts as the same function.
EQUAL_WITHIN = 1e-4


class Traceable(nn.Module):
    """A model as exporters want it: three int64 inputs, a tuple of the task's float32 outputs."""

    def __init__(self, model: PretrainedModel) -> None:  # noqa: D107
        super().__init__()
        self.model = model
        self.task: Task = get_task(model.task)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, ...]:
        """The outputs in the order of the task's table."""
        out = self.model(input_ids, attention_mask, token_type_ids)
        return tuple(getattr(out, name) for name in self.task.outputs)


def rewrite(model: PretrainedModel) -> Traceable:
    """The same function without a grouped convolution; embeddings and heads are shared, not copied.

    Args:
        model: Any of the six models, of either family, in evaluation mode.
    """
    if isinstance(model, SqueezeBertModel):
        return Traceable(RewrittenEncoder(model, first_token=False)).eval()

    def made(name: str, child: nn.Module) -> nn.Module:
        if not isinstance(child, SqueezeBertModel):
            return child
        # A head on an encoder with a pooler reads what that gives, of the first token.
        return RewrittenEncoder(child, first_token=child.pooler is not None)

    rewritten = map_children(model, made)
    return Traceable(cast(PretrainedModel, rewritten)).eval()


def encoder(model: Traceable) -> "RewrittenEncoder":
    """The encoder alone, of a model that `rewrite` gave: ids, mask and types (B, S) go in."""
    return next(each for each in model.modules() if isinstance(each, RewrittenEncoder))


def layers(model: Traceable) -> list[nn.Module]:
    """The encoder's layers, in order, of a model that `rewrite` gave."""
    return list(encoder(model).layers)


def products(model: Traceable) -> list[nn.Linear]:
    """The matrix products of the encoder's layers, of a model that `rewrite` gave."""
    return [m for layer in layers(model) for m in layer.modules() if isinstance(m, nn.Linear)]


def feed_forwards(model: Traceable) -> "list[FeedForward | WideFeedForward]":
    """Where there is an activation between two products, in a model that `rewrite` gave."""
    return [each for each in model.modules() if isinstance(each, FeedForward | WideFeedForward)]


@torch.inference_mode()
def prove_equal(model: PretrainedModel, rewritten: Traceable, *, seed: int = 0) -> float:
    """The largest difference of any output, over seeded inputs with and without padding.

    Raises:
        ExportError: it is larger than EQUAL_WITHIN, or not a number.
    """
    original = Traceable(model)
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    longest = min(config.max_position_embeddings, 64)
    largest = 0.0
    for length in sorted({1, (longest + 1) // 2, longest}):
        shape = (2, 2, length) if len(original.task.input_axes) == 3 else (2, length)
        ids = torch.randint(config.vocab_size, shape, generator=generator)
        types = torch.randint(config.type_vocab_size, shape, generator=generator)
        mask = torch.ones_like(ids)
        mask[-1, ..., (length + 1) // 2 :] = 0
        feed = dict(zip(INPUT_NAMES, (ids, mask, types), strict=True))
        for ours, theirs in zip(rewritten(**feed), original(**feed), strict=True):
            difference = (ours - theirs).abs().max().item()
            largest = max(largest, difference) if math.isfinite(difference) else math.inf
    if not largest <= EQUAL_WITHIN:
        raise ExportError(
            f"the rewritten model differs from the checkpoint by {largest:.3g} (at most "
            f"{EQUAL_WITHIN:g} is rounding); its weights hold values too large for float32: "
            "train it again with a smaller learning rate, or give another checkpoint"
        )
    return largest


def map_children(module: nn.Module, made: Callable[[str, nn.Module], nn.Module]) -> nn.Module:
    """A copy of `module`, its children being what `made` gives for their names; weights shared."""
    clone = copy.copy(module)
    clone._modules = {
        name: None if child is None else made(name, child)
        for name, child in module._modules.items()
    }
    return clone


class RewrittenEncoder(PretrainedModel):
    """`SqueezeBertModel` after the rewrite."""

    task = SqueezeBertModel.task

    def __init__(self, model: SqueezeBertModel, *, first_token: bool) -> None:
        super().__init__(model.config)
        layers = cast(Sequence[EncoderLayer], model.layers)
        norms = [model.embeddings.norm, *(layer.output_norm for layer in layers)]
        self.embeddings = map_children(
            model.embeddings, lambda name, child: nn.Identity() if name == "norm" else child
        )
        forms: list[type[nn.Module]] = [RewrittenLayer] * len(layers)
        if first_token and has_whole_heads(layers[-1]):
            forms[-1] = FirstTokenLayer
        self.layers = nn.ModuleList(
            form(layer, norm) for form, layer, norm in zip(forms, layers, norms, strict=False)
        )
        self.last_norm = norms[-1]
        self.pooler = model.pooler

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
            x = layer(x, mask)  # (B, S, C); of the first token alone (B, 1, C)
        hidden = self.last_norm(x)
        pooled = None if self.pooler is None else torch.tanh(self.pooler(hidden[:, 0]))
        return EncoderOutput(last_hidden_state=hidden, pooler_output=pooled)
