"""Empty, enormous and otherwise odd values of arguments and variables: one line, early."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from commands import Cli

from squeezebert_mobile.errors import ArtifactError, CheckpointError, ExportError, InputError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.config import SqueezeBertConfig
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.runtime.sessions import open_model
from squeezebert_mobile.training import processes

LATIN = os.fsdecode(b"caf\xe9")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "checkpoint"
    tiny.write_checkpoint(folder, task="text-classification", num_labels=2)
    return folder


@pytest.fixture(scope="module")
def artifact(checkpoint: Path) -> Path:
    export_checkpoint(checkpoint, checkpoint.with_name("artifact"), precision="fp32")
    return checkpoint.with_name("artifact")


@pytest.fixture(autouse=True)
def inside(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The current folder is an artifact, which an empty path must not stand for."""
    monkeypatch.chdir(checkpoint.parent)
    yield


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


# Empty names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("export", "checkpoint", "-o", ""),
        ("export", "checkpoint", "--output="),
        ("export", "checkpoint", "-o", "", "--force"),
        ("export", "", "-o", "new"),
        ("export", "checkpoint", "-o", "new", "--data", ""),
        ("export", "checkpoint", "-o", "new", "--texts", ""),
        ("finetune", "checkpoint", "data.csv", "--task", "text-classification", "-o", ""),
        ("finetune", "checkpoint", "", "--task", "text-classification", "-o", "new"),
        ("bench", "artifact", "-o", ""),
        ("bench", "artifact", ""),
        ("bench", "artifact", "--baseline", ""),
        ("bench", "artifact", "--target", "adb", "--adb-server", ""),
        ("bench", "artifact", "--target", "adb", "--serial", ""),
        ("bench", "artifact", "--target", "adb", "--cores", ""),
        ("bench", "artifact", "--target", "adb", "--android-runtime", ""),
        ("report", "", "-o", "report.md"),
        ("report", "results.json", "-o", ""),
        ("run", "", "text"),
        ("verify", ""),
        ("verify", "artifact", "--against", ""),
        ("inspect", ""),
        ("evaluate", "artifact", ""),
        ("evaluate", "artifact", "data.csv", "--against", ""),
        ("push", "artifact", "--zip", ""),
        ("push", ""),
        ("devices", "--adb-server", ""),
        ("doctor", "--adb-server", ""),
        ("clean", "--serial", ""),
        ("export", "checkpoint", "-o", " "),
        ("bench", "artifact", "-o", "\t"),
        ("bench", "artifact", " "),
        ("report", "results.json", "-o", "\n"),
        ("inspect", "\u00a0"),
    ],
    ids=" ".join,
)
def test_an_empty_name(
    cli: Cli, artifact: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(artifact)
    before = _entries(artifact.parent)
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert "it is empty; is a variable not set?" in " ".join(err.split())
    assert _entries(artifact.parent) == before


def test_texts_may_be_empty(cli: Cli, artifact: Path) -> None:
    code, _, err = cli("run", artifact, "")
    assert code == 1 and err.startswith("error: text 1: ")


# Numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", ["0", "65", "50000", "2147483648", "9" * 30, "-1"])
@pytest.mark.parametrize(
    "words",
    [
        ("run", "artifact", "text", "--threads"),
        ("verify", "artifact", "--threads"),
        ("bench", "artifact", "--threads"),
        ("evaluate", "artifact", "data.csv", "--workers"),
    ],
    ids=" ".join,
)
def test_threads(cli: Cli, words: tuple[str, ...], threads: str) -> None:
    code, out, err = cli(*words, threads)
    assert (code, out) == (2, "")
    number, few = threads[:40], int(threads) < 1
    limit = "small; give at least 1" if few else "large; give at most 64"
    assert f"{number} is too {limit}" in " ".join(err.split())


@pytest.mark.parametrize("threads", [0, 65, 50_000, 2**31, 2**70, -1, True])
def test_threads_in_python(artifact: Path, threads: int) -> None:
    with pytest.raises(InputError) as caught:
        load_artifact(artifact, threads=threads)
    limit = "at most 64" if threads > 64 else "a whole number of at least 1"
    assert str(caught.value) == f"threads={threads!r} must be {limit}, or None for all cores"


def test_as_many_threads_as_the_runner_takes(artifact: Path) -> None:
    kotlin = Path(__file__).parents[2] / "android_demo/core/src/main/kotlin/squeezebertmobile/core"
    assert "const val MAX_THREADS = 64\n" in (kotlin / "Session.kt").read_text(encoding="utf-8")
    with load_artifact(artifact, threads=64) as model:
        assert model("wake me").label


HUGE = "9" * 25


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "artifact", "wake me", "--top-k", HUGE), ""),
        (("run", "artifact", "wake me", "--batch-size", HUGE), ""),
        (("bench", "artifact", "--baseline", "none", "--sequence-length", HUGE), HUGE),
        (("export", "checkpoint", "-o", "new", "--sequence-length", HUGE), HUGE),
        (("export", "checkpoint", "-o", "new", "--sequence-length", "\u00b2"), "\u00b2"),
        (("export", "checkpoint", "-o", "new", "--sequence-length", "9" * 5000), "9"),
        (("export", "checkpoint", "-o", "new", "--max-sequence-length", HUGE), HUGE),
    ],
    ids=lambda value: str(value)[:60],
)
def test_enormous_numbers(cli: Cli, artifact: Path, words: tuple[str, ...], message: str) -> None:
    code, _, err = cli(*words)
    assert "Traceback" not in err and message in err
    assert bool(code) == bool(message)


# Text that is not Unicode ----------------------------------------------------------------------

HALVES = ["a\ud800", "\udfff", "\udc80b"]


@pytest.mark.parametrize("label", HALVES, ids=ascii)
def test_half_a_surrogate_in_a_label(
    cli: Cli, checkpoint: Path, tmp_path: Path, label: str
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {"0": "fine", "1": label}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for words in (("export", folder, "-o", tmp_path / "new"), ("inspect", folder)):
        code, out, err = cli(*words)
        assert (code, out) == (1, "")
        assert f"the label {label!r} in id2label has half of a surrogate pair" in err
        assert err.count("\n") == 1
    assert _entries(tmp_path) == _entries(folder.parent)
    with pytest.raises(CheckpointError, match="half of a surrogate pair"):
        SqueezeBertConfig().with_labels(["fine", label])
    with pytest.raises(ExportError, match="is not valid Unicode; give it in UTF-8"):
        export_checkpoint(checkpoint, tmp_path / "new", labels=["fine", label])


@pytest.mark.parametrize("name", HALVES, ids=ascii)
def test_labels_of_data(cli: Cli, checkpoint: Path, tmp_path: Path, name: str) -> None:
    rows = [{"text": "wake me", "label": name}, {"text": "stop", "label": "b"}]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = ("--task", "text-classification", "--epochs", "1")
    code, out, err = cli("finetune", checkpoint, data, *task, "-o", tmp_path / "new")
    assert (code, out) == (1, "") and repr(name) in err and "Traceback" not in err
    assert not (tmp_path / "new").exists()


def test_a_license_and_names_of_files(
    cli: Cli, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the manifest with escapes."""
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(checkpoint, tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["license"] = "mit\ud800"
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    data = tmp_path / f"{LATIN}.csv"
    data.write_text("text,label\nwake me,LABEL_0\nstop,LABEL_1\n", encoding="utf-8")
    manifest = export_checkpoint(folder, tmp_path / "new", precision="fp32", data=data)
    assert manifest.source.license == r"mit\ud800"
    assert manifest.accuracy is not None and manifest.accuracy.data == r"caf\udce9.csv"
    assert cli("verify", "new")[0] == 0


def test_names_of_folders(
    cli: Cli, checkpoint: Path, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries that open models need UTF-8."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(checkpoint, f"c{LATIN}")
    shutil.copytree(artifact, f"a{LATIN}")
    before = _entries(tmp_path)
    for words in (("export", f"c{LATIN}", "-o", "new"), ("inspect", f"c{LATIN}")):
        code, out, err = cli(*words)
        assert (code, out) == (1, "")
        assert err == (
            r"error: 'ccaf\udce9' has bytes that are not UTF-8, so that safetensors cannot open "
            "its files; rename the folder\n"
        )
    code, out, err = cli("export", checkpoint, "-o", f"new{LATIN}")
    assert (code, out) == (1, "")
    assert r"'newcaf\udce9' has bytes that are not UTF-8" in err
    code, out, err = cli("run", f"a{LATIN}", "text")
    assert (code, out) == (1, "") and err.count("\n") == 1
    assert err.endswith(
        "has bytes that are not UTF-8, so that onnx cannot open it; rename the folder\n"
    )
    assert _entries(tmp_path) == before
    with pytest.raises(ArtifactError, match="so that torchscript cannot open it"):
        open_model(Path(LATIN), "torchscript", None)  # type: ignore[arg-type]


# Several processes -----------------------------------------------------------------------------

START = "start several processes with torchrun, or one without it: unset RANK LOCAL_RANK WORLD_SIZE"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "abc"}, "RANK is 'abc', which must be a number from 0"),
        ({"RANK": ""}, "RANK is '', which must be a number from 0"),
        ({"RANK": "\u00b2"}, "RANK is '²', which must be a number from 0"),
        ({"RANK": "-1"}, "RANK is '-1', which must be a number from 0"),
        ({"LOCAL_RANK": "1.0"}, "LOCAL_RANK is '1.0', which must be a number from 0"),
        ({"LOCAL_RANK": "9" * 40}, f"LOCAL_RANK is '{'9' * 40}', which must be a number from 0"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', which must be a number from 0"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is 0, which must be at least 1"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2, which must be below WORLD_SIZE, 2"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, but MASTER_ADDR is not set"),
        ({"WORLD_SIZE": "2", "MASTER_ADDR": "a"}, "WORLD_SIZE is 2, but MASTER_PORT is not set"),
    ],
    ids=str,
)
def test_processes(
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    message: str,
) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"LOCAL_RANK": "0"} | variables).items():
        monkeypatch.setenv(name, value)
    words = "finetune demo none.csv --task text-classification -o".split()
    code, out, err = cli(*words, tmp_path / "new")
    assert (code, out, err) == (1, "", f"error: {message}; {START}\n")


def test_a_rank_of_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without LOCAL_RANK there is one process, which prints."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("RANK", "abc")
    processes.check_processes()
    assert processes.is_first_process()
    for rank, is_first in (("0", True), ("1", False)):
        monkeypatch.setenv("LOCAL_RANK", rank)
        monkeypatch.setenv("RANK", rank)
        assert processes.is_first_process() is is_first
