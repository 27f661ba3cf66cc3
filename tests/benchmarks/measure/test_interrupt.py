"""A real Ctrl-C: a process that measures gets SIGINT, as the terminal would send it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from squeezebert_mobile.benchmarks.records.reading import read_results

ENOUGH = 8  # blocks, for an interval
SCRIPT = """
import signal
import sys
from pathlib import Path
from squeezebert_mobile.benchmarks import Preset, file_contender, measure_host, print_table

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
folder = Path(sys.argv[1])
contenders = [
    file_contender(folder / "tiny.onnx", label=label, precision="fp32", vocab_size=100, role=role)
    for label, role in (("ours", "contender"), ("theirs", "baseline"))
]
preset = Preset("long", runs=100_000, seconds=0, blocks=1000, starts=1)
results = measure_host(contenders, preset=preset, journal=folder / "journal.jsonl")
print_table(results)
results.write(folder / "results.json")
sys.exit(0 if results.complete else 130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to a process group")
def test_what_was_measured_survives_ctrl_c(tmp_path, tiny_file):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    journal = tmp_path / "journal.jsonl"
    try:
        _wait_for_blocks(process, journal)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, err) == (130, "")
    assert out.startswith("Incomplete: this run was interrupted")
    results = read_results(tmp_path / "results.json")
    assert not results.complete
    counts = {len(each.blocks) for each in results.measurements}
    assert len(counts) == 1
    assert ENOUGH <= counts.pop() < 1000
    assert results.ratios[0].times_faster.low is not None
    assert read_results(journal).measurements == results.measurements


def _wait_for_blocks(process, journal):
    limit = time.monotonic() + 120
    while not (journal.is_file() and journal.read_text().count('"block"') >= ENOUGH):
        assert process.poll() is None, "the process ended by itself"
        assert time.monotonic() < limit, "no blocks within two minutes"
        time.sleep(0.05)
