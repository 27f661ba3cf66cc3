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


_PROGRAM = ("-m", "squeezebert_mobile")
_BENCH = "--baseline none --preset rapid --sequence-length 8".split()


@pytest.mark.skipif(sys.platform != "linux", reason="the cache is elsewhere")
@pytest.mark.parametrize(
    "words",
    [
        ("-c", SESSION, "ARTIFACT"),
        (*_PROGRAM, "run", "ARTIFACT", "wake me at six"),
        # It has processes of its own, and takes its time.
        pytest.param((*_PROGRAM, "bench", "ARTIFACT", *_BENCH), marks=pytest.mark.slow),
    ],
    ids=["session", "run", "bench"],
)
def test_no_file_is_left_in_the_home_folder(
    assistant: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    words = tuple(str(assistant) if word == "ARTIFACT" else word for word in words)
    assert _files(assistant, tmp_path / "home", *words) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the cache is elsewhere")
def test_the_value_of_the_user_is_kept(assistant: Path, tmp_path: Path) -> None:
    script = "import squeezebert_mobile, os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'"
    assert _files(assistant, tmp_path / "a", "-c", script, telemetry="0") == []
    script = "import squeezebert_mobile, os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    assert _files(assistant, tmp_path / "b", "-c", script) == []
