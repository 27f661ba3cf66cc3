import json
import sys

import numpy as np
import onnx
import onnxruntime
import peer_builds
import pytest
import torch
import transformers

from squeezebert_mobile.benchmarks import peers
from squeezebert_mobile.benchmarks.contenders import file_contender
from squeezebert_mobile.benchmarks.journal import read_results
from squeezebert_mobile.benchmarks.peers import GOALS, build_peer, main
from squeezebert_mobile.benchmarks.protocol import PRESETS, Preset
from squeezebert_mobile.errors import MissingExtraError

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 200,
}


CONFIGS = {"SqueezeBERT": SMALL | {"embedding_size": 32}, "BERT-base": SMALL}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    peers.build_apart(folder / "log.txt", peer_builds.every_peer, folder, CONFIGS)
    return folder


@pytest.mark.parametrize("family", CONFIGS)
def test_a_peer_is_transformers_model_exported_and_quantized(family, built):
    torch.manual_seed(0)  # the seed of the build: the same weights again
    prefix = {"SqueezeBERT": "SqueezeBert", "BERT-base": "Bert"}[family]
    settings = getattr(transformers, f"{prefix}Config")(num_labels=2, **CONFIGS[family])
    model = getattr(transformers, f"{prefix}ForSequenceClassification")(settings).eval()
    ids = np.arange(2 * 24).reshape(2, 24)  # neither the batch nor the length of the export
    feed = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    with torch.no_grad():
        theirs = model(**{name: torch.tensor(each) for name, each in feed.items()}).logits.numpy()
    for precision, tolerance in (("fp32", 1e-5), ("int8", 0.1)):
        session = onnxruntime.InferenceSession(built / family / f"{precision}.onnx")
        (found,) = session.run(None, feed)
        np.testing.assert_allclose(found, theirs, atol=tolerance)
    kinds = {node.op_type for node in onnx.load(built / family / "int8.onnx").graph.node}
    assert ("ConvInteger" in kinds) == (family == "SqueezeBERT")
    assert "MatMulInteger" in kinds


# One run with stand-ins for the built models -------------------------------------------------


@pytest.fixture
def stand_ins(monkeypatch, tiny_file):
    """Each model is the tiny one; what is in `broken` cannot be built."""
    broken = {}

    def build_apart(log, build, family, precision, place):
        label = f"{'ours' if build is peers.build_ours else 'peer'} {family} {precision}"
        if label in broken:
            raise broken[label]

    def load(folder, label, precision):
        role = "baseline" if label.startswith("peer BERT") else "contender"
        return file_contender(
            tiny_file, label=label, precision=precision, vocab_size=100, role=role
        )

    monkeypatch.setattr(peers, "build_apart", build_apart)
    monkeypatch.setattr(
        peers, "_KINDS", {"ours": (peers.build_ours, load), "peer": (build_peer, load)}
    )
    monkeypatch.setitem(PRESETS, "rapid", Preset("rapid", 16, 0, 8, 1))
    return broken


@pytest.fixture(autouse=True)
def _no_fresh_processes(monkeypatch, pretend):
    """Keep `measure_start`'s stand-in of `pretend`, and the real models."""
    from squeezebert_mobile.benchmarks import contenders, host

    monkeypatch.setattr(host, "open_model", contenders.open_model)


def test_one_run_measures_all_and_judges_the_goals(stand_ins, tmp_path, capsys):
    output = tmp_path / "results.json"
    assert main(["--preset", "rapid", "--sequence-length", "16", "-o", str(output)]) == 0
    results = read_results(output)
    assert len(results.measurements) == 8
    assert [(each.contender, each.baseline, each.at_least) for each in results.goals] == list(GOALS)
    for goal in results.goals:
        assert not goal.holds  # the same model is as fast as itself
        assert goal.times_faster.low is not None
    out = capsys.readouterr().out
    assert "ours SqueezeBERT int8 peer BERT-base fp32" in " ".join(out.split())
    assert max(len(line) for line in out.splitlines()) <= 80


def test_json_goes_to_stdout_alone(stand_ins, capsys):
    assert main(["--preset", "rapid", "--sequence-length", "16", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema_version"] == 1


def test_a_peer_that_cannot_be_built_is_a_row_with_its_error(stand_ins, capsys):
    stand_ins["peer SqueezeBERT int8"] = peers.BuildFailed("IndexError: tensors used as indices")
    assert main(["--preset", "rapid", "--sequence-length", "16"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "peer SqueezeBERT int8 failed (build): IndexError: tensors used as indices" in out
    assert "not measured" in out


def test_nothing_can_be_built(stand_ins, capsys):
    for kind in ("ours", "peer"):
        for family in ("SqueezeBERT", "BERT-base"):
            for precision in ("fp32", "int8"):
                stand_ins[f"{kind} {family} {precision}"] = peers.BuildFailed("no disk space")
    assert main(["--preset", "rapid"]) == 1
    assert capsys.readouterr().err == "error: no model could be built: no disk space\n"


def test_ctrl_c_while_building(stand_ins, capsys):
    stand_ins["ours SqueezeBERT fp32"] = KeyboardInterrupt()
    assert main(["--preset", "rapid"]) == 130
    assert "interrupted before anything was measured" in capsys.readouterr().err


# Building apart -----------------------------------------------------------------------------


def test_what_a_build_prints_goes_to_the_log_and_its_error_is_one_line(tmp_path, capfd):
    log = tmp_path / "log.txt"
    with pytest.raises(peers.BuildFailed, match="^ValueError: first line$"):
        peers.build_apart(log, peer_builds.noisy_failure)
    assert capfd.readouterr() == ("", "")
    assert b"from C++ too" in log.read_bytes()


def test_a_missing_extra_is_no_row(tmp_path):
    with pytest.raises(MissingExtraError, match="transformers is not installed"):
        peers.build_apart(tmp_path / "log.txt", peer_builds.missing_extra)


def test_a_build_that_is_killed(tmp_path):
    log = tmp_path / "log.txt"
    with pytest.raises(peers.BuildFailed, match="was ended"):
        peers.build_apart(log, peer_builds.killed)
    assert log.read_text() == "about to die\n"


def test_transformers_is_named_when_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'squeezebert-mobile\[peers\]'"):
        build_peer("SqueezeBERT", "fp32", tmp_path)
