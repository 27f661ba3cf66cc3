"""The README's commands on checkpoints with the files of the published ones, without --task."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from commands import Cli
from forks import Forks
from published import PUBLISHED, write_published

from squeezebert_mobile.artifact import read_manifest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)
    for line in re.findall(r"^ *squeezebert-mobile (.*)$", README, flags=re.MULTILINE)
]
#: Published checkpoint -> its task, and the artifact that README's line for the task runs.
RUNS = {
    "squeezebert-uncased": ("fill-mask", "masked"),
    "squeezebert-mnli": ("text-classification", "assistant"),
    "squeezebert-mnli-headless": ("feature-extraction", "assistant"),
    "squeezebert-squadv2": ("question-answering", "squad"),
}


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _lines(*beginning: str, **replaced: str) -> list[list[str]]:
    """The README's commands that begin with these words, with some words replaced."""
    found = [words for words in COMMANDS if tuple(words[: len(beginning)]) == beginning]
    assert found, beginning
    return [[replaced.get(word, word) for word in words] for words in found]


def test_every_published_head_has_its_lines() -> None:
    assert RUNS.keys() == PUBLISHED.keys()
    assert not any("--task" in words for words in COMMANDS if words[0] != "finetune")


def _export(cli: Cli, name: str) -> tuple[str, str]:
    """The task and the artifact of README's export command on a published checkpoint."""
    write_published(Path(name), name)
    task, artifact = RUNS[name]
    (export,) = _lines("export", "demo", demo=name, assistant=artifact)
    code, out, err = cli(*export)
    assert code == 0, err
    assert out.startswith(f"{task}, int8 onnx\n")
    return task, artifact


@pytest.mark.parametrize(
    "name",
    [
        name if name == "squeezebert-mnli" else pytest.param(name, marks=pytest.mark.slow)
        for name in PUBLISHED
    ],
)
def test_inspect_export_run_and_verify(cli: Cli, name: str) -> None:
    task, artifact = _export(cli, name)
    assert read_manifest(Path(artifact)).task == task
    (run,) = _lines("run", artifact)
    code, out, err = cli(*run)
    assert (code, err) == (0, "")
    texts = [] if "--question" in run else run[2:]
    answers = out.splitlines()
    assert answers[: 2 * len(texts) : 2] == texts
    assert len(answers) == max(1, 2 * len(texts)) and answers[-1].startswith("  ")
    for words in (
        *_lines("inspect", "demo", demo=name),
        *_lines("verify", "assistant", assistant=artifact),
    ):
        code, out, err = cli(*words)
        assert code == 0, (words, err)
        assert (task if words[0] == "inspect" else "checksums match") in out


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_bench(cli: Cli, name: str) -> None:
    _, artifact = _export(cli, name)
    bench = _lines("bench", "assistant", assistant=artifact)[0]
    code, out, err = cli(*bench, "--baseline", "none")
    assert code == 0, err
    assert "16 tokens" in out and "median" in out


def test_zero_shot(cli: Cli) -> None:
    """With the labels named at export, or the one for entailment named when it runs."""
    write_published(Path("squeezebert-mnli"), "squeezebert-mnli")
    (run,) = _lines("run", "mnli")
    export = ["export", "squeezebert-mnli", "-o", "mnli"]
    assert cli(*export)[0] == 0
    code, out, err = cli(*run)
    assert (code, out) == (1, "") and "--entailment-label" in err and err.count("\n") == 1
    code, by_option, err = cli(*run, "--entailment-label", "LABEL_0")
    assert code == 0, err
    assert cli(*export, "--force", "--labels", "entailment,neutral,contradiction")[0] == 0
    code, by_name, err = cli(*run)
    assert code == 0, err
    assert by_name == by_option and "alarm" in by_name and "weather" in by_name


def test_your_own_task_from_the_headless_checkpoint(cli: Cli) -> None:
    shutil.copytree(ROOT / "docs" / "samples", Path("docs", "samples"))
    write_published(Path("headless"), "squeezebert-mnli-headless")
    (block,) = re.findall(r"^```bash\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines():
        words = shlex.split(line)[1:]
        words = ["headless" if word.startswith("squeezebert/") else word for word in words]
        code, out, err = cli(*words, *(["--epochs", "1"] if words[0] == "finetune" else []))
        assert code == 0, (words, err)
    assert out.startswith("wake me at half past six\n")


def test_the_python_code(forks: Forks) -> None:
    write_published(Path("squeezebert-mnli"), "squeezebert-mnli")
    (block,) = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    code = block.replace('"demo"', '"squeezebert-mnli"')
    assert code != block
    done = forks.run(Path.cwd(), program=code)
    assert done.returncode == 0, done.stderr
    difference, label, *_ = done.stdout.decode().splitlines()
    assert float(difference) <= 1e-4 and label.startswith("LABEL_")
