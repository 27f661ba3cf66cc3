"""The command `run`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Cli


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("wake me at half past six", "set_alarm"),
        ("how long to the airport", "get_directions"),
        ("will it rain in Lisbon tomorrow", "check_weather"),
        ("turn the lights off", "smart_home"),
    ],
)
def test_run_prints_predictions(cli: Cli, assistant: Path, text: str, intent: str) -> None:
    code, out, err = cli("run", assistant, text)
    assert (code, err) == (0, "")
    shown, answer = out.splitlines()
    assert shown == text
    assert answer.split()[0] == intent


def test_run_reads_stdin_and_writes_json_lines(assistant: Path) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "run", str(assistant), "--json"]
    texts = "wake me at six\n\nréveille-moi à six heures\r\n"
    done = subprocess.run(
        [*command, "--top-k", "2"], input=texts.encode(), capture_output=True, check=True
    )
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [line["text"] for line in lines] == ["wake me at six", "réveille-moi à six heures"]
    assert [len(line["labels"]) for line in lines] == [2, 2]
    assert done.stderr == b""


def test_run_notes_that_a_text_is_truncated(cli: Cli, assistant: Path) -> None:
    code, out, err = cli("run", assistant, "wake me " * 200)
    assert code == 0 and "set_alarm" in out
    assert err.startswith("note: the input is longer than this model takes")


def test_run_into_a_closed_pipe_exits_silently(assistant: Path) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "run", str(assistant)]
    texts = b"wake me at six\n" * 2000
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        try:
            process.stdin.write(texts)
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert process.stderr.read() == b""
    assert process.returncode == 1
