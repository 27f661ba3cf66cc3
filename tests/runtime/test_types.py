"""What a type checker sees of the pipelines, and what an interpreter shows of their results."""

import inspect
import typing
from pathlib import Path
from typing import Any

import artifacts
import numpy as np
import pytest

from squeezebert_mobile import runtime
from squeezebert_mobile.errors import ArtifactError, InputError
from squeezebert_mobile.runtime import PIPELINES, load_artifact

ROOT = Path(__file__).parents[2]
#: Lines of a user's program, and the part of mypy's message for those with a mistake.
PROGRAM = [
    ('a = load_artifact("a", task="text-classification")', None),
    ('assert_type(a("x"), runtime.TextClassificationResult)', None),
    ('assert_type(a("x", "y", top_k=2).label, str)', None),
    ('assert_type(a(["x"]), list[runtime.TextClassificationResult])', None),
    ('assert_type(a(("x", "y")), list[runtime.TextClassificationResult])', None),
    ('assert_type(a({"text": "x"}).score, float)', None),
    ('assert_type(next(a(open("x"))), runtime.TextClassificationResult)', None),
    ('assert_type(a.zero_shot("x", ["y"]), runtime.ZeroShotResult)', None),
    ('assert_type(a.zero_shot(["x"], "y", multi_label=True)[0].label, str)', None),
    ('assert_type(load_artifact("a", task="fill-mask")("x").fills[0].token_str, str)', None),
    ('b = load_artifact("a", threads=1, task="question-answering")', None),
    ('assert_type(b(question="x", context="y", top_k=2).answer, str)', None),
    ('assert_type(b([{"question": "x", "context": "y"}])[0].score, float)', None),
    ('assert_type(load_artifact("a", task="multiple-choice")("x", ["y", "z"]).index, int)', None),
    (
        'assert_type(load_artifact("a", task="token-classification")("x").entities[0].word, str)',
        None,
    ),
    ('assert_type(load_artifact("a", task="feature-extraction")("x").truncated, bool)', None),
    ('load_artifact("a")("x").any_task', None),
    ('a("x").lable', 'has no attribute "lable"; maybe "label"'),
    ('a(["x"]).label', 'has no attribute "label"'),
    ('a("x", topk=2)', "No overload variant"),
    ('a("x", top_k="2")', "No overload variant"),
    ('a.zero_shot("x", ["y"], multilabel=True)', "No overload variant"),
    ('a.zero_shot("x")', "No overload variant"),
    ('a.zeroshot("x")', 'has no attribute "zeroshot"'),
    ('b(question="x", contxt="y")', "No overload variant"),
    ('b(question="x", context="y").answr', 'has no attribute "answr"'),
    ('load_artifact("a", task="fill-mask")("x").label', 'has no attribute "label"'),
    ('load_artifact("a", thread=1)', "No overload variant"),
]


@pytest.mark.slow
def test_mypy_sees_mistakes(tmp_path: Path) -> None:
    mypy = pytest.importorskip("mypy.api")
    package = tmp_path / "site" / "squeezebert_mobile"
    package.mkdir(parents=True)
    sources = [*(ROOT / "src/squeezebert_mobile").iterdir(), ROOT / "runtime"]
    for source in sources:  # as an installed package has them, with py.typed
        (package / source.name).symlink_to(source)
    lines = ["from typing import assert_type", "from squeezebert_mobile import runtime"]
    lines += ["from squeezebert_mobile.runtime import load_artifact"]
    (tmp_path / "program.py").write_text("\n".join(lines + [line for line, _ in PROGRAM]) + "\n")
    (tmp_path / "mypy.ini").write_text(
        f"[mypy]\nstrict = true\nmypy_path = {tmp_path / 'site'}\n"
        "[mypy-squeezebert_mobile.*]\nfollow_imports = silent\n"
        "[mypy-onnxruntime.*]\nignore_missing_imports = true\n"
    )
    config = ["--config-file", str(tmp_path / "mypy.ini")]
    out, err, _ = mypy.run([*config, str(tmp_path / "program.py"), "--cache-dir", str(tmp_path)])
    assert not err
    found: dict[int, str] = {}
    for line in out.splitlines():
        if ": error: " in line:
            where, _, message = line.partition(": error: ")
            assert "program.py" in where, line
            number = int(where.rsplit(":", 1)[1]) - len(lines) - 1
            found[number] = found.get(number, "") + message
    for number, (line, message) in enumerate(PROGRAM):
        if message is None:
            assert number not in found, (line, found[number])
        else:
            assert message in found.get(number, ""), (line, found.get(number))


@pytest.mark.parametrize("task", PIPELINES)
def test_the_options_of_overloads_are_those_of_the_call(task: str) -> None:
    """What type checkers accept is what the methods accept."""
    for name in ("__call__", "zero_shot"):
        function: Any = getattr(PIPELINES[task], name, None)
        if function is None:
            continue
        accepted = {
            option
            for option, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        for overload in typing.get_overloads(function):
            (options,) = typing.get_args(
                inspect.signature(overload).parameters["options"].annotation
            )
            assert set(options.__annotations__) == accepted


def test_the_task_of_an_artifact(tmp_path: Path) -> None:
    folder = artifacts.write_artifact(tmp_path, "fill-mask")[1]
    assert load_artifact(folder, task="fill-mask")("a [MASK]").fills[0].token_str
    message = "is an artifact for fill-mask, not text-classification; load it with task='fill-mask'"
    with pytest.raises(ArtifactError, match=message):
        load_artifact(folder, task="text-classification")
    with pytest.raises(InputError, match="unknown task 'fillmask'; did you mean 'fill-mask'"):
        load_artifact(folder, task="fillmask")


_LABELS = (runtime.Label("yes", 0.987654), runtime.Label("no", 0.0123))
_FILL = runtime.Fill("cat", 0.5, 7, "a cat")
RESULTS = [
    (
        runtime.TextClassificationResult(_LABELS),
        "<TextClassificationResult yes 0.9877, no 0.0123>",
    ),
    (runtime.ZeroShotResult(_LABELS[:1], tokens_cut=9), "<ZeroShotResult yes 0.9877>"),
    (runtime.FillMaskResult(((_FILL,), (_FILL,))), "<FillMaskResult cat 0.5000 | cat 0.5000>"),
    (
        runtime.TokenClassificationResult((runtime.Entity("PER", 0.5, "Anna", 0, 4),)),
        "<TokenClassificationResult Anna: PER 0.5000>",
    ),
    (runtime.TokenClassificationResult(()), "<TokenClassificationResult no entities>"),
    (
        runtime.QuestionAnsweringResult((runtime.Answer("", 0.25, 0, 0),)),
        "<QuestionAnsweringResult no answer 0.2500>",
    ),
    (
        runtime.MultipleChoiceResult((runtime.Choice("a\nb", 0.5, 1),)),
        "<MultipleChoiceResult a b 0.5000>",
    ),
    (
        runtime.FeatureExtractionResult(
            np.full(384, 0.25, np.float32), ("a",) * 99, np.zeros((99, 384), np.float32)
        ),
        "<FeatureExtractionResult [0.2500 0.2500 0.2500 0.2500 …] 384 numbers>",
    ),
]


@pytest.mark.parametrize(("result", "shown"), RESULTS)
def test_representation(result: runtime.Result, shown: str) -> None:
    assert repr(result) == shown
    assert repr([result]) == f"[{shown}]"


def test_a_long_representation_is_cut() -> None:
    shown = repr(runtime.FillMaskResult(((_FILL,) * 30_000,)))
    assert len(shown) < 250 and shown.startswith("<FillMaskResult cat 0.5000, cat")
    assert shown.endswith("…>")
