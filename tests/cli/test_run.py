"""The command `run`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from artifacts import write_artifact
from commands import Cli

from squeezebert_mobile.runtime import load_artifact


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


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with the labels of natural language inference."""
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    folder = tmp_path_factory.mktemp("nli")
    return write_artifact(folder, "text-classification", num_labels=3, id2label=labels)[1]


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose config names no labels, as that of squeezebert-mnli."""
    labels = {i: f"LABEL_{i}" for i in range(3)}
    folder = tmp_path_factory.mktemp("unnamed")
    return write_artifact(folder, "text-classification", num_labels=3, id2label=labels)[1]


def test_run_classifies_by_candidate_labels(cli: Cli, nli: Path) -> None:
    model: Any = load_artifact(nli)
    command = ["run", nli, "play a song", "it is cold", "--json"]
    labels = ["--candidate-label", "music", "--candidate-label", "weather"]
    cases = [
        ([], {}),
        (["--multi-label"], {"multi_label": True}),
        (["--hypothesis-template", "It is {}."], {"hypothesis_template": "It is {}."}),
        (["--entailment-label", "neutral"], {"entailment_label": "neutral"}),
    ]
    for flags, options in cases:
        code, out, _ = cli(*command, *labels, *flags)
        assert code == 0
        for line, text in zip(out.splitlines(), ("play a song", "it is cold"), strict=True):
            want = model.zero_shot(text, ["music", "weather"], **options)
            assert json.loads(line) == {"text": text, **want.to_dict()}


def test_run_asks_for_the_entailment_label(cli: Cli, unnamed: Path) -> None:
    command = ["run", unnamed, "play a song", "--candidate-label", "music"]
    code, out, err = cli(*command)
    assert (code, out) == (1, "") and len(err.splitlines()) == 2  # with the note on random weights
    assert "no label is called entailment (LABEL_0, LABEL_1, LABEL_2)" in err
    assert "--entailment-label" in err
    assert cli(*command, "--entailment-label", "LABEL_1")[0] == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--multi-label"], "--multi-label is for zero-shot classification; add --candidate-label"),
        (["--hypothesis-template", "{}"], "--hypothesis-template is for zero-shot"),
        (["--entailment-label", "neutral"], "--entailment-label is for zero-shot"),
        (["--candidate-label", "a", "--top-k", "1"], "--top-k does not apply to zero-shot"),
        (["--candidate-label", "a", "--text-pair", "b"], "--text-pair does not apply to zero-shot"),
        (["--candidate-label", " "], "the candidate label is empty"),
    ],
)
def test_run_refuses_zero_shot_options(cli: Cli, nli: Path, flags: list[str], message: str) -> None:
    code, out, err = cli("run", nli, "play a song", *flags)
    assert (code, out) == (1, "") and message in err


def test_run_has_no_candidate_labels_for_other_tasks(cli: Cli, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path, "fill-mask")[1]
    code, _, err = cli("run", artifact, "a [MASK]", "--candidate-label", "a")
    assert code == 1 and "--candidate-label does not apply to fill-mask; use a text-" in err
