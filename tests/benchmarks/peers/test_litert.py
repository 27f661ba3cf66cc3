"""The LiteRT peers: the converter's own folder, files with a signature for each length."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import peer_builds
import pytest

from squeezebert_mobile.benchmarks.measure.contenders import make_feed
from squeezebert_mobile.benchmarks.measure.plain_files import OPENERS
from squeezebert_mobile.benchmarks.peers import litert, select
from squeezebert_mobile.benchmarks.peers.models import models_of
from squeezebert_mobile.errors import BenchmarkError


class _Interpreter:
    """A file with two lengths; its only output is the sum of the ids."""

    def __init__(self, path, num_threads):
        self.threads = num_threads

    def get_signature_list(self):
        return {"length_16": {}, "length_32": {}}

    def get_signature_runner(self, name):
        def runner(**arrays):
            assert {array.dtype for array in arrays.values()} == {np.dtype(np.int32)}
            assert arrays["input_ids"].shape == (1, int(name.removeprefix("length_")))
            return {"output_0": arrays["input_ids"].sum()}

        details = {name: {"dtype": np.int32} for name in make_feed(vocab_size=9, sequence_length=1)}
        runner.get_input_details = lambda: details
        return runner


@pytest.fixture
def library(monkeypatch):
    module = ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = _Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)


def test_a_file_answers_each_of_its_lengths(library, tmp_path):
    run = OPENERS["litert"](tmp_path / "model.tflite", 1)
    for length in (16, 32, 16):
        feed = make_feed(vocab_size=200, sequence_length=length)
        assert run(feed) == feed["input_ids"].sum()
    with pytest.raises(BenchmarkError, match="the file takes 16, 32 tokens, not 20"):
        run(make_feed(vocab_size=200, sequence_length=20))


def test_the_models_are_those_of_the_pages():
    models = {model.label: model for model in select(["peer litert"])}
    assert list(models) == [
        f"peer {family} litert {precision}"
        for family in ("SqueezeBERT", "BERT-base")
        for precision in ("fp32", "int8")
    ]
    assert {model.suffix for model in models.values()} == {".tflite"}


def test_the_converter_is_pinned_like_the_library_that_measures():
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", litert._REQUIREMENTS.read_text(), re.M))
    constraints = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (peer_builds.ROOT / "constraints.txt").read_text(), re.M)
    )
    assert constraints["ai-edge-litert"] == pins["ai-edge-litert"]
    assert pins["litert-torch"] == pins["ai-edge-quantizer"] == "0.10.0"


def test_the_converter_is_installed_once(tmp_path, monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        Path(command[command.index("--target") + 1]).mkdir()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    folder = litert.install_converter(tmp_path / "cache")
    assert folder.is_dir() and litert.install_converter(tmp_path / "cache") == folder
    assert len(commands) == 1 and "--no-deps" in commands[0]
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_a_failed_download_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    failed = SimpleNamespace(returncode=1, stderr="WARNING: retry\nERROR: no network\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(BenchmarkError, match=r"cannot be downloaded: ERROR: no network$"):
        litert.install_converter(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_builds_pass_one_length_after_the_other_to_the_converter(tmp_path, monkeypatch):
    """With a fake converter: the real one takes minutes and is downloaded."""
    seen = []

    class Builder:
        def signature(self, name, module, sample_kwargs):
            output = module(**sample_kwargs)
            seen.append((name, tuple(sample_kwargs["input_ids"].shape), tuple(output.shape)))
            return self

        def convert(self):
            return self

        def export(self, path):
            Path(path).write_bytes(b"fp32")

        def load_quantization_recipe(self, recipe):
            assert recipe == "dynamic"

        def quantize(self):
            return self

        def export_model(self, path, overwrite):
            Path(path).write_bytes(b"int8")

    modules = {
        "litert_torch": Builder(),
        "ai_edge_quantizer.quantizer": SimpleNamespace(Quantizer=lambda path: Builder()),
        "ai_edge_quantizer.recipe": SimpleNamespace(dynamic_wi8_afp32=lambda: "dynamic"),
    }
    monkeypatch.setattr(litert, "_converter", modules.__getitem__)
    for family in peer_builds.SMALL_FAMILIES:
        (model,) = (each for each in models_of(family) if each.configuration == "peer litert int8")
        model.build(tmp_path, (64, 16))
        folder = model.path(tmp_path).parent
        assert {path.name for path in folder.iterdir()} == {
            "litert int8.tflite",
            "litert fp32.tflite",
        }
        assert seen == [(f"length_{length}", (1, length), (1, 2)) for length in (16, 64)]
        seen.clear()
