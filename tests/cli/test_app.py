"""The program as a whole: --help, --version, errors and exit codes."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from commands import Cli, processor_time

from squeezebert_mobile.runtime.tasks.token_classification import AGGREGATIONS
from squeezebert_mobile.tasks import Aggregation
from squeezebert_mobile.training.resume import StateFile

COMMANDS = (
    *("export", "finetune", "run", "inspect", "verify", "evaluate"),
    *("bench", "devices", "doctor", "clean", "push", "report", "operators"),
)
FINETUNE = ("finetune", "demo", "-o", "out", "--task", "text-classification")


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from squeezebert_mobile.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'onnxruntime', 'onnx', 'numpy', 'transformers', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", script]
    with processor_time() as seconds:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"--help took {seconds():.2f} s")
    assert done.stderr.strip() == "[]"
    assert "export" in done.stdout and "run" in done.stdout and "bench" in done.stdout
    assert seconds() < 0.5


def test_help_lists_the_commands_in_order_with_whole_summaries(cli: Cli) -> None:
    code, out, _ = cli("--help")
    summaries = dict(re.findall(r"^  (\w+) +(.+)$", out.partition("Commands:\n")[2], re.MULTILINE))
    assert code == 0 and tuple(summaries) == COMMANDS
    assert all(summary.endswith(".") and "..." not in summary for summary in summaries.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_fits_80_columns(cli: Cli, command: str) -> None:
    code, out, err = cli(command, "--help")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_values_and_not_python_types(cli: Cli, command: str) -> None:
    """Typer's own are <int range> and <list[str]>."""
    _, out, _ = cli(command, "--help")
    assert not re.search(r"<(str|int|float|path|list)\b", out)
    arguments = re.search(r"^Usage: .*\[OPTIONS\] ?(.*)$", out, re.MULTILINE)
    assert arguments and arguments[1] == arguments[1].upper()


def test_choices_of_aggregation_are_those_of_the_pipeline() -> None:
    assert get_args(Aggregation) == tuple(AGGREGATIONS)


def test_version(cli: Cli) -> None:
    from squeezebert_mobile import __version__

    assert cli("--version") == (0, f"squeezebert-mobile {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "nowhere", "-o", "out"), "no such folder: 'nowhere'; give a folder with"),
        (("export", "preset:bert-bas", "-o", "out"), "unknown preset 'preset:bert-bas'; did you"),
        (("export", "demo", "-o", "out", "--sequence-length", "0"), "--sequence-length 0 is too"),
        (("export", "demo", "-o", "out", "--task", "fill-mask"), "predictions"),
        (("export", "demo", "-o", "out", "--texts", "none.txt"), "--texts 'none.txt' cannot be"),
        ((*FINETUNE, "none.csv"), "'none.csv' cannot be read: No such file or directory; give a"),
        ((*FINETUNE, "none.csv", "--learning-rate", "2"), "--learning-rate 2 is out of range"),
        ((*FINETUNE, "none.csv", "--resume"), "'none.csv' cannot be read"),
        (("run", "nowhere", "text"), "no such artifact folder: 'nowhere'"),
        (("run", "ASSISTANT", ""), "empty"),
        (
            ("run", "ASSISTANT", "text", "--aggregation", "max"),
            "--aggregation does not apply to text-classification; remove it",
        ),
        (
            ("run", "ASSISTANT", "text", "--choice", "a"),
            "--choice does not apply to text-classificati",
        ),
        (
            ("run", "ASSISTANT", "text", "--question", "why"),
            "--question does not apply to text-class",
        ),
        (("verify", "nowhere"), "no such artifact folder: 'nowhere'"),
        *(
            (
                words.split(),
                "error: 'demo' is a checkpoint, not an artifact; run: squeezebert-mobile export "
                "demo -o DIR\n",
            )
            for words in (
                "run demo x",
                "verify demo",
                "operators demo -o o",
                "push demo --zip a.zip",
            )
        ),
        (("verify", "ASSISTANT", "--texts", "few.txt"), "--texts requires --against; add a"),
        (("bench", "nowhere"), "no such artifact folder: 'nowhere'"),
        (("bench", "ASSISTANT", "ASSISTANT", "--baseline", "none"), "is given twice"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    assistant: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (str(assistant) if word == "ASSISTANT" else word for word in arguments)
    code, out, err = cli(*words)
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert message in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "demo"), "--output"),
        (("export", "demo", "-o", "out", "--task", "classify"), "'classify' is not one of"),
        (
            ("export", "demo", "-o", "out", "--task", "text-clasification"),
            "'--task': 'text-clasification' is not one of 'feature-extraction', 'fill-mask', "
            "'text-classification', 'multiple-choice', 'token-classification', "
            "'question-answering'; did you mean 'text-classification'?",
        ),
        (("run", "somewhere", "--threads", "two"), "'--threads': 'two' is not a whole number"),
        (("export", "demo", "-o", "out", "--atol", "x"), "'--atol': 'x' is not a number"),
        (("export", "demo", "-o", "out", "--precision", "int9"), "'int9' is not one of"),
        (("export", "demo", "-o", "out", "--sequence-length", "long"), "'long' is neither"),
        (("export", "demo", "-o", "out", "--surprise"), "--surprise"),
        ((*FINETUNE, "x.csv", "--epochs", "0"), "0 is too small; give at least 1"),
        (("finetune", "demo", "x.csv", "-o", "out"), "--task"),
        (("run", "somewhere", "--top-k", "0"), "0 is too small; give at least 1"),
        (("run", "somewhere", "--aggregation", "last"), "'last' is not one of 'none', 'simple'"),
        (("bench",), "artifacts"),
        (("bench", "x", "--preset", "slow"), "'slow' is not one of 'rapid', 'quick', 'normal'"),
        (("bench", "x", "--target", "ios"), "'ios' is not one of 'host', 'adb', 'app'"),
    ],
)
def test_a_usage_error_exits_with_2(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert message.lower() in " ".join(err.split()).lower()
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "run", "nowhere", "text", "--debug"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "ArtifactError" in done.stderr


def test_a_missing_extra_is_one_line(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from squeezebert_mobile.cli import main\n"
        "sys.argv = ['squeezebert-mobile', 'export', 'demo', '-o', 'out']\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    expected = "error: torch is not installed; run: pip install 'squeezebert-mobile[export]'\n"
    assert (done.returncode, done.stderr) == (1, expected)


@pytest.mark.parametrize("state", [False, True])
def test_ctrl_c_is_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: bool
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("squeezebert_mobile.cli.evaluate.check_data", interrupted)
    monkeypatch.setattr("squeezebert_mobile.cli.export.check_checkpoint", interrupted)
    monkeypatch.setattr("squeezebert_mobile.cli.finetune.check_data", interrupted)
    nothing = "interrupted; nothing was written\n"
    assert cli("export", "demo", "-o", tmp_path / "out") == (130, "", nothing)
    assert cli("evaluate", "demo", "dev.csv") == (130, "", nothing)
    if state:
        StateFile(tmp_path / "tuned", {}).save({})
        nothing = "interrupted; continue with the same command and --resume\n"
    words = ("finetune", "demo", "x.csv", "--task", "text-classification", "-o", tmp_path / "tuned")
    assert cli(*words) == (130, "", nothing)
