import contextlib
import dataclasses
import json
from pathlib import Path

import pytest
import tiny
import transformers
from checkpoint_files import change_config
from hypothesis import given, settings
from hypothesis import strategies as st

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.config import BertConfig, SqueezeBertConfig
from squeezebert_mobile.models.families import (
    FAMILIES,
    architecture_of,
    config_from_dict,
    load_config,
    task_of,
)
from squeezebert_mobile.tasks import TASKS

OURS = {name: family.config_class for name, family in FAMILIES.items()}
THEIRS = {
    name: getattr(transformers, f"{family.class_prefix}Config") for name, family in FAMILIES.items()
}
#: The keys of config.json, for any family.
KEYS = [field.name for field in dataclasses.fields(SqueezeBertConfig)] + ["model_type"]


def write_config(folder: Path, **values: object) -> Path:
    data = tiny.tiny_config().to_dict() | values
    (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_defaults_are_those_of_transformers(family):
    theirs = THEIRS[family]().to_dict()
    ours = OURS[family]()
    shared = ours.to_dict().keys() & theirs.keys()
    assert len(shared) >= 15
    assert {key: ours.to_dict()[key] for key in shared} == {key: theirs[key] for key in shared}


def test_bert_has_one_group_everywhere():
    config = BertConfig(hidden_size=36)
    assert config.q_groups == config.post_attention_groups == config.output_groups == 1
    assert config.embedding_size == 36
    assert not any(key.endswith("_groups") for key in config.to_dict())


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_transformers_reads_our_config(family, tmp_path):
    changes = {"hidden_act": "relu", "id2label": {0: "no", 1: "yes", 2: "später"}}
    config = tiny.tiny_config(family, **changes, problem_type="multi_label_classification")
    config.save_pretrained(tmp_path)
    assert load_config(tmp_path) == config
    theirs = transformers.AutoConfig.from_pretrained(tmp_path)
    assert isinstance(theirs, THEIRS[family])
    assert theirs.id2label == config.id2label and theirs.label2id == config.label2id
    for key in ("hidden_size", "hidden_act", "layer_norm_eps", "problem_type", "pad_token_id"):
        assert getattr(theirs, key) == getattr(config, key)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_config_of_transformers_is_read(family, tmp_path):
    theirs = THEIRS[family](hidden_size=24, num_attention_heads=3, num_labels=5, vocab_size=64)
    theirs.update({"embedding_size": 24, "architectures": ["BertForTokenClassification"]})
    theirs.save_pretrained(tmp_path)
    ours = load_config(str(tmp_path))
    assert type(ours) is OURS[family]
    assert (ours.hidden_size, ours.num_labels, ours.vocab_size) == (24, 5, 64)
    assert ours.id2label == theirs.id2label


def test_unknown_keys_are_kept(tmp_path):
    write_config(tmp_path, made_by="us", nested={"a": [1, None]}, transformers_version="4.0")
    load_config(tmp_path).save_pretrained(tmp_path / "new" / "folder")
    saved = json.loads((tmp_path / "new" / "folder" / "config.json").read_text(encoding="utf-8"))
    assert (saved["made_by"], saved["nested"]) == ("us", {"a": [1, None]})
    assert saved["transformers_version"] == "4.0"


def test_dtype_of_the_file_that_was_read_is_not_kept(tmp_path):
    """Weights are saved as float32, and transformers would cast them to the old dtype."""
    write_config(tmp_path, dtype="float16", torch_dtype="bfloat16")
    saved = load_config(tmp_path).to_dict()
    assert "dtype" not in saved and "torch_dtype" not in saved


def test_no_padding_token_is_kept(tmp_path):
    """The default is 0, so null must be written."""
    tiny.tiny_config(pad_token_id=None).save_pretrained(tmp_path)
    assert load_config(tmp_path).pad_token_id is None


def test_saving_twice_gives_the_same_bytes(tmp_path):
    config = tiny.tiny_config(num_labels=12)
    config.save_pretrained(tmp_path / "a")
    load_config(tmp_path / "a").save_pretrained(tmp_path / "b")
    texts = [(tmp_path / name / "config.json").read_bytes() for name in "ab"]
    assert texts[0] == texts[1]


def test_labels():
    assert tiny.tiny_config().id2label == {0: "LABEL_0", 1: "LABEL_1"}
    config = tiny.tiny_config(num_labels=3)
    assert config.label2id == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}
    config = config.with_labels(["dog", "cat"])
    assert (config.num_labels, config.id2label) == (2, {0: "dog", 1: "cat"})
    assert config.label2id == {"dog": 0, "cat": 1}
    # config.json has strings as keys, and not always in order
    eleven = {str(i): f"L{i}" for i in reversed(range(11))}
    assert tiny.tiny_config(id2label=eleven).id2label == {i: f"L{i}" for i in range(11)}


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"num_labels": 5, "id2label": {"0": "a", "1": "b"}}, "num_labels is 5, but id2label in"),
        ({"num_labels": 2, "id2label": {"0": "a", "1": "b", "2": "c"}}, "the labels are LABEL_0, "),
        ({"num_labels": 3, "id2label": {}}, "id2label in config.json has 0 names; the labels are"),
        ({"num_labels": 3, "id2label": {"1": "a", "2": "b"}}, "num_labels is 3, but id2label in "),
        ({"num_labels": 4, "id2label": {"0": "a"}, "label2id": {"a": 0}}, "num_labels is 4, but"),
        ({"id2label": {"1": "a", "2": "b"}}, "does not count from 0: {'1': 'a', '2': 'b'}; as in"),
        ({"id2label": {"0": "a", "2": "b"}}, "each id is the index of an output, and outputs wi"),
        ({"id2label": {"-1": "a", "0": "b", "1": "c"}}, "does not count from 0: "),
        ({"id2label": {"0": 1, "1": 2}}, "names that are numbers: they are read as text"),
        ({"id2label": {"0": 0.5, "1": "b"}}, "names that are numbers"),
        ({"id2label": {"0": True, "1": False}}, "names that are numbers"),
        ({"id2label": {"00": "a", " 1": "b"}}, None),
        ({"num_labels": 2, "id2label": {"1": "b", "0": "a"}}, None),
    ],
)
def test_labels_are_those_that_transformers_loads(family, changes, note, tmp_path):
    write_config(tmp_path, model_type=family, id2label=None, label2id=None)
    change_config(tmp_path, **changes)
    theirs, ours = transformers.AutoConfig.from_pretrained(tmp_path), load_config(tmp_path)
    assert ours.num_labels == theirs.num_labels == len(ours.id2label)
    expected = {i: str(theirs.id2label.get(i, f"LABEL_{i}")) for i in range(theirs.num_labels)}
    assert ours.id2label == expected
    assert bool(note) == bool(ours.notes) and (note or "") in " ".join(ours.notes)
    assert config_from_dict(json.loads(json.dumps(ours.to_dict()))) == ours
    assert not config_from_dict(ours.to_dict()).notes


def test_dropout_of_the_head():
    changes = {"hidden_dropout_prob": 0.1, "classifier_dropout": 0.3}
    assert tiny.tiny_config("bert", **changes).head_dropout == 0.3
    assert tiny.tiny_config("bert", hidden_dropout_prob=0.2).head_dropout == 0.2
    assert tiny.tiny_config("squeezebert", **changes).head_dropout == 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 0}, "hidden_size is 0; it must be a whole number from 1 to 16384"),
        ({"hidden_size": -24}, "hidden_size is -24"),
        ({"hidden_size": 24.0}, "hidden_size is 24.0"),
        ({"hidden_size": "24"}, "hidden_size is '24'"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"hidden_size": None}, "hidden_size is None"),
        ({"hidden_size": [24]}, r"hidden_size is \[24\]"),
        ({"hidden_size": 10**30}, "hidden_size is 1000"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers is 1000000; .* from 1 to 256"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"vocab_size": 2**21}, "vocab_size is 2097152; .* from 1 to 1048576"),
        ({"intermediate_size": 2**40}, "intermediate_size is"),
        ({"max_position_embeddings": 0}, "max_position_embeddings is 0"),
        ({"type_vocab_size": 2**40}, "type_vocab_size is"),
        ({"num_labels": 2**40}, "num_labels is"),
        ({"num_labels": 0}, "num_labels is 0"),
        ({"q_groups": 0}, "q_groups is 0"),
        ({"q_groups": True}, "q_groups is True"),
        ({"embedding_size": 12}, "embedding_size is 12; it must be hidden_size, 24"),
        ({"num_attention_heads": 5}, "hidden_size is 24; .* multiple of num_attention_heads, 5"),
        ({"q_groups": 5}, "hidden_size is 24; it must be a multiple of q_groups, 5"),
        ({"k_groups": 5}, "hidden_size is 24; it must be a multiple of k_groups, 5"),
        ({"v_groups": 5}, "hidden_size is 24; it must be a multiple of v_groups, 5"),
        ({"post_attention_groups": 5}, "a multiple of post_attention_groups, 5"),
        ({"intermediate_groups": 16}, "hidden_size is 24; .* of intermediate_groups, 16"),
        ({"output_groups": 16}, "hidden_size is 24; .* of output_groups, 16"),
        ({"intermediate_size": 50}, "intermediate_size is 50; .* of intermediate_groups, 4"),
        ({"hidden_act": "gleu"}, "unknown hidden_act 'gleu'; did you mean 'gelu'"),
        ({"hidden_act": None}, "unknown hidden_act 'None'"),
        ({"hidden_act": ["gelu"]}, "unknown hidden_act"),
        ({"hidden_dropout_prob": 1.5}, "hidden_dropout_prob is 1.5; it must be a probability"),
        ({"attention_probs_dropout_prob": False}, "attention_probs_dropout_prob is False"),
        ({"classifier_dropout": "no"}, "classifier_dropout is 'no'"),
        ({"hidden_dropout_prob": None}, "hidden_dropout_prob is None"),
        ({"layer_norm_eps": -1e-5}, "layer_norm_eps is -1e-05; it must be a number from 0 to 1"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is nan"),
        ({"initializer_range": float("inf")}, "initializer_range is inf"),
        ({"initializer_range": 10**400}, "initializer_range is 1000"),
        ({"pad_token_id": 64}, "pad_token_id is 64; it must be null or an id below vocab_size, 64"),
        ({"pad_token_id": -1}, "pad_token_id is -1"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings is 1; it must be true or false"),
        ({"problem_type": "regresion"}, "unknown problem_type 'regresion'; did you mean 'regr"),
        ({"architectures": "BertModel"}, "architectures is 'BertModel'"),
        ({"architectures": [1]}, "architectures is"),
        ({"id2label": {}}, "id2label is {}; it must be a map from the ids 0, 1, 2"),
        ({"id2label": {"a": "b"}}, "id2label is {'a': 'b'}; it must be a map from the ids 0, 1, 2"),
        ({"id2label": {"0": None}}, "id2label is"),
        ({"id2label": {"0": ["a"], "1": "b"}}, "id2label is"),
        ({"id2label": ["a", "b"]}, "id2label is"),
        ({"label2id": ["a"]}, "label2id is"),
        (
            {"num_labels": 1, "problem_type": "single_label_classification"},
            "num_labels is 1; it must be at least 2 where problem_type",
        ),
    ],
)
def test_bad_values(changes, message):
    with pytest.raises(CheckpointError, match=message):
        tiny.tiny_config(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"is_decoder": True}, "is_decoder is True; this package reads encoders"),
        ({"add_cross_attention": True}, "add_cross_attention is True"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
    ],
)
def test_bert_that_is_not_an_encoder(changes, message):
    data = tiny.tiny_config("bert").to_dict()
    assert BertConfig.from_dict(data | {"is_decoder": False, "position_embedding_type": "absolute"})
    with pytest.raises(CheckpointError, match=message):
        BertConfig.from_dict(data | changes)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None)
@given(
    family=st.sampled_from(tiny.FAMILIES),
    key=st.sampled_from(KEYS),
    value=ANY_JSON,
)
def test_any_value_is_read_or_rejected(family, key, value):
    data = tiny.tiny_config(family).to_dict() | {key: value}
    with contextlib.suppress(CheckpointError):
        config = config_from_dict(data)
        assert config_from_dict(json.loads(json.dumps(config.to_dict())))


def test_model_type():
    with pytest.raises(CheckpointError, match="model_type is 'roberta'; this package reads"):
        config_from_dict({"model_type": "roberta"})
    with pytest.raises(CheckpointError, match="model_type is None"):
        config_from_dict({})
    with pytest.raises(CheckpointError, match="model_type is None; BertConfig reads 'bert' only"):
        BertConfig.from_dict({})
    with pytest.raises(CheckpointError, match='if the model is a BERT, add "model_type": "bert"'):
        config_from_dict({"vocab_size": 64})
    for unknown in ("gpt2", ["bert"], {"bert": 1}, 7):
        with pytest.raises(CheckpointError, match="; use a BERT checkpoint for this task, or fine"):
            config_from_dict({"model_type": unknown})
    with pytest.raises(CheckpointError, match="model_type is 'squeezebert'; BertConfig reads"):
        BertConfig.from_dict({"model_type": "squeezebert"})


@pytest.mark.parametrize("family", FAMILIES)
def test_config_class_reads_its_own_family_only(family, tmp_path):
    config = tiny.tiny_config(family)
    config.save_pretrained(tmp_path)
    for name, config_class in OURS.items():
        if name == family:
            assert config_class.from_pretrained(tmp_path) == config
        else:
            message = f"model_type is '{family}'; {config_class.__name__} reads '{name}' only"
            with pytest.raises(CheckpointError, match=message):
                config_class.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("", "cannot be read as JSON"),
        ("[]", r"must hold a JSON object, not \[\]"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"model_type": "bert", "vocab_size": ' + "9" * 5000 + "}", "cannot be read as JSON"),
        ('{"model_type": "bert", "vocab_size": -1}', "config.json': vocab_size is -1"),
    ],
)
def test_broken_file(text, message, tmp_path):
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        load_config(tmp_path)


def test_file_that_is_not_text(tmp_path):
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(CheckpointError, match="cannot be read as JSON"):
        load_config(tmp_path)


def test_folder_without_config(tmp_path):
    with pytest.raises(CheckpointError, match="is not a checkpoint: it has no config.json"):
        load_config(tmp_path)


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("task", TASKS)
def test_task_of_the_saved_class(family, task):
    config = tiny.tiny_config(family)
    name = architecture_of(config, task)
    assert hasattr(transformers, name)
    assert task_of(tiny.tiny_config(family, architectures=[name])) == task


def test_task_of_pretraining_is_fill_mask():
    assert task_of(tiny.tiny_config("bert", architectures=["BertForPreTraining"])) == "fill-mask"


@pytest.mark.parametrize(
    ("architectures", "named"), [(None, "nothing"), ([], "nothing"), (["BertFor"], "BertFor")]
)
def test_task_that_is_not_named(architectures, named):
    with pytest.raises(CheckpointError, match=f"architectures names {named}; give --task, one of"):
        task_of(tiny.tiny_config(architectures=architectures))
