"""The command `run`."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from artifacts import rewrite_manifest, write_artifact
from commands import Cli
from forks import Forks

from squeezebert_mobile.export import export_checkpoint
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


Run = Callable[..., tuple[list[Any], str]]


@pytest.fixture
def run(forks: Forks) -> Run:
    """Gives the JSON lines for texts on stdin, and stderr."""

    def run(artifact: Path, texts: bytes, *options: str, code: int = 0) -> tuple[list[Any], str]:
        done = forks.run(Path.cwd(), "run", str(artifact), "--json", *options, stdin=texts)
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()

    return run


def test_run_reads_stdin_and_writes_json_lines(assistant: Path, run: Run) -> None:
    texts = "wake me at six\nréveille-moi à six heures\r\n"
    lines, err = run(assistant, texts.encode(), "--top-k", "2")
    assert [line["text"] for line in lines] == ["wake me at six", "réveille-moi à six heures"]
    assert [len(line["labels"]) for line in lines] == [2, 2]
    assert err == ""


def test_texts_in_memory_instead_of_stdin(
    assistant: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As typer's CliRunner gives them to a command."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"wake me\n\nplay music\n")))
    code, out, err = cli("run", assistant, "--json")
    assert (code, len(out.splitlines())) == (0, 3), err


@pytest.mark.parametrize(
    ("texts", "blank"),
    [
        ("wake me\n\nplay music\n", {2: ""}),
        ("\n\nwake me", {1: "", 2: ""}),
        ("wake me\r\n\r\n \t\r\nplay music\r\n\r\n", {2: "", 3: " \t", 5: ""}),
        ("wake me\n\xa0\n\u3000\u2003\nplay music\n\n", {2: "\xa0", 3: "\u3000\u2003", 5: ""}),
        ("\ufeff\nwake me\n", {1: ""}),
        ("\ufeffwake me\n", {}),
        ("\n", {1: ""}),
        ("", {}),
    ],
)
@pytest.mark.parametrize("batch_size", ["1", "3"])
def test_there_is_an_answer_for_each_line(
    assistant: Path, texts: str, blank: dict[int, str], batch_size: str, run: Run
) -> None:
    lines, err = run(assistant, texts.encode(), "--batch-size", batch_size)
    assert len(lines) == texts.count("\n") + (not texts.endswith("\n") and texts != "")
    assert {n: line["text"] for n, line in enumerate(lines, 1) if not line["labels"]} == blank
    rest = {line["text"] for line in lines if line["labels"]}
    assert rest <= {"wake me", "play music"}
    count = f"note: {len(blank)} blank line"
    assert err.startswith(count) and err.count("\n") == 1 if blank else err == ""
    lines, err = run(assistant, texts.encode(), "--batch-size", batch_size, "--skip-blank")
    assert err == "" and {line["text"] for line in lines} == rest


def test_a_blank_line_as_text(assistant: Path, forks: Forks) -> None:
    done = forks.run(assistant, "run", ".", stdin=b"wake me at six\n\n")
    lines = done.stdout.decode().splitlines()
    assert (
        done.returncode == 0
        and lines[0] == "wake me at six"
        and lines[2:] == ["", "  (blank line)"]
    )


@pytest.mark.parametrize("batch_size", ["1", "4"])
def test_a_wrong_line_is_named_after_the_answers_before_it(
    assistant: Path, batch_size: str, run: Run
) -> None:
    texts = b"wake me\n\n\xff\nplay music\n"
    lines, err = run(assistant, texts, "--batch-size", batch_size, code=1)
    assert [line["text"] for line in lines] == ["wake me", ""]
    assert err.startswith("error: line 3: the text is not UTF-8 (byte 0 is 0xff)")


@pytest.mark.parametrize("task", ["feature-extraction", "fill-mask", "multiple-choice"])
def test_blank_lines_of_other_tasks(tmp_path: Path, task: str, run: Run) -> None:
    folder = _tiny_artifact(tmp_path, task)
    options = ("--choice", "a cat", "--choice", "a dog") if task == "multiple-choice" else ()
    lines, _ = run(folder, b"\nwake [MASK]\n\n", *options)
    (name,) = lines[0].keys() - {"text", "truncated", "tokens_cut"}
    assert [bool(line[name]) for line in lines] == [False, True, False]


def _tiny_artifact(folder: Path, task: str) -> Path:
    tiny.write_checkpoint(folder / "checkpoint", task=task)
    export_checkpoint(folder / "checkpoint", folder / "artifact", task=task, precision="fp32")
    return folder / "artifact"


def test_a_vector_as_json_has_the_digits_of_float32(tmp_path: Path, run: Run) -> None:
    folder = _tiny_artifact(tmp_path, "feature-extraction")
    texts = "wake me at six\nplay music\n"
    lines, _ = run(folder, texts.encode())
    with load_artifact(folder) as model:
        for text, line in zip(texts.splitlines(), lines, strict=True):
            vector = model(text, batch_size=1).sentence
            assert line.keys() == {"text", "sentence", "truncated", "tokens_cut"}
            assert np.array_equal(np.array(line["sentence"], np.float32), vector)
            assert [repr(number) for number in line["sentence"]] == [
                repr(float(str(number))) for number in vector
            ]


def test_no_json_has_nulls(cli: Cli, tmp_path: Path) -> None:
    folder = _tiny_artifact(tmp_path, "question-answering")
    code, out, _ = cli("run", folder, "--question", "what", "--context", "the cat sat", "--json")
    assert code == 0 and "null" not in out


def test_batches_give_the_same_answers(assistant: Path, run: Run) -> None:
    texts = "\n".join(["wake me at six", "play something quiet", "", "turn the lights off"] * 5)
    one, _ = run(assistant, texts.encode())
    four, _ = run(assistant, texts.encode(), "--batch-size", "4")
    assert [line["text"] for line in one] == texts.split("\n")
    assert [line["text"] for line in four] == texts.split("\n")
    for first, second in zip(one, four, strict=True):
        labels = [[label["label"] for label in line["labels"]] for line in (first, second)]
        assert labels[0] == labels[1]


def test_pairs_from_stdin(assistant: Path, run: Run) -> None:
    texts = b"wake me\n\nplay music\n"
    lines, _ = run(assistant, texts, "--text-pair", "at six", "--batch-size", "2")
    with load_artifact(assistant) as model:
        expected = model(["wake me", "play music"], batch_size=2)
        pairs = model([("wake me", "at six"), ("play music", "at six")], batch_size=2)
    assert [line["labels"][0]["score"] for line in (lines[0], lines[2])] == pytest.approx(
        [result.score for result in pairs]
    )
    assert pairs[0].score != expected[0].score


def test_an_answer_comes_before_the_next_line_is_written(assistant: Path) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "run", str(assistant), "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        for text in (b"wake me\n", b"play music\n"):
            process.stdin.write(text)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text.decode().strip()


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
    assert "this model is not one of natural language inference (NLI), which zero-shot class" in err
    assert "no label is called entailment (LABEL_0, LABEL_1, LABEL_2); use an NLI model" in err
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


def test_answers_stay_on_stdout_beside_a_bar_on_stderr(assistant: Path, tmp_path: Path) -> None:
    """stderr is a terminal, stdin and stdout are files."""
    texts, answers = tmp_path / "texts", tmp_path / "answers"
    texts.write_text("wake me\n" * 30, encoding="utf-8")
    command = [sys.executable, "-m", "squeezebert_mobile", "run", str(assistant), "--json"]
    ours, theirs = pty.openpty()
    with texts.open("rb") as stdin, answers.open("wb") as stdout:
        done = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=theirs, check=True)
    os.close(theirs)
    assert done.returncode == 0 and b"lines" in os.read(ours, 65536)
    os.close(ours)
    assert answers.read_text(encoding="utf-8").count("\n") == 30


def test_run_splits_no_word_into_two_entities(cli: Cli, tmp_path: Path) -> None:
    """Nor does the app, whose answers are among tests/golden/app."""
    artifact = write_artifact(tmp_path, "token-classification")[1]
    text = "alarming clocks raining, sets of dogs"

    def parts(*options: str) -> list[str]:
        code, out, err = cli("run", artifact, text, "--json", *options)
        assert code == 0, err
        return [entity["word"] for entity in json.loads(out)["entities"]]

    assert parts() and not any(word.startswith("##") for word in parts())
    assert parts() == parts("--aggregation", "first")
    assert any(word.startswith("##") for word in parts("--aggregation", "simple"))


def test_run_puts_a_prompt_before_the_text(cli: Cli, tmp_path: Path) -> None:
    _, target = write_artifact(tmp_path, "feature-extraction")
    vector = {"pooling": ["cls"], "normalize": True, "prompts": {"query": "what is the "}}
    rewrite_manifest(target, sentence_vector=vector)
    code, out, _ = cli("run", target, "cat", "--prompt-name", "query", "--json")
    whole = json.loads(cli("run", target, "what is the cat", "--json")[1])
    assert code == 0
    assert json.loads(out)["sentence"] == whole["sentence"]
    code, _, err = cli("run", target, "cat", "--prompt-name", "passage")
    assert code == 1
    assert "unknown prompt name 'passage'; choose from: query" in err
    rewrite_manifest(target, sentence_vector=vector | {"prompts": {}})
    code, _, err = cli("run", target, "cat", "--prompt-name", "query")
    assert (code, err.splitlines()[-1]) == (
        1,
        "error: the model has no prompts; leave out the prompt name 'query'",
    )


def test_prompts_are_for_sentence_vectors(cli: Cli, assistant: Path) -> None:
    code, _, err = cli("run", assistant, "wake me", "--prompt-name", "query")
    assert code == 1
    assert "--prompt-name does not apply to text-classification" in err
