"""An export needs a bounded multiple of the checkpoint's size in memory."""

import subprocess
import sys
from pathlib import Path

import peak_memory
import pytest

from squeezebert_mobile.export import initialize
from squeezebert_mobile.models.checkpoint import demo_folder
from squeezebert_mobile.models.config import BertConfig
from squeezebert_mobile.runtime import SqueezeBertTokenizer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five layers of BERT-base: 152 MB."""
    folder = tmp_path_factory.mktemp("memory") / "checkpoint"
    tokenizer = SqueezeBertTokenizer.from_pretrained(demo_folder())
    config = BertConfig(vocab_size=len(tokenizer), num_hidden_layers=5, max_position_embeddings=64)
    initialize("text-classification", config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads Linux's /proc")
@pytest.mark.parametrize(("precision", "multiple"), [("fp32", 6), ("int8", 15)])
def test_the_peak_is_a_bounded_multiple_of_the_checkpoint(
    checkpoint: Path, tmp_path: Path, precision: str, multiple: float
) -> None:
    arguments = [str(checkpoint), str(tmp_path / "artifact"), "onnx", precision]
    done = subprocess.run(
        [sys.executable, peak_memory.__file__, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=800,
    )
    size = (checkpoint / "model.safetensors").stat().st_size
    peak = int(done.stdout) / size
    print(f"{precision}: {peak:.1f} times the checkpoint")
    assert 1 < peak < multiple
