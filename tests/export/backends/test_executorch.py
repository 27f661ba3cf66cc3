"""ExecuTorch programs: delegation, lengths, batches, memory and threads."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from commands import Cli

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import InputError, MissingExtraError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.backends.base.backend import ExportOptions, ModelFile
from squeezebert_mobile.export.backends.executorch.backend import write_executorch
from squeezebert_mobile.export.quantize.sensitivity import units
from squeezebert_mobile.models.checkpoint import open_checkpoint, shipped_texts
from squeezebert_mobile.models.linear_layers import AttentionByGroup
from squeezebert_mobile.models.rewriting import Traceable, feed_forwards, rewrite
from squeezebert_mobile.progress import silent
from squeezebert_mobile.runtime import load_artifact

pytestmark = pytest.mark.executorch
TEXTS = shipped_texts()[::8]
GROUPS = 4
SIZES = {"num_hidden_layers": 1, "num_attention_heads": GROUPS}  # groups of whole heads


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("executorch") / "checkpoint"
    tiny.write_checkpoint(folder, task="token-classification", **SIZES)
    return folder


@pytest.fixture(scope="module", params=["fp32", "int8"])
def artifact(request: pytest.FixtureRequest, checkpoint: Path) -> Path:
    folder = checkpoint.with_name(request.param)
    export_checkpoint(checkpoint, folder, format="executorch", precision=request.param, texts=TEXTS)
    return folder


def _feed(batch: int, length: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(length).integers(5, 60, (batch, length))
    mask = np.ones_like(ids)
    mask[-1, length // 2 + 1 :] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids % 3}


@pytest.mark.parametrize("length", [1, 2, 17, 40])
@pytest.mark.parametrize("batch", [1, 3])
def test_any_length_and_batch(artifact: Path, checkpoint: Path, batch: int, length: int) -> None:
    feed = _feed(batch, length)
    theirs = tiny.tiny_theirs(task="token-classification", **SIZES)
    with torch.inference_mode():
        expected = theirs(**{k: torch.from_numpy(v) for k, v in feed.items()}).logits.numpy()
    found = load_artifact(artifact).session.run(feed)["logits"]
    assert found.shape == expected.shape
    real = feed["attention_mask"].astype(bool)
    limit = {"fp32": 1e-4, "int8": 0.1}[artifact.name]
    assert np.abs(found[real] - expected[real]).max() < limit


def test_a_row_does_not_depend_on_its_batch(artifact: Path) -> None:
    session, feed = load_artifact(artifact).session, _feed(3, 20)
    together = session.run(feed)["logits"]
    apart = [session.run({k: v[i : i + 1] for k, v in feed.items()})["logits"] for i in range(3)]
    assert (together == np.concatenate(apart)).all()


def test_modules_that_stay_fp32(checkpoint: Path, tmp_path: Path) -> None:
    model = rewrite(open_checkpoint(checkpoint).model)
    kept = (
        units(model)["layers.0.attention.product"].modules,
        units(model)["embeddings.word"].modules,
    )
    overrides = {path: "fp32" for modules in kept for path in modules}
    options = ExportOptions("executorch", "int8", None, 40, overrides=overrides)
    written = write_executorch(model, tmp_path / "model.pte", options, silent)
    delegated = written.delegated
    # q, k and v, and the classifier; the attention's output; both products of the feed-forward
    assert delegated["aten.linear.default"] == GROUPS + 1
    assert (delegated["product.default"], delegated["grouped_product.default"]) == (1, 2)
    assert "attend.default" not in delegated  # it would be in fp16
    assert _difference(model, tmp_path / "model.pte") < 0.1


def test_products_attention_norms_and_activation_are_delegated(artifact: Path) -> None:
    manifest = read_manifest(artifact)
    assert manifest.inputs[0].axes == (1, "sequence")
    delegated = {name.removesuffix(".default"): n for name, n in manifest.delegated.items()}
    assert delegated["normalize"] == 1 + 2  # of the embeddings, and of the layer
    if manifest.precision == "int8":
        assert delegated["grouped_product"] == 3 + 2  # q, k and v, and feed-forward
        assert delegated["product"] == 1  # the attention's output
        assert delegated["attend"] == delegated["fp16_gelu"] == 1
        assert delegated["aten.linear"] == 1  # the classifier
    else:
        assert delegated["aten.linear"] == GROUPS + 1 + 2 * GROUPS + 1
        assert delegated["attend_joined"] == delegated["aten.gelu"] == GROUPS
    beside = {name for name in manifest.operators if "quantized" in name or "linear" in name}
    assert beside == set() and manifest.operators["XnnpackBackend"] <= 3


def test_what_is_computed_in_fp16_is_in_the_manifest(artifact: Path, cli: Cli) -> None:
    quantization = read_manifest(artifact).quantization
    if quantization is not None:
        fp16 = [what for what, reason in quantization.kept.items() if "fp16" in reason]
        assert fp16 == ["attention scores, softmax, Gelu"]
    assert (quantization is None) == (artifact.name == "fp32")


def _written(model: Traceable, path: Path, **options: Any) -> ModelFile:
    return write_executorch(
        model, path, ExportOptions("executorch", "int8", None, 40, **options), silent
    )


def _difference(model: Traceable, path: Path) -> float:
    """The largest difference of a program's outputs from the model's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # executorch warns that it is experimental
        from executorch.runtime import Runtime

        program = Runtime.get().load_program(path).load_method("forward")
        feed = [torch.from_numpy(array) for array in _feed(1, 12).values()]
        with torch.inference_mode():
            pairs = zip(program.execute(feed), model(*feed), strict=True)
            return max(float((ours - theirs).abs().max()) for ours, theirs in pairs)


def _rewritten(folder: Path, family: str = "squeezebert", **changes: Any) -> Traceable:
    tiny.write_checkpoint(folder, family, task="token-classification", **SIZES | changes)
    return rewrite(open_checkpoint(folder).model)


def test_a_split_feed_forward(tmp_path: Path) -> None:
    """The parts of all groups are grouped products, and their results are added."""
    model = _rewritten(tmp_path)
    for group in feed_forwards(model):
        width = group.first[0].out_features
        group.split([torch.arange(3), torch.arange(3, width)])
    written = _written(model, tmp_path / "model.pte")
    assert written.delegated["grouped_product.default"] == 3 + 4
    assert written.delegated["fp16_gelu.default"] == 2
    assert _difference(model, tmp_path / "model.pte") < 0.1


def test_feed_forwards_whose_parts_differ_stay_apart(tmp_path: Path) -> None:
    model = _rewritten(tmp_path)
    first = feed_forwards(model)[0]
    first.split([torch.arange(3), torch.arange(3, first.first[0].out_features)])
    written = _written(model, tmp_path / "model.pte")
    assert written.delegated["grouped_product.default"] == 3
    assert written.delegated["product.default"] == 1 + 2 * GROUPS + 2
    assert written.delegated["fp16_gelu.default"] == GROUPS + 1
    assert _difference(model, tmp_path / "model.pte") < 0.1


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
def test_other_activations_are_computed_in_fp32(tmp_path: Path, activation: str) -> None:
    model = _rewritten(tmp_path, hidden_act=activation)
    written = _written(model, tmp_path / "model.pte")
    assert "fp16_gelu.default" not in written.delegated
    assert _difference(model, tmp_path / "model.pte") < 0.1


def test_bert_has_one_scale_per_token(tmp_path: Path) -> None:
    model = _rewritten(tmp_path, "bert")
    written = _written(model, tmp_path / "model.pte")
    delegated = {name.removesuffix(".default"): n for name, n in written.delegated.items()}
    assert delegated["product"] == 1 + 1 + 2 and "grouped_product" not in delegated
    assert delegated["attend_joined"] == delegated["fp16_gelu"] == 1
    assert _difference(model, tmp_path / "model.pte") < 0.1


def test_a_fixed_length(tmp_path: Path) -> None:
    model = _rewritten(tmp_path)
    options = ExportOptions("executorch", "int8", 12, 12)
    write_executorch(model, tmp_path / "model.pte", options, silent)
    assert _difference(model, tmp_path / "model.pte") < 0.1


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_constant_in_the_embeddings_is_removed_by_the_norm(
    tmp_path: Path, precision: str
) -> None:
    """The variance as a difference of two large numbers would be wrong."""
    model = _rewritten(tmp_path)
    before = Traceable(open_checkpoint(tmp_path).model)
    (embedding,) = (m for name, m in model.named_modules() if name.endswith("embeddings.word"))
    with torch.no_grad():
        embedding.weight.add_(100)  # shared with `before` in no way
    kept = {"model.base.embeddings.word": "fp32"}
    options = ExportOptions("executorch", precision, None, 40, overrides=kept)
    write_executorch(model, tmp_path / "model.pte", options, silent)
    assert _difference(before, tmp_path / "model.pte") < {"fp32": 1e-3, "int8": 0.1}[precision]


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("what", ["scores", "activations"])
def test_what_fp16_cannot_hold_is_computed_in_fp32(tmp_path: Path, family: str, what: str) -> None:
    """Scores, or inputs of Gelu, that are larger than 65504 would become infinite."""
    model = _rewritten(tmp_path, family)
    (attention,) = (m for m in model.modules() if isinstance(m, AttentionByGroup))
    groups = attention.groups if what == "scores" else feed_forwards(model)
    with torch.no_grad():
        for group in groups:
            if what == "scores":
                group.product.weight[: len(group.product.weight) * 2 // 3].mul_(1000)
            else:
                group.first[0].weight.mul_(1e5)
                group.second[0].weight.mul_(1e-5)
    written = _written(model, tmp_path / "model.pte")
    in_fp16 = {"scores": "attend", "activations": "fp16_gelu"}[what]
    assert f"{in_fp16}.default" not in written.delegated
    named = [name for name, reason in written.kept.items() if "larger than fp16 holds" in reason]
    assert len(named) == 1
    assert _difference(model, tmp_path / "model.pte") < 0.2


def test_every_kernel_is_one_that_the_runtime_registers(artifact: Path) -> None:
    from executorch.runtime import Runtime

    kernels = {name for name in read_manifest(artifact).operators if "::" in name}
    builtin = {"aten::sym_size.int"}  # built into the runtime, not a kernel of the portable library
    assert kernels - builtin <= set(Runtime.get().operator_registry.operator_names)


def test_every_group_has_its_own_bias(artifact: Path) -> None:
    """A group's part of a bias is a view. Stored from the underlying tensor it would be wrong."""
    parity = read_manifest(artifact).parity.outputs["logits"]
    assert parity.max_abs_diff < {"fp32": 1e-5, "int8": 0.1}[artifact.name]


def test_memory_is_reserved_for_the_longest_input(
    artifact: Path, checkpoint: Path, cli: Cli, tmp_path: Path
) -> None:
    shorter = export_checkpoint(
        checkpoint,
        tmp_path / "shorter",
        format="executorch",
        precision=artifact.name,
        max_sequence_length=20,
        texts=TEXTS,
    )
    planned, less = read_manifest(artifact).planned_bytes, shorter.planned_bytes
    assert planned is not None and less is not None and 0.4 * planned < less < 0.6 * planned
    _, shown, _ = cli("inspect", artifact)
    assert f"{planned / 1e6:.1f} MB reserved, for the longest input" in shown


@pytest.mark.parametrize(("groups", "joined"), [((4, 4, 4), 4), ((8, 8, 8), 8), ((2, 4, 1), 4)])
def test_any_groups(tmp_path: Path, groups: tuple[int, int, int], joined: int) -> None:
    """XNNPACK concatenates five at most; unequal groups share one attention."""
    names = ("q_groups", "k_groups", "v_groups")
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 8, "hidden_size": 64}
    changes = sizes | dict(zip(names, groups, strict=True)) | {"output_groups": joined}
    tiny.write_checkpoint(tmp_path / "checkpoint", task="feature-extraction", **changes)
    manifest = export_checkpoint(
        tmp_path / "checkpoint", tmp_path / "out", format="executorch", texts=TEXTS
    )
    assert manifest.parity.outputs["last_hidden_state"].min_cosine > 0.99
    assert not any("linear" in name or "bmm" in name for name in manifest.operators)


def test_a_failure_to_lower_is_one_line(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no such kernel\nand a page of graph")

    monkeypatch.setattr(torch.export, "export", fails)
    options = "-o", tmp_path / "out", "--format", "executorch"
    code, _, said = cli("export", checkpoint, *options)
    assert (code, said.splitlines()[-1]) == (
        1,
        "error: executorch cannot lower this model: RuntimeError: no such kernel; report it with "
        "--debug's output, or use --format onnx",
    )
    assert not (tmp_path / "out").exists()


def test_threads_are_those_of_the_process(artifact: Path) -> None:
    with load_artifact(artifact, threads=1) as one:
        with pytest.raises(InputError, match="threads=2 is not possible: executorch has one"):
            load_artifact(artifact, threads=2)
        one.session.run(_feed(1, 5))
    with load_artifact(artifact, threads=2) as two:
        two.session.run(_feed(1, 5))
    load_artifact(artifact, threads=1).close()


def test_several_sessions_in_one_process(artifact: Path) -> None:
    first, second = load_artifact(artifact), load_artifact(artifact)
    feed = _feed(1, 9)
    answer = first.session.run(feed)["logits"]
    second.session.run(_feed(1, 30))
    assert (first.session.run(feed)["logits"] == answer).all()


def test_nothing_is_logged_by_default(artifact: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "run", str(artifact), "play music"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "" and "play music" in done.stdout


@pytest.mark.parametrize("debug", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_torchs_logs_are_shown_with_debug(checkpoint: Path, tmp_path: Path, debug: bool) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "export", str(checkpoint)]
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    options = ["-o", str(tmp_path / "out"), "--format", "executorch", *["--debug"] * debug]
    options += ["--texts", str(tmp_path / "texts.txt")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    assert ("torch" in done.stderr) == debug


def test_without_executorch(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "executorch", None)
    with pytest.raises(
        MissingExtraError, match=r"run: pip install 'squeezebert-mobile\[executorch"
    ):
        export_checkpoint(checkpoint, tmp_path / "out", format="executorch", texts=TEXTS)
    assert list(tmp_path.iterdir()) == []
