"""What is written has the permissions that the umask says, as files of any other program."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from commands import Cli
from labelled import write

from squeezebert_mobile.export import export_checkpoint

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")


UMASKS = [0o077, *(pytest.param(umask, marks=pytest.mark.slow) for umask in (0o022, 0o002, 0o027))]


@pytest.fixture(params=UMASKS)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def _check(folder: Path, umask: int) -> None:
    for path in (folder, *folder.rglob("*")):
        usual = 0o777 if path.is_dir() else 0o666
        assert oct(path.stat().st_mode & 0o777) == oct(usual & ~umask), path


@pytest.fixture
def place(tmp_path: Path, umask: int) -> Path:
    place = tmp_path / "place"
    tiny.write_checkpoint(place / "checkpoint", task="text-classification", num_labels=2)
    write(place, "data.csv", "text,label\nwake me,LABEL_0\nstop,LABEL_1\n")
    return place


def test_artifacts_and_results(
    cli: Cli, place: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    for options in (["--precision", "int8"], ["--precision", "fp32", "--force"]):
        assert cli("export", "checkpoint", "-o", "new/artifact", *options)[0] == 0
        _check(place / "new", umask)
    bench = "--baseline none --preset rapid --sequence-length 8 -o".split()
    for force in ([], ["--force"]):  # a new file, and one that is replaced
        assert cli("bench", "new/artifact", *bench, "results/r.json", *force)[0] == 0
        for name in ("r.md", "r.html"):
            assert cli("report", "results/r.json", "-o", f"results/{name}")[0] == 0
        assert cli("push", "new/artifact", "--zip", "results/a.zip", *force)[0] == 0
        _check(place / "results", umask)


@pytest.mark.slow
def test_torchscript(place: Path, umask: int) -> None:
    export_checkpoint(place / "checkpoint", place / "new", format="torchscript", precision="fp32")
    _check(place / "new", umask)


def test_checkpoints(cli: Cli, place: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    options = "--task text-classification --epochs 1 -o tuned --force".split()
    for _ in range(2):
        code, _, err = cli("finetune", "checkpoint", "data.csv", *options, "--dev", "data.csv")
        assert code == 0, err
        _check(place / "tuned", umask)


def test_a_file_keeps_its_permissions(
    cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private results file stays private when it is replaced."""
    monkeypatch.chdir(place)
    export_checkpoint(place / "checkpoint", place / "new", precision="fp32")
    path = place / "r.json"
    bench = "--baseline none --preset rapid --sequence-length 8 -o".split()
    for mode in (0o600, 0o640, 0o664):
        path.touch()
        path.chmod(mode)
        assert cli("bench", "new", *bench, path, "--force")[0] == 0
        assert path.stat().st_size and oct(path.stat().st_mode & 0o777) == oct(mode)
