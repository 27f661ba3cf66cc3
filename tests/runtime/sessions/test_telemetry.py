"""ONNX Runtime reports nothing, and keeps no id of this device, unless the user wants it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SESSION = """
import sys
from squeezebert_mobile.runtime import load_artifact
with load_artifact(sys.argv[1]) as model:
    model("wake me at six")
"""


def _files(artifact: Path, home: Path, *words: str, telemetry: str | None = None) -> list[Path]:
    """The files that a process leaves in its home folder."""
    home.mkdir()
    removed = {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "CI", "ORT_RUNNING_UNIT_TESTS"}
    environment = {name: value for name, value in os.environ.items() if name not in removed}
    environment |= {"HOME": str(home)} | ({"ORT_DISABLE_TELEMETRY": telemetry} if telemetry else {})
    command = [sys.executable, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform != "linux", reason="the cache is elsewhere")
def test_no_file_is_left_in_the_home_folder(assistant: Path, tmp_path: Path) -> None:
    program = ("-m", "squeezebert_mobile")
    bench = "--baseline none --preset rapid --sequence-length 8".split()
    for number, words in enumerate(
        [
            ("-c", SESSION, str(assistant)),
            (*program, "run", str(assistant), "wake me at six"),
            (*program, "bench", str(assistant), *bench),  # has processes of its own
        ]
    ):
        assert _files(assistant, tmp_path / str(number), *words) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the cache is elsewhere")
def test_the_value_of_the_user_is_kept(assistant: Path, tmp_path: Path) -> None:
    script = "import squeezebert_mobile, os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'"
    assert _files(assistant, tmp_path / "a", "-c", script, telemetry="0") == []
    script = "import squeezebert_mobile, os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    assert _files(assistant, tmp_path / "b", "-c", script) == []
