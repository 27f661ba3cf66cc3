"""fp32 limits follow the size of the outputs: a step of float32 is 0.002 at 20000."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from commands import Cli, without_steps

from squeezebert_mobile.artifact import read_golden, read_manifest
from squeezebert_mobile.errors import ExportError, ParityError
from squeezebert_mobile.export import export_checkpoint, initialize, verify_against
from squeezebert_mobile.export.feeds.reference import Reference
from squeezebert_mobile.export.verify.comparison import Comparison, OutputDifferences, compare
from squeezebert_mobile.export.verify.limits import LIMITS, make_limit
from squeezebert_mobile.export.verify.parity import verify
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.rewriting import prove_equal, rewrite
from squeezebert_mobile.runtime import SqueezeBertTokenizer, check_golden, load_artifact

WORDS = tiny.VOCABULARY[5:40]
TEXTS = [" ".join(WORDS[i : i + 1 + i % 6]) for i in range(24)]
EPS = float(np.finfo(np.float32).eps)

#: Name -> task, size of the outputs, changes of the config.
CASES: dict[str, tuple[str, float, dict[str, Any]]] = {
    "regression": (
        "text-classification",
        2e4,
        {"num_labels": 1, "problem_type": "regression"},
    ),
    "classes": ("text-classification", 430, {"num_labels": 3}),
    "several labels": (
        "text-classification",
        5e3,
        {"num_labels": 3, "problem_type": "multi_label_classification"},
    ),
    "tokens": ("token-classification", 1e5, {"num_labels": 5}),
    "answers": ("question-answering", 700, {}),
    "choices": ("multiple-choice", 3e3, {}),
}


def _head(model: PretrainedModel) -> list[torch.nn.Parameter]:
    """The parameters of the last product, which the outputs are linear in."""
    module = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
    return [parameter for parameter in (module.weight, module.bias) if parameter is not None]


def _model(name: str, family: str = "bert") -> PretrainedModel:
    """Random weights, the head's so large that the outputs have the size."""
    task, size, changes = CASES[name]
    model = initialize(task, tiny.tiny_config(family, **changes))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        ids = torch.randint(64, (8, 1, 12) if task == "multiple-choice" else (8, 12))
        outputs = vars(model(ids, torch.ones_like(ids), torch.zeros_like(ids)))
        reach = max(outputs[n].abs().max().item() for n in outputs if n.endswith("logits"))
        for parameter in _head(model):
            parameter *= size / reach
    return model


def _checkpoint(folder: Path, model: PretrainedModel) -> Path:
    model.save_pretrained(folder)
    tiny.write_vocabulary(folder)
    return folder


def _words_model(std: float, layers: int) -> PretrainedModel:
    """A masked language model whose word table makes large logits, and large rounding before."""
    model = initialize("fill-mask", tiny.tiny_config("bert", num_hidden_layers=layers))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name.lower():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)
    return model


class _Session:
    """The rewritten model as a session, its outputs changed on the way."""

    def __init__(self, model: PretrainedModel, change: Callable[..., Any] | None = None) -> None:
        self.model, self.change, self.runs = rewrite(model), change, 0

    def run(self, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.runs += 1
        with torch.inference_mode():
            found = self.model(**{name: torch.from_numpy(array) for name, array in feed.items()})
        outputs = {n: a.numpy() for n, a in zip(self.model.task.outputs, found, strict=True)}
        return {n: self.change(a, self.runs) if self.change else a for n, a in outputs.items()}


def _verify(
    model: PretrainedModel, change: Callable[..., Any] | None = None, precision: str = "fp32"
) -> Comparison:
    tokenizer = SqueezeBertTokenizer({token: i for i, token in enumerate(tiny.VOCABULARY)})
    session: Any = _Session(model, change)
    return verify(Reference(model, tokenizer, 40, None), session, precision, TEXTS)


@pytest.mark.parametrize("name", CASES)
def test_large_outputs_are_exported_in_fp32(name: str, tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path / "in", _model(name))
    manifest = export_checkpoint(checkpoint, tmp_path / "out", precision="fp32", texts=TEXTS)
    with load_artifact(tmp_path / "out") as model:
        checks = check_golden(model.session, model.spec, read_golden(tmp_path / "out"))
        assert all(check.holds for check in checks)
        # What is stored differs by half of its last decimal, not by half of the sixth digit.
        assert max(check.max_abs_diff for check in checks) <= 5e-5 + EPS * CASES[name][1]
        assert verify_against(model, checkpoint, texts=TEXTS) == manifest.parity


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("name", CASES)
def test_rounding_of_large_outputs_is_no_violation(name: str, family: str) -> None:
    size = CASES[name][1]
    comparison = _verify(_model(name, family), lambda x, run: x + 8 * EPS * size)
    assert comparison.violations == ()
    assert 1e-4 < max(output.max_abs_diff for output in comparison.parity.outputs.values())
    for name, output in comparison.parity.outputs.items():
        limit = float(output.tolerance.removeprefix("max_abs_diff <= "))
        assert limit == pytest.approx(3e-5 * comparison.sizes[name], rel=1e-5)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "change",
    [
        lambda x, run: x + 1e-4 * np.abs(x).max(),
        lambda x, run: x * (1 - 1e-4),
        lambda x, run: np.where(run == 7, x + 1e-4 * np.abs(x).max(), x),
        lambda x, run: x * np.where(run == 7, np.nan, 1),
        lambda x, run: x * np.inf,
    ],
    ids=["shifted", "scaled", "one run", "nan", "inf"],
)
def test_a_small_fault_in_large_outputs_is_a_violation(
    name: str, change: Callable[..., Any]
) -> None:
    comparison = _verify(_model(name), change)
    assert comparison.violations


def test_one_in_twenty_thousand_is_a_violation() -> None:
    comparison = _verify(_model("regression"), lambda x, run: x + 1)
    (violation,) = comparison.violations
    assert re.fullmatch(r"logits differ by 1(\.0\d)? \(at most 0\.[56]\d*\)", violation)
    assert str(comparison.error()).endswith(
        "nothing was written; allow that difference with --atol 2 if it is small enough, or "
        "report it with the checkpoint"
    )


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 3.3])
def test_outputs_of_ordinary_size_have_the_absolute_limit(size: float) -> None:
    theirs = np.linspace(-size, size, 6400, dtype=np.float32).reshape(100, 64)
    for difference, holds in ((0.9e-4, True), (1.1e-4, False)):
        differences = OutputDifferences()
        differences.add(theirs + np.float32(difference), theirs)
        comparison = compare({"logits": differences}, "fp32", 100)
        assert (comparison.violations == ()) is holds
        assert comparison.parity.outputs["logits"].tolerance == "max_abs_diff <= 0.0001"


def test_the_wider_limit_is_named_only_where_it_is_needed() -> None:
    theirs = np.linspace(-17, 17, 6400, dtype=np.float32).reshape(100, 64)  # as demo-fill-mask
    for difference, tolerance in ((0.9e-4, "0.0001"), (2e-4, "0.00051")):
        differences = OutputDifferences()
        differences.add(theirs + np.float32(difference), theirs)
        (output,) = compare({"logits": differences}, "fp32", 100).parity.outputs.values()
        assert output.tolerance == f"max_abs_diff <= {tolerance}"


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_rewrite_of_large_outputs_is_caught(name: str) -> None:
    model = _model(name)
    rewritten = rewrite(model)
    prove_equal(model, rewritten)
    layer: Any = next(m for n, m in model.named_modules() if n.endswith("layers.0"))
    wrong = layer.output.weight.detach().clone()
    wrong[3] *= 1.02
    layer.output.weight = torch.nn.Parameter(wrong)
    with pytest.raises(ExportError, match=r"differs .* in \w+, whose values reach .*; report it"):
        prove_equal(model, rewritten)


def test_logits_of_words_up_to_18(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path / "in", _words_model(1.0, 2))
    manifest = export_checkpoint(checkpoint, tmp_path / "out", precision="fp32", texts=TEXTS)
    (output,) = manifest.parity.outputs.values()
    assert output.max_abs_diff > 1e-4 and output.tolerance.startswith("max_abs_diff <= 0.000")


def test_weights_that_amplify_rounding_need_an_option(tmp_path: Path) -> None:
    """Attention this steep turns rounding into other weights of the average, on any machine."""
    model = _words_model(2.0, 2)
    assert 1e-3 < prove_equal(model, rewrite(model)), "as far as float32 is from float64"
    checkpoint = _checkpoint(tmp_path / "in", model)
    with pytest.raises(ParityError, match="; nothing was written; allow that") as found:
        export_checkpoint(checkpoint, tmp_path / "out", precision="fp32", texts=TEXTS)
    (atol,) = re.findall(r"--atol (\S+) ", str(found.value))
    options: Any = {"precision": "fp32", "texts": TEXTS}
    manifest = export_checkpoint(checkpoint, tmp_path / "out", atol=float(atol), **options)
    (output,) = manifest.parity.outputs.values()
    assert output.tolerance == f"max_abs_diff <= {float(atol):g}"
    with load_artifact(tmp_path / "out") as loaded:
        with pytest.raises(ParityError, match="; allow that .*, or export the checkpoint again"):
            verify_against(loaded, checkpoint, texts=TEXTS)
        assert verify_against(loaded, checkpoint, texts=TEXTS, rtol=0.01).texts == len(TEXTS)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("spread", [0, 1e-3, 50])
def test_a_regression_close_to_one_number(precision: str, spread: float, tmp_path: Path) -> None:
    """The standard deviation of its numbers may be less than a step of float32."""
    model = _model("regression")
    with torch.no_grad():
        weight, bias = _head(model)
        weight *= spread / 2e4
        bias.fill_(20000)
    checkpoint = _checkpoint(tmp_path / "in", model)
    export_checkpoint(checkpoint, tmp_path / "out", precision=precision, texts=TEXTS)
    with load_artifact(tmp_path / "out") as loaded:
        checks = check_golden(loaded.session, loaded.spec, read_golden(tmp_path / "out"))
        assert all(check.holds for check in checks)


def test_a_limit_of_the_user(cli: Cli, tmp_path: Path) -> None:
    checkpoint, out = _checkpoint(tmp_path / "in", _model("classes")), tmp_path / "out"
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    export = ("export", checkpoint, "-o", out, "--texts", texts, "--precision")
    code, _, err = cli(*export, "fp32", "--atol", "0", "--rtol", "1e-9")
    assert code == 1 and "logits differ by" in err and not out.exists()
    code, _, err = cli(*export, "int8", "--atol", "400")
    assert (code, without_steps(err)) == (0, "")
    (output,) = read_manifest(out).parity.outputs.values()
    assert output.tolerance == "mean_cosine >= 0.99, min_cosine >= 0.97, max_abs_diff <= 400"
    verify = ("verify", out, "--against", checkpoint, "--texts", texts)
    code, said, err = cli(*verify, "--rtol", "0.9", "--json")
    assert (code, without_steps(err)) == (0, "")
    (found,) = json.loads(said)["parity"]["outputs"].values()
    assert found["max_abs_diff"] == output.max_abs_diff
    code, _, err = cli(*verify, "--atol", "1e-7")
    err = without_steps(err)
    assert code == 1 and err.startswith("error: the int8 model does not answer as the checkpoint")
    assert "nothing was written" not in err and "allow that difference with --atol" in err


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ("verify ARTIFACT --atol 1", 1, "error: --atol requires --against; add a checkpoint"),
        ("verify ARTIFACT --rtol 0", 1, "error: --rtol requires --against; add a checkpoint"),
        ("export demo -o OUT --atol nan", 2, "Usage: "),
        ("export demo -o OUT --rtol inf", 1, "error: --rtol inf is not a difference; give a"),
        ("export demo -o OUT --atol -1", 2, "Usage: "),
        ("export demo -o OUT --atol x", 2, "Usage: "),
    ],
)
def test_wrong_limits(
    words: str, code: int, expected: str, cli: Cli, assistant: Path, tmp_path: Path
) -> None:
    paths = {"ARTIFACT": assistant, "OUT": tmp_path / "out"}
    found, _, err = cli(*(paths.get(word, word) for word in words.split()))
    assert found == code and err.startswith(expected)
    assert code == 2 or err.count("\n") == 1


def test_limits_of_every_precision() -> None:
    assert make_limit("fp32", None, None) is LIMITS["fp32"]
    assert make_limit("int8", None, None) is LIMITS["int8"]
    limit = make_limit("int8", None, 0.01)
    assert (
        str(limit.applied(3, 400)) == "mean_cosine >= 0.99, min_cosine >= 0.97, max_abs_diff <= 4"
    )
    assert str(make_limit("fp32", 1e-3, None).applied(1, 10)) == "max_abs_diff <= 0.001"
    assert str(make_limit("fp32", None, 1e-3).applied(1, 10)) == "max_abs_diff <= 0.01"
