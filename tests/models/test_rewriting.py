"""The rewritten model computes the same as the checkpoint, and has no convolutions."""

import pytest
import tiny
import torch
from torch import nn

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export import MODEL_CLASSES, SqueezeBertConfig, initialize
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.rewriting import Traceable, prove_equal, rewrite
from squeezebert_mobile.tasks import TASKS

ONE = dict.fromkeys(("q_groups", "k_groups", "v_groups"), 1)

#: The group counts that decide how a layer is rewritten.
SHAPES = {
    "groups of whole heads": dict.fromkeys(("q_groups", "k_groups", "v_groups"), 3)
    | {"intermediate_groups": 4, "output_groups": 4},
    "groups that cut heads": dict.fromkeys(("q_groups", "k_groups", "v_groups"), 4)
    | {"intermediate_groups": 2, "output_groups": 2},
    "all groups different": {
        "q_groups": 1,
        "k_groups": 2,
        "v_groups": 3,
        "post_attention_groups": 4,
        "intermediate_groups": 6,
        "output_groups": 8,
    },
    "no groups": ONE | {"intermediate_groups": 1, "output_groups": 1},
    "one group after groups": ONE | {"intermediate_groups": 4, "output_groups": 1},
}


def _model(task: str, config: SqueezeBertConfig) -> PretrainedModel:
    """All weights are random: with a bias of 0, losing it would go unnoticed."""
    model = initialize(task, config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


@pytest.mark.parametrize("groups", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("act", ["gelu", "relu"])
def test_every_kind_of_layer_is_equal(groups: dict[str, int], act: str) -> None:
    model = _model("feature-extraction", tiny.tiny_config(hidden_act=act, **groups))
    rewritten = rewrite(model)
    largest = prove_equal(model, rewritten)
    print(f"largest difference {largest:.2g}")
    assert largest <= 1e-5
    assert not any(isinstance(module, nn.Conv1d) for module in rewritten.modules())


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("task", TASKS)
def test_every_head_of_every_family_is_equal(family: str, task: str) -> None:
    model = _model(task, tiny.tiny_config(family, num_labels=4))
    largest = prove_equal(model, rewrite(model))
    print(f"{family} {task}: largest difference {largest:.2g}")
    assert largest <= 1e-5


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("task", TASKS)
def test_the_last_layer_computes_only_tokens_that_are_read(family: str, task: str) -> None:
    groups = SHAPES["groups of whole heads"] if family == "squeezebert" else {}
    rewritten = rewrite(_model(task, tiny.tiny_config(family, **groups)))
    widths: list[int] = []
    for name, module in rewritten.named_modules():
        if name.endswith(("layers.0", "layers.1")):
            module.register_forward_hook(lambda _, __, x: widths.append(x.shape[1]))
    ids = torch.arange(5, 11).reshape((1, 1, 6) if task == "multiple-choice" else (1, 6))
    rewritten(ids, torch.ones_like(ids), torch.zeros_like(ids))
    assert widths == [6, 1 if task in {"text-classification", "multiple-choice"} else 6]


def test_the_original_is_not_changed() -> None:
    model = _model("text-classification", tiny.tiny_config())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rewrite(model)
    assert isinstance(model, MODEL_CLASSES["text-classification"])
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("name", ["query", "value", "intermediate", "output", "attention_output"])
def test_a_wrong_rewrite_is_caught(name: str) -> None:
    model = _model("feature-extraction", tiny.tiny_config())
    rewritten = rewrite(model)
    with torch.no_grad():  # the rewritten products hold copies, or views of the old weights
        convolution = getattr(model.layers[1], name)
        convolution.weight = nn.Parameter(convolution.weight.roll(1, dims=0))
    with pytest.raises(ExportError, match="the rewritten model differs from the checkpoint by"):
        prove_equal(model, rewritten)


def test_overflow_is_caught() -> None:
    model = _model("feature-extraction", tiny.tiny_config())
    with torch.no_grad():
        model.layers[0].query.weight.fill_(1e30)  # type: ignore[index, union-attr]
        model.layers[0].key.weight.fill_(1e30)  # type: ignore[index, union-attr]
    with pytest.raises(ExportError, match="differs from the checkpoint by (inf|nan)"):
        prove_equal(model, rewrite(model))


def test_padding_does_not_change_tokens_before_it() -> None:
    model = Traceable(_model("feature-extraction", tiny.tiny_config()))
    ids, types = torch.arange(5, 11)[None], torch.zeros(1, 6, dtype=torch.long)
    alone = model(ids, torch.ones_like(ids), types)[0]
    padded = nn.functional.pad(ids, (0, 3))
    mask = (torch.arange(9) < 6).long()[None]
    beside = rewrite(model.model)(padded, mask, torch.zeros_like(padded))[0][:, :6]
    assert (alone - beside).abs().max() <= 1e-5
