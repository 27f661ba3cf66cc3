"""Named pipes, endless devices and impossible names: one line of error, at once."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Cli
from forks import COMMAND, Forks

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform == "win32", reason="named pipes and /dev"),
]

LONG = "x" * 300


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (_pipe, "it is a named pipe, not a regular file"),
    "endless": (_endless, "it is a device, not a regular file"),
}


def _refused(result: tuple[int, str, str]) -> str:
    code, out, err = result
    assert (code, out) == (1, ""), err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    return err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("artifact/manifest.json", "run artifact hello"),
        ("artifact/manifest.json", "inspect artifact"),
        ("artifact/golden.json", "verify artifact"),
        ("artifact/tokenizer.json", "push artifact --zip a.zip"),
        ("artifact/model.onnx", "bench artifact --baseline none"),
        ("checkpoint/config.json", "inspect checkpoint"),
        ("checkpoint/config.json", "export checkpoint -o new"),
        ("checkpoint/tokenizer.json", "export checkpoint -o new"),
        ("checkpoint/tokenizer_config.json", "verify artifact --against checkpoint"),
        ("checkpoint/model.safetensors", "inspect checkpoint"),
    ],
)
def test_a_file_of_a_model(cli: Cli, workdir: Path, name: str, command: str, kind: str) -> None:
    make, reason = KINDS[kind]
    (workdir / name).unlink(missing_ok=True)
    make(workdir / name)
    err = _refused(cli(*command.split()))
    link = "points outside its folder" if kind == "endless" else "is missing"
    assert reason in err or link in err or "has no weights" in err
    assert Path(name).name in err
    assert not (workdir / "new").exists() and not (workdir / "a.zip").exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("command", "start"),
    [
        ("evaluate artifact FILE", "'FILE' cannot be read: "),
        ("finetune checkpoint FILE --task text-classification -o new", "'FILE' cannot be read: "),
        ("export checkpoint -o new --texts FILE", "--texts 'FILE' cannot be read: "),
        ("export checkpoint -o new --data FILE", "'FILE' cannot be read: "),
        ("report FILE -o report.md", "cannot read the results 'FILE': "),
    ],
)
def test_a_file_that_is_given(cli: Cli, workdir: Path, command: str, start: str, kind: str) -> None:
    make, reason = KINDS[kind]
    make(workdir / "FILE")
    assert _refused(cli(*command.split())).startswith(f"error: {start}{reason}")
    assert not (workdir / "new").exists() and not (workdir / "report.md").exists()


@pytest.mark.parametrize("name", [LONG, f"artifact/{LONG}/deeper"])
@pytest.mark.parametrize(
    "command",
    [
        "run NAME hello",
        "inspect NAME",
        "verify NAME",
        "verify artifact --against NAME",
        "export NAME -o new",
        "export checkpoint -o NAME",
        "export checkpoint -o new --texts NAME",
        "export checkpoint -o new --data NAME",
        "finetune NAME DATA --task text-classification -o new",
        "finetune checkpoint NAME --task text-classification -o new",
        "evaluate artifact NAME",
        "evaluate NAME DATA",
        "bench NAME",
        "bench artifact -o NAME",
        "bench artifact --baseline NAME",
        "report NAME -o report.md",
        "push NAME --zip a.zip",
        "push artifact --zip NAME/a.zip",
    ],
)
def test_a_name_that_is_too_long(cli: Cli, workdir: Path, command: str, name: str) -> None:
    (workdir / "DATA").write_text("text,label\nwake me,LABEL_0\n")
    words = [word.replace("NAME", name) for word in command.split()]
    err = _refused(cli(*words))
    assert "File name too long" in err or "no such" in err
    assert not (workdir / "new").exists()


# The interpreter's folders may be closed to other users, so that it changes its own user.
_OTHER_USER = f"import os; os.setgroups([]); os.setuid(65534); {COMMAND}"


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="becomes another user")
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("artifact/manifest.json", "inspect artifact"),
        ("artifact/model.onnx", "inspect artifact"),
        ("artifact", "inspect artifact"),
        ("checkpoint/config.json", "inspect checkpoint"),
        ("checkpoint", "inspect checkpoint"),
    ],
)
def test_what_may_not_be_read(workdir: Path, name: str, command: str, forks: Forks) -> None:
    subprocess.run(["chmod", "-R", "a+rX", workdir], check=True)
    for parent in workdir.parents[: len(workdir.parents) - 2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    (workdir / name).chmod(0)
    done = forks.run(workdir, *command.split(), program=_OTHER_USER)
    err = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b""), err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert "Permission denied" in err
