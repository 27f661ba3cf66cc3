"""quantization.safetensors: what training leaves for the export, and files that cannot be used."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.quantize.preparation import (
    FILE,
    Preparation,
    prepare,
    read_preparation,
    write_preparation,
)
from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.models.linear_layers import Factors, FeedForward
from squeezebert_mobile.models.rewriting import rewrite

TASK = "text-classification"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A checkpoint with a file beside its weights."""
    tiny.write_checkpoint(tmp_path / "trained", "bert", TASK)
    model = rewrite(open_checkpoint(tmp_path / "trained").model)
    factors = {
        path: torch.linspace(0.5, 2, sum(reader.in_features for reader in module.readers))
        for path, module in model.named_modules()
        if isinstance(module, Factors)
    }
    outliers = {
        path: torch.tensor([3, 5])
        for path, module in model.named_modules()
        if isinstance(module, FeedForward)
    }
    assert factors and outliers
    write_preparation(tmp_path / "trained", Preparation("int4", TASK, factors, outliers))
    return tmp_path / "trained"


def _read(folder: Path, precision: str = "int4", task: str = TASK) -> Preparation | None:
    return read_preparation(folder, precision, task, pytest.fail)


def test_what_is_read_is_what_was_written(trained: Path) -> None:
    found = _read(trained)
    assert found is not None
    model = rewrite(open_checkpoint(trained).model)
    prepare(model, found)
    groups = [module for module in model.modules() if isinstance(module, FeedForward)]
    assert all(group.parts[1].tolist() == [3, 5] for group in groups)


def test_whoever_reads_the_checkpoint_can_read_it(trained: Path) -> None:
    assert (trained / FILE).stat().st_mode == (trained / "config.json").stat().st_mode


def test_without_a_file_there_is_nothing_to_read(trained: Path) -> None:
    assert _read(trained, "fp32") is None
    (trained / FILE).unlink()
    assert _read(trained) is None


@pytest.mark.parametrize(
    ("precision", "task", "expected"),
    [
        ("int8", TASK, "trained to be rounded to int4, for text-classification; they are rounded"),
        ("int4", "fill-mask", "to int4 as any others"),
    ],
)
def test_another_purpose_is_noted(trained: Path, precision: str, task: str, expected: str) -> None:
    notes: list[str] = []
    assert read_preparation(trained, precision, task, notes.append) is None
    assert len(notes) == 1 and expected in notes[0]


def test_a_file_beside_other_weights_is_ignored(trained: Path) -> None:
    """As when somebody trains on in transformers, which copies the file."""
    weights = load_file(trained / "model.safetensors")
    first = next(iter(weights))
    save_file(weights | {first: weights[first] + 1}, trained / "model.safetensors")
    notes: list[str] = []
    manifest = export_checkpoint(
        trained, trained.parent / "out", precision="int4", note=notes.append
    )
    assert f"{FILE} belongs to other weights and is ignored" in notes
    assert manifest.precision == "int4"


def test_a_file_that_something_else_wrote_is_ignored(trained: Path) -> None:
    save_file({"weight": torch.zeros(3)}, trained / FILE)
    notes: list[str] = []
    assert read_preparation(trained, "int4", TASK, notes.append) is None
    assert notes == [f"{FILE} was not written by finetune --quantize and is ignored"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0{}      xxx"])
def test_a_damaged_file_is_refused(trained: Path, content: bytes) -> None:
    (trained / FILE).write_bytes(content)
    _refused(trained, rf"{FILE}' is damaged \(.*\); train again with finetune --quantize, or del")


def test_a_truncated_file_is_refused(trained: Path) -> None:
    whole = (trained / FILE).read_bytes()
    (trained / FILE).write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match="is damaged"):
        export_checkpoint(trained, trained.parent / "out", precision="int4")
    assert not list(trained.parent.glob("*out*"))


def _with(kind: str, change: Callable[[Tensor], Tensor]) -> Callable[[str, Tensor], Tensor]:
    return lambda name, x: change(x) if name.startswith(kind) else x


@pytest.mark.parametrize(
    "change",
    [
        _with("factors", lambda x: x[:-1].clone()),
        _with("factors", lambda x: x[None]),
        _with("factors", lambda x: -x),
        _with("factors", lambda x: x * float("nan")),
        _with("factors", lambda x: x / 0),
        _with("factors", lambda x: x.long()),
        _with("outliers", lambda x: x + 100_000),
        _with("outliers", lambda x: -x),
        _with("outliers", lambda x: x[:0].clone()),
        _with("outliers", lambda x: x[[0, 0]]),
        _with("outliers", lambda x: x[None]),
        _with("outliers", lambda x: x.float()),
        _with("outliers", lambda x: torch.arange(100_000)),
    ],
)
def test_changes_that_do_not_fit_are_refused(
    trained: Path, change: Callable[[str, Tensor], Tensor]
) -> None:
    found = _read(trained)
    assert found is not None
    tensors = {f"factors:{path}": x for path, x in found.factors.items()}
    tensors |= {f"outliers:{path}": x for path, x in found.outliers.items()}
    changed = {name.partition(":")[2]: change(name, x) for name, x in tensors.items()}
    factors, outliers = (
        {path: changed[path] for path in x} for x in (found.factors, found.outliers)
    )
    write_preparation(trained, Preparation("int4", TASK, factors, outliers))
    _refused(trained, rf"{FILE} does not fit the model at '.*'; train again with finetune --quan")


@pytest.mark.parametrize("kind", ["factors", "outliers"])
def test_a_module_that_the_model_does_not_have_is_refused(trained: Path, kind: str) -> None:
    parts = {"factors": {}, "outliers": {}} | {kind: {"model.nowhere": torch.tensor([1])}}
    write_preparation(trained, Preparation("int4", TASK, parts["factors"], parts["outliers"]))
    _refused(trained, "does not fit the model at 'model.nowhere'")


def _refused(folder: Path, message: str) -> None:
    model = rewrite(open_checkpoint(folder).model)
    with pytest.raises(CheckpointError, match=message) as caught:
        prepare(model, _read(folder) or pytest.fail("ignored"))
    assert "\n" not in str(caught.value)
