"""tanh replaces erf only where the outputs hardly change."""

from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional

from squeezebert_mobile.export import export_checkpoint, initialize
from squeezebert_mobile.export.quantize import gelu
from squeezebert_mobile.export.quantize.gelu import approximate_gelu
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.models.rewriting import Traceable, feed_forwards, rewrite

IDS = torch.arange(5, 17).reshape(2, 6)
FEEDS = [(IDS, torch.ones_like(IDS), torch.zeros_like(IDS))]


def _model(act: str = "gelu") -> Traceable:
    """A model with large feed-forwards: with the initial weights the activation hardly matters."""
    model = initialize("feature-extraction", tiny.tiny_config(hidden_act=act))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "intermediate" in name or ".output." in name:
                parameter.normal_(generator=torch.Generator().manual_seed(1))
    return rewrite(model)


def _outputs(model: Traceable) -> Tensor:
    with torch.no_grad():
        return torch.cat([output.flatten() for output in model(*FEEDS[0])])


def test_it_returns_how_far_the_outputs_moved() -> None:
    model = _model()
    before = _outputs(model)
    said = approximate_gelu(model, FEEDS)
    assert all(each.activation is not functional.gelu for each in feed_forwards(model))
    moved = float(said["gelu"].split(" by ")[-1].split()[0])
    hidden = IDS.numel() * 24  # the other output is the pooled first token
    parts = [
        float((ours - theirs).norm() / theirs.norm())
        for ours, theirs in zip(
            _outputs(model).split([hidden, 48]), before.split([hidden, 48]), strict=True
        )
    ]
    assert 1e-5 < max(parts) < 5e-3
    assert moved == pytest.approx(max(parts), rel=0.5)  # one digit of it


def test_a_model_whose_outputs_move_too_far_keeps_erf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gelu, "MAX_CHANGE", 1e-6)
    model = _model()
    before = _outputs(model)
    assert approximate_gelu(model, FEEDS) == {}
    assert torch.equal(_outputs(model), before)


def test_another_activation_does_not_change() -> None:
    model = _model("relu")
    before = _outputs(model)
    assert approximate_gelu(model, FEEDS) == {}
    assert torch.equal(_outputs(model), before)


@pytest.mark.parametrize(
    ("format", "precision", "approximated"),
    [("onnx", "int8", ["gelu"]), ("onnx", "fp32", []), ("torchscript", "int8", [])],
)
def test_the_manifest_lists_the_approximation(
    tmp_path: Path, format: str, precision: str, approximated: list[str]
) -> None:
    tiny.write_checkpoint(tmp_path / "checkpoint")
    manifest = export_checkpoint(
        tmp_path / "checkpoint",
        tmp_path / "artifact",
        format=format,
        precision=precision,
        texts=shipped_texts()[::8],
    )
    record = manifest.quantization
    assert list(record.approximated if record else {}) == approximated
