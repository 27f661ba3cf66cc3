"""Each peer has the outputs of the transformers model."""

import sys

import numpy as np
import onnx
import peer_builds
import pytest
import torch
from onnx import numpy_helper
from peer_builds import SMALL_FAMILIES, SMALL_PEERS

from squeezebert_mobile.benchmarks.measure.contenders import import_library, make_feed, open_model
from squeezebert_mobile.benchmarks.peers import BuildError, build_in_subprocess
from squeezebert_mobile.benchmarks.peers.models import REFERENCE, SurveyModel
from squeezebert_mobile.benchmarks.peers.theirs import network
from squeezebert_mobile.errors import MissingExtraError

QUICK = [model for model in SMALL_PEERS if model.format not in {"executorch", "litert"}]
LOWERED = [model for model in SMALL_PEERS if model.format == "executorch"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    build_in_subprocess(folder / "log.txt", peer_builds.every_quick_peer, folder)
    return folder


def find(configuration, family="SqueezeBERT"):
    (found,) = [
        m for m in SMALL_PEERS if (m.configuration, m.family.name) == (configuration, family)
    ]
    return found


def answers(model: SurveyModel, folder, length):
    """The outputs of the built file, opened as for a measurement, and those of transformers."""
    feed = make_feed(vocab_size=model.family.vocab_size, sequence_length=length)
    contender = model.contender(folder)
    import_library(contender)
    found = open_model(contender, threads=1)(feed)
    with torch.no_grad():
        expected = network(model.family)(*map(torch.tensor, feed.values()))[0]
    return np.asarray(found).reshape(1, 2), expected.numpy()


@pytest.mark.slow  # peers are built
@pytest.mark.parametrize("model", QUICK, ids=lambda model: model.label)
def test_a_peer_has_the_outputs_of_transformers(model, built):
    for length in (16, 29):  # that of the export, and another
        found, expected = answers(model, built, length)
        tolerance = 1e-5 if model.precision == "fp32" else 0.01
        np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.slow  # peers are built
def test_int8_peers_have_integer_operators(built):
    def operators(model):
        return [node.op_type for node in onnx.load(model.path(built)).graph.node]

    for family in ("SqueezeBERT", "BERT-base"):
        plain = operators(find("peer onnx int8", family))
        assert ("ConvInteger" in plain) == (family == "SqueezeBERT")
        assert "MatMulInteger" in plain
        # optimum quantizes q k^T and p v too, in each of the two layers
        as_optimum = operators(find("peer onnx int8 as optimum", family))
        more = as_optimum.count("MatMulInteger") - plain.count("MatMulInteger")
        assert more == 4


@pytest.mark.slow  # peers are built
@pytest.mark.parametrize(
    ("configuration", "channels"),
    [("peer onnx int8", 1), ("peer onnx int8 per channel", 64), ("peer onnx int8 as optimum", 64)],
)
def test_scales_are_per_channel_where_the_name_says_so(configuration, channels, built):
    graph = onnx.load(find(configuration, "BERT-base").path(built)).graph
    scales = [
        numpy_helper.to_array(each).size for each in graph.initializer if "scale" in each.name
    ]
    assert max(scales) == channels


@pytest.mark.slow  # peers are built
def test_the_reference_is_the_baseline(built):
    roles = {model.label: model.contender(built).role for model in QUICK}
    assert [label for label, role in roles.items() if role == "baseline"] == [REFERENCE]


@pytest.mark.slow  # a large model is lowered
@pytest.mark.parametrize(
    "model", [m for m in LOWERED if m.precision == "fp32"], ids=lambda model: model.label
)
def test_a_peer_lowered_to_xnnpack(model, tmp_path):
    build_in_subprocess(tmp_path / "log.txt", model.build, tmp_path)
    for length in (16, 29):
        found, expected = answers(model, tmp_path, length)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow  # a large model is lowered
def test_pt2e_fails_with_transformers_model(tmp_path):
    """If this fails one day, the peer can be built and its row will have figures."""
    model = find("peer executorch int8")
    with pytest.raises(BuildError, match="IndexError: tensors used as indices must be long"):
        build_in_subprocess(tmp_path / "log.txt", model.build, tmp_path)


def test_a_failed_export_leaves_nothing_to_quantize(monkeypatch, tmp_path):
    def broken(model, example, path, **options):
        path.write_bytes(b"half of a model")
        raise RuntimeError("no memory")

    monkeypatch.setattr(torch.onnx, "export", broken)
    for configuration in ("peer onnx fp32", "peer onnx int8"):
        with pytest.raises(RuntimeError, match="no memory"):
            find(configuration).build(tmp_path)


@pytest.mark.parametrize("model", QUICK, ids=lambda model: model.configuration)
def test_a_missing_transformers_is_named(model, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'squeezebert-mobile\[peers\]'"):
        model.build(tmp_path)


def test_weights_are_reproducible():
    for family in SMALL_FAMILIES:
        once, again = network(family).state_dict(), network(family).state_dict()
        assert all(torch.equal(once[name], again[name]) for name in once)


# Building in a process of its own -----------------------------------------------------------


def test_the_output_of_a_build_goes_to_the_log_and_its_error_is_one_line(tmp_path, capfd):
    log = tmp_path / "log.txt"
    with pytest.raises(BuildError, match="^ValueError: first line$"):
        build_in_subprocess(log, peer_builds.noisy_failure)
    assert capfd.readouterr() == ("", "")
    assert b"from C++ too" in log.read_bytes()


def test_a_missing_extra_is_raised_as_such(tmp_path):
    with pytest.raises(MissingExtraError, match="transformers is not installed"):
        build_in_subprocess(tmp_path / "log.txt", peer_builds.missing_extra)


def test_a_build_that_is_killed(tmp_path):
    log = tmp_path / "log.txt"
    with pytest.raises(BuildError, match="was killed"):
        build_in_subprocess(log, peer_builds.killed)
    assert log.read_text() == "about to die\n"
