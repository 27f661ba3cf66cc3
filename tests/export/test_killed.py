"""kill -9 at any moment of an export leaves the old artifact or the new one, whole."""

import json
import subprocess
import sys
from pathlib import Path

import kill_exports
import pytest
import tiny


@pytest.mark.slow
def test_an_export_killed_at_any_moment(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path / "one", task="text-classification")
    tiny.write_checkpoint(tmp_path / "two", task="text-classification", seed=1)
    script = [sys.executable, kill_exports.__file__, str(tmp_path), "50", "7"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    killed = [each for each in found["outcomes"] if each["killed"]]
    print(f"{len(killed)} of {len(found['outcomes'])} were killed before their end")
    # The script read the artifact after each: whole, every checksum right.
    assert len(found["outcomes"]) == 50 and 25 < len(killed)
    assert all(each["found"] == each["asked"] for each in found["outcomes"] if not each["killed"])
    # It did hit exports at work; what they left was removed by the next ones.
    assert sum(each["partial"] > 0 for each in killed) > 20
    assert max(each["partial"] for each in found["outcomes"]) == 1
    assert found["left"] == ["artifact", "one", "two"]
