"""Tiny models, artifacts that contain them, and contenders that only pretend to compute."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from squeezebert_mobile.artifact import Manifest, file_facts, write_json
from squeezebert_mobile.benchmarks.measure.contenders import Contender, file_contender
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records import bootstrap

VOCAB = 100
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class FakeClock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[..., None]:
        """A run that takes `seconds`."""

        def run(*_: object) -> None:
            self.now += seconds

        return run


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interval from 200 resamples is as good for a test, and five times faster."""
    monkeypatch.setattr(bootstrap, "_RESAMPLES", 200)


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def short() -> Preset:
    """Long enough for every statistic, short enough for a test."""
    return Preset("short", runs=32, seconds=0.0, blocks=8, starts=1)


def save_tiny_model(path: Path, *, axes: tuple[str | int, ...], layers: int = 2) -> None:
    """An embedding, some products, a mean over the sequence: two logits."""
    random = np.random.default_rng(0)
    hidden = 16
    arrays = {"table": random.normal(size=(VOCAB, hidden)), "head": random.normal(size=(hidden, 2))}
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["x0"])]
    for layer in range(layers):
        arrays[f"w{layer}"] = random.normal(size=(hidden, hidden)) / 4
        nodes.append(helper.make_node("MatMul", [f"x{layer}", f"w{layer}"], [f"x{layer + 1}"]))
    nodes.append(
        helper.make_node("ReduceMean", [f"x{layers}"], ["mean"], axes=[len(axes) - 1], keepdims=0)
    )
    nodes.append(helper.make_node("MatMul", ["mean", "head"], ["logits"]))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in INPUTS]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (*axes[:-1], 2))]
    constants = [numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.onnx"
    save_tiny_model(path, axes=("batch", "sequence"))
    return path


@pytest.fixture
def tiny_contender(tiny_file: Path) -> Contender:
    return file_contender(tiny_file, label="tiny", precision="fp32", vocab_size=VOCAB)


@pytest.fixture
def make_artifact(tmp_path: Path) -> Callable[..., Path]:
    """A folder with a manifest that its reader accepts, around a tiny ONNX model."""

    def make(
        name: str = "sentiment-int8",
        *,
        precision: str = "int8",
        task: str = "text-classification",
        sequence_length: int | str = "sequence",
        max_sequence_length: int = 64,
        vocab_size: int = VOCAB,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        choices = ("choices",) if task == "multiple-choice" else ()
        axes = ("batch", *choices, sequence_length)
        save_tiny_model(folder / "model.onnx", axes=axes)
        for file in ("golden.json", "tokenizer.json"):
            (folder / file).write_text("{}")
        files = {path.name: file_facts(path).model_dump() for path in folder.iterdir()}
        manifest = {
            "schema_version": 1,
            "task": task,
            "labels": None,
            "model": {
                "type": "squeezebert",
                "layers": 1,
                "hidden": 16,
                "heads": 1,
                "groups": {},
                "parameters": 1,
                "vocab_size": vocab_size,
            },
            "parts": {},
            "weights": "random",
            "format": "onnx",
            "precision": precision,
            "inputs": [{"name": each, "dtype": "int64", "axes": axes} for each in INPUTS],
            "outputs": [{"name": "logits", "dtype": "float32", "axes": ("batch", 2)}],
            "max_sequence_length": max_sequence_length,
            "source": {"name": "test", "sha256": "0" * 64},
            "quantization": None,
            "operators": {"Gemm": 1},
            "files": files,
            "parity": {
                "outputs": {},
                "top1_agreement": None,
                "answers": 0,
                "answers_undecided": 0,
                "texts": 1,
            },
            "versions": {},
        }
        write_json(Manifest.model_validate_json(json.dumps(manifest)), folder / "manifest.json")
        return folder

    return make


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, fake_clock: FakeClock) -> Callable[..., Contender]:
    """Contenders whose "model" is a callable; fresh processes give fixed figures."""
    from squeezebert_mobile.benchmarks.measure import host
    from squeezebert_mobile.benchmarks.records.results import Start

    models: dict[str, Callable[..., object]] = {}
    start = Start(
        import_ms=50,
        load_ms=20,
        first_run_ms=9,
        runs=5,
        before_import_bytes=10 << 20,
        after_import_bytes=40 << 20,
        after_load_bytes=90 << 20,
        after_runs_bytes=100 << 20,
        peak_bytes=120 << 20,
    )
    monkeypatch.setattr(host, "measure_start", lambda contender, settings: start)
    monkeypatch.setattr(host, "open_model", lambda contender, *, threads: models[contender.label])

    def make(
        label: str, model: Callable[..., object] | float, *, precision: str = "int8", **more: object
    ) -> Contender:
        models[label] = fake_clock.work(model) if isinstance(model, float) else model
        settings = {"vocab_size": VOCAB, "max_sequence_length": 512, "weights": "random"} | more
        return Contender(
            label=label,
            path="nowhere",
            origin="artifact",
            format="onnx",
            precision=precision,
            task="text-classification",
            file_bytes=52_500_000,
            sha256="0" * 64,
            **settings,  # type: ignore[arg-type]
        )

    return make
