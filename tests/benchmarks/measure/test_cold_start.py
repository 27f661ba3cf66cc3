import subprocess
import sys

import pytest

from squeezebert_mobile.benchmarks.measure import cold_start as fresh_process
from squeezebert_mobile.benchmarks.measure.cold_start import measure_start
from squeezebert_mobile.benchmarks.measure.contenders import artifact_contender
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.measure.settings import make_settings
from squeezebert_mobile.errors import BenchmarkError, MissingExtraError

PRESET = Preset("one", runs=1, seconds=0, blocks=1, starts=1)
MIB = 1 << 20


def alone(contender):
    return make_settings([contender], PRESET, [1], [16])


def test_a_fresh_process_reports_times_and_memory(make_artifact):
    contender = artifact_contender(make_artifact())
    start = measure_start(contender, alone(contender))
    assert start.runs == 5
    assert min(start.import_ms, start.load_ms, start.first_run_ms) > 0
    assert MIB < start.before_import_bytes < 40 * MIB  # a bare interpreter, nothing heavy in it
    assert start.before_import_bytes + 10 * MIB < start.after_import_bytes  # numpy, onnxruntime
    assert start.after_import_bytes <= start.after_load_bytes <= start.after_runs_bytes
    assert start.after_runs_bytes <= start.peak_bytes
    assert start.model_bytes < 64 * MIB


def test_a_larger_model_takes_more_memory(tmp_path, tiny_contender):
    import dataclasses

    import numpy as np
    import onnx

    model = onnx.load(tiny_contender.path)
    table = next(each for each in model.graph.initializer if each.name == "table")
    large = np.zeros((500_000, 16), dtype=np.float32)  # 30.5 MiB
    table.CopyFrom(onnx.numpy_helper.from_array(large, "table"))
    onnx.save(model, tmp_path / "large.onnx")
    larger = dataclasses.replace(tiny_contender, path=str(tmp_path / "large.onnx"))
    small_start = measure_start(tiny_contender, alone(tiny_contender))
    large_start = measure_start(larger, alone(larger))
    assert large_start.model_bytes - small_start.model_bytes > 25 * MIB


def test_a_model_that_does_not_load_is_an_error_with_the_reason(tiny_contender, tiny_file):
    tiny_file.write_bytes(b"not a model")
    with pytest.raises(
        BenchmarkError, match="'tiny' failed in a fresh process: .*Protobuf parsing failed"
    ):
        measure_start(tiny_contender, alone(tiny_contender))


def test_a_process_that_is_killed_is_an_error(tiny_contender, monkeypatch):
    dying = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    real = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda command, **more: real([sys.executable, "-c", dying], **more)
    )
    with pytest.raises(BenchmarkError, match="ended by signal 9"):
        measure_start(tiny_contender, alone(tiny_contender))


def test_a_process_that_hangs_is_an_error(tiny_contender, monkeypatch):
    monkeypatch.setattr(fresh_process, "_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(BenchmarkError, match="'tiny' did not load and run within 0.05 s"):
        measure_start(tiny_contender, alone(tiny_contender))


def test_psutil_reports_the_memory_on_other_systems_than_linux(monkeypatch, tmp_path):
    expected = fresh_process._resident_bytes()
    monkeypatch.setattr(fresh_process, "_STATUS", tmp_path / "none")
    assert fresh_process._resident_bytes() == pytest.approx(expected, rel=0.2)
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'squeezebert-mobile\[bench\]'"):
        fresh_process._resident_bytes()


def test_the_measuring_package_is_light_until_it_is_used():
    code = "import sys, squeezebert_mobile.benchmarks.measure.cold_start; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pydantic", "onnxruntime", "rich"} & set(out.stdout.split())
