"""The table of models, and how our models are built."""

import pytest
from peer_builds import SMALL_FAMILIES
from tiny import write_checkpoint

from squeezebert_mobile.artifact import FORMATS, read_manifest
from squeezebert_mobile.benchmarks.measure.contenders import make_feed, open_model
from squeezebert_mobile.benchmarks.peers import (
    GOALS,
    MODELS,
    BuildError,
    build_in_subprocess,
    select,
)
from squeezebert_mobile.benchmarks.peers.families import Family
from squeezebert_mobile.benchmarks.peers.models import REFERENCE, models_of
from squeezebert_mobile.errors import BenchmarkError

LABELS = [model.label for model in MODELS]


def test_our_models_cover_every_format_and_precision():
    for family in ("SqueezeBERT", "BERT-base"):
        ours = [m for m in MODELS if (m.kind, m.family.name) == ("ours", family)]
        made = {
            (format, precision) for format in FORMATS for precision in FORMATS[format].precisions
        }
        assert {(model.format, model.precision) for model in ours} == made


def test_labels_are_unique_and_those_of_the_goals_exist():
    assert len(set(LABELS)) == len(LABELS)
    assert {REFERENCE, *(name for goal in GOALS for name in goal[:2])} <= set(LABELS)


def test_no_two_models_share_a_path(tmp_path):
    assert len({model.path(tmp_path) for model in MODELS}) == len(MODELS)


def test_all_models_are_selected_by_default():
    assert select([]) == list(MODELS)
    assert [m.label for m in select(["ours onnx fp32"])] == [
        "ours SqueezeBERT onnx fp32",
        "ours BERT-base onnx fp32",
    ]
    one = "peer BERT-base onnx int8 per channel"
    assert [m.label for m in select([one, "channel bert-BASE"])] == [one]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ours onx", "unknown word of a model's name 'onx'; did you mean 'onnx'"),
        ("ours transformers", "no model has all of 'ours transformers' in its name; give fewer"),
    ],
)
def test_words_that_match_no_model(words, message):
    with pytest.raises(BenchmarkError, match=message):
        select(["peer", words])


@pytest.mark.parametrize(
    "configuration",
    ["ours onnx fp32", pytest.param("ours torchscript int8", marks=pytest.mark.slow)],
)
def test_our_models_take_any_length(configuration, tmp_path):
    write_checkpoint(tmp_path / "checkpoint", task="text-classification")
    family = Family("SqueezeBERT", "SqueezeBert", str(tmp_path / "checkpoint"))
    (model,) = select([configuration], list(models_of(family)))
    model.build(tmp_path)
    contender = model.contender(tmp_path)
    assert (contender.label, contender.role) == (model.label, "contender")
    assert (contender.format, contender.precision) == (model.format, model.precision)
    assert read_manifest(model.path(tmp_path)).sequence_length is None
    for length in (16, 24):
        feed = make_feed(vocab_size=contender.vocab_size, sequence_length=length)
        assert open_model(contender, threads=1)(feed)["logits"].shape == (1, 2)


def test_a_failed_export_is_one_line_and_in_the_log(tmp_path):
    family = Family("SqueezeBERT", "SqueezeBert", str(tmp_path / "nowhere"))
    (model,) = select(["ours onnx fp32"], list(models_of(family)))
    log = tmp_path / "log.txt"
    with pytest.raises(BuildError, match="^ExportError: .*nowhere"):
        build_in_subprocess(log, model.build, tmp_path)
    assert "error: " in log.read_text(encoding="utf-8")


def test_the_vocabulary_size_is_that_of_the_family():
    assert [family.vocab_size for family in SMALL_FAMILIES] == [200, 200]
    assert {model.family.vocab_size for model in MODELS} == {30522}
