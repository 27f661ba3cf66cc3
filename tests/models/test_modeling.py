"""Random weights, training, invalid inputs and tracing of the models."""

from typing import Any

import pytest
import tiny
import torch

from squeezebert_mobile.errors import ExportError, InputError
from squeezebert_mobile.models.heads import MODEL_CLASSES, initialize
from squeezebert_mobile.models.modeling import PretrainedModel, SqueezeBertModel
from squeezebert_mobile.tasks import TASKS

CHOICES, LABELS = 4, 5
EVERY_HEAD = pytest.mark.parametrize(
    ("family", "task"), [(family, task) for family in tiny.FAMILIES for task in TASKS]
)


# Random weights -----------------------------------------------------------------------------


@EVERY_HEAD
def test_initial_weights_are_distributed_as_theirs(family, task):
    config = tiny.tiny_config(family, hidden_size=96, intermediate_size=192, vocab_size=512)
    ours = initialize(task, config)
    for name, weight in ours.named_parameters():
        if name.endswith("bias"):
            assert not weight.any(), name
        elif "norm" in name:
            assert (weight == 1).all(), name
        elif weight.numel() > 1000:
            assert weight.std().item() == pytest.approx(0.02, rel=0.1), name
            assert abs(weight.mean().item()) < 2e-3, name
    word = next(weight for name, weight in ours.named_parameters() if "word" in name)
    assert not word[0].any()  # pad_token_id
    assert not ours.training


def test_seed_determines_the_weights():
    config = tiny.tiny_config()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again, other = (initialize("fill-mask", config, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert not torch.equal(first.base.layers[0].key.weight, other.base.layers[0].key.weight)


def test_unknown_task():
    with pytest.raises(ExportError, match="unknown task 'fil-mask'; did you mean 'fill-mask'"):
        initialize("fil-mask", tiny.tiny_config())


def test_every_task_has_a_model():
    assert set(MODEL_CLASSES) == set(TASKS)
    for task, model in MODEL_CLASSES.items():
        assert model.__name__ == "SqueezeBert" + TASKS[task].head


@pytest.mark.parametrize("task", TASKS)
def test_pooler_only_where_it_is_used(task):
    model = initialize(task, tiny.tiny_config())
    encoder = model if isinstance(model, SqueezeBertModel) else model.base
    assert (encoder.pooler is not None) == TASKS[task].uses_pooler


def test_training_lowers_the_loss():
    config = tiny.tiny_config(num_labels=LABELS, hidden_dropout_prob=0.0)
    model = initialize("text-classification", config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    ids, labels = torch.arange(40).reshape(5, 8), torch.arange(5)
    torch.manual_seed(0)  # for the dropout of the attention
    losses = []
    for _ in range(30):
        loss = model(ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


# Invalid inputs -----------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_either_ids_or_embeddings(task):
    model = initialize(task, tiny.tiny_config())
    shape = (2, CHOICES, 4) if task == "multiple-choice" else (2, 4)
    ids, vectors = torch.zeros(shape, dtype=torch.long), torch.zeros(*shape, 24)
    for inputs in ({}, {"input_ids": ids, "inputs_embeds": vectors}):
        with pytest.raises(InputError, match="give either input_ids or inputs_embeds, not both"):
            model(**inputs)


def test_input_that_is_too_long():
    model = initialize("fill-mask", tiny.tiny_config(max_position_embeddings=8))
    assert model(torch.zeros(1, 8, dtype=torch.long)).logits.shape == (1, 8, 64)
    with pytest.raises(InputError, match="has 9 tokens, but the model reads at most 8; shorten it"):
        model(torch.zeros(1, 9, dtype=torch.long))


def test_mask_with_three_axes():
    model = initialize("fill-mask", tiny.tiny_config())
    with pytest.raises(InputError, match=r"attention_mask has 3 axes; it must be \[batch, seq"):
        model(torch.zeros(1, 8, dtype=torch.long), torch.ones(1, 8, 8))


def test_untied_fill_mask_head():
    model = initialize("fill-mask", tiny.tiny_config(tie_word_embeddings=False))
    assert not torch.equal(model.decoder.weight, model.base.embeddings.word.weight)
    assert 0 < model.decoder.weight.std() < 0.03
    assert initialize("feature-extraction", tiny.tiny_config(tie_word_embeddings=False))


# Tracing ------------------------------------------------------------------------------------


class Outputs(torch.nn.Module):
    """The outputs of a task as a tuple, for tracing."""

    def __init__(self, model: PretrainedModel):
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> Any:
        out = self.model(ids, mask, types)
        return tuple(getattr(out, name) for name in TASKS[self.model.task].outputs)


def example(task: str, batch: int, choices: int, length: int) -> tuple[torch.Tensor, ...]:
    shape = (batch, choices, length) if task == "multiple-choice" else (batch, length)
    mask = torch.ones(shape, dtype=torch.long)
    mask[0, ..., 3:] = 0
    return torch.arange(mask.numel()).reshape(shape) % 64, mask, mask * 2


@EVERY_HEAD
@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
def test_a_trace_works_for_other_shapes(family, task):
    model = Outputs(initialize(task, tiny.tiny_config(family))).eval()
    traced = torch.jit.trace(model, example(task, 2, 3, 7))  # pytest turns warnings into errors
    inputs = example(task, 3, 2, 11)
    for ours, expected in zip(traced(*inputs), model(*inputs), strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("task", ["feature-extraction", "multiple-choice"])
def test_an_exported_program_works_for_other_shapes(task):
    model = Outputs(initialize(task, tiny.tiny_config())).eval()
    # The dimensions have no upper bound; comparing one with a number would be an error.
    axes = {number: torch.export.Dim(name) for number, name in enumerate(TASKS[task].input_axes)}
    program = torch.export.export(model, example(task, 2, 3, 7), dynamic_shapes=(axes,) * 3)
    inputs = example(task, 3, 4, 11)
    for ours, expected in zip(program.module()(*inputs), model(*inputs), strict=True):
        torch.testing.assert_close(ours, expected)
