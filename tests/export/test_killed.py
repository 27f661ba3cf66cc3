"""kill -9 at any moment of an export leaves either the old or the new artifact, complete."""

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
    result = json.loads(done.stdout)
    killed = [outcome for outcome in result["outcomes"] if outcome["killed"]]
    print(f"{len(killed)} of {len(result['outcomes'])} were killed before they finished")
    # The script read the artifact after each kill: complete, with correct checksums.
    assert len(result["outcomes"]) == 50 and 25 < len(killed)
    assert all(o["found"] == o["expected"] for o in result["outcomes"] if not o["killed"])
    # Running exports were killed; what they left was removed by the next ones.
    assert sum(outcome["partial"] > 0 for outcome in killed) > 20
    assert max(outcome["partial"] for outcome in result["outcomes"]) == 1
    assert result["left"] == ["artifact", "one", "two"]
