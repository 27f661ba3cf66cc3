"""Mixed precision: hard checkpoints end within the limits, or in an error with a table.

Each case of `CASES` changes the demo in a way that trained models are known to be hard to quantize.
A test shows that without verification the files would be written and be far off.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from squeezebert_mobile.artifact import Manifest, Parity
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.backends.onnx.quantization import quantize
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.export.quantize import mixed_precision
from squeezebert_mobile.export.quantize.calibration import InputStatistics, calibrate
from squeezebert_mobile.export.quantize.mixed_precision import MixedPrecision
from squeezebert_mobile.export.quantize.recipe import PER_TENSOR, PER_TOKEN
from squeezebert_mobile.export.quantize.rounding import round_activations
from squeezebert_mobile.export.quantize.sensitivity import Unit, noise, units
from squeezebert_mobile.export.verify import comparison
from squeezebert_mobile.export.verify.limits import LIMITS, MIN_AGREEMENT
from squeezebert_mobile.models.checkpoint import open_checkpoint, shipped_texts
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.modeling import SqueezeBertModel
from squeezebert_mobile.models.rewriting import Traceable, rewrite
from squeezebert_mobile.runtime import load_artifact

TEXTS = shipped_texts()[::4]
HELD_BACK = shipped_texts()[1::8]


# Hard cases ---------------------------------------------------------------------------------


def _outlier_channels(base: SqueezeBertModel) -> None:
    """One in 31 channels of every product's input has weights fifty times as large."""
    for layer in base.layers:
        convolutions = (layer.query, layer.key, layer.value, layer.attention_output)
        for each in (*convolutions, layer.intermediate, layer.output):
            each.weight.data[:, 3::31] *= 50


def _larger_outliers(base: SqueezeBertModel) -> None:
    """The same in the layer norms and the values: one in seven, fifty times as large."""
    for layer in base.layers:
        layer.attention_norm.weight.data[5::7] *= 50
        layer.output_norm.weight.data[5::7] *= 50
        layer.value.weight.data[3::7] *= 50


def _saturated_layer(base: SqueezeBertModel) -> None:
    """Half of a layer's inner channels have an offset of 1500 that the next product removes."""
    layer, ceiling = base.layers[1], torch.zeros(1, base.config.intermediate_size, 1)
    ceiling[:, ::2] = 1500
    layer.intermediate.bias.data += ceiling.flatten()
    layer.output.bias.data -= layer.output(ceiling).flatten() - layer.output.bias


def _large_rows(base: SqueezeBertModel) -> None:
    """Two words have vectors a thousand times as long."""
    base.embeddings.word.weight.data[[200, 1500]] *= 1000


def _tiny_variance(base: SqueezeBertModel) -> None:
    """The input of a layer norm is almost the same in all channels."""
    base.embeddings.word.weight.data += 100


#: Name -> change, and in each precision the unit that then stays in a higher one; None: no unit.
CASES: dict[str, tuple[Callable[[SqueezeBertModel], None], dict[str, str | None]]] = {
    "outlier channels": (_outlier_channels, {"int8": "layers.0.attention.product"}),
    "saturated layer": (_saturated_layer, {"int8": "layers.1.feed_forward.second"}),
    "large rows": (_large_rows, {"int8": None, "int4": None}),  # a row has a scale of its own
    "tiny variance": (_tiny_variance, {"int8": "embeddings.word", "int4": "embeddings.word"}),
}
EACH = [(name, p, unit) for name, (_, of) in CASES.items() for p, unit in of.items()]
EVERYWHERE = [("onnx", *each) for each in EACH]
EVERYWHERE.append(("torchscript", "tiny variance", "int8", "embeddings.word"))


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder with the demo after `spoil`."""
    made: dict[str, Path] = {}

    def get(name: str, spoil: Callable[[SqueezeBertModel], None]) -> Path:
        if name not in made:
            source = open_checkpoint("demo")
            base = next(m for m in source.model.modules() if isinstance(m, SqueezeBertModel))
            spoil(base)
            made[name] = tmp_path_factory.mktemp("spoiled") / "checkpoint"
            source.model.save_pretrained(made[name])
            source.tokenizer.save_pretrained(made[name])
        return made[name]

    return get


def _kept(manifest: Manifest) -> dict[str, str]:
    """Unit -> its precision."""
    assert manifest.quantization is not None
    whys = manifest.quantization.kept.items()
    return {part: why.partition(":")[0] for part, why in whys if "by itself" in why}


def _holds(parity: Parity, precision: str) -> bool:
    agreed = parity.top1_agreement is not None and parity.top1_agreement >= MIN_AGREEMENT
    return agreed and all(LIMITS[precision].holds(each) for each in parity.outputs.values())


@pytest.mark.parametrize(("format", "name", "precision", "unit"), EVERYWHERE)
def test_a_hard_case_ends_within_the_limits(
    format: str,
    name: str,
    precision: str,
    unit: str | None,
    spoiled: Callable[..., Path],
    tmp_path: Path,
) -> None:
    checkpoint, out = spoiled(name, CASES[name][0]), tmp_path / "out"
    manifest = export_checkpoint(checkpoint, out, format=format, precision=precision, texts=TEXTS)
    assert _holds(manifest.parity, precision)
    kept = _kept(manifest)
    assert (unit in kept) if unit else not kept
    # And on texts that no step of the export has used.
    with load_artifact(out) as model, torch.inference_mode():
        source = open_checkpoint(checkpoint)
        agreed = 0
        for text in HELD_BACK:
            feed = source.tokenizer(text, truncation=True, max_length=128, return_tensors="np")
            ours = model.session.run({k: np.asarray(v, np.int64) for k, v in feed.items()})
            theirs = source.model(**{k: torch.from_numpy(np.asarray(v)) for k, v in feed.items()})
            agreed += int(ours["logits"].argmax() == theirs.logits.argmax())
    assert agreed >= 0.94 * len(HELD_BACK)


@pytest.mark.parametrize(("name", "precision"), [(n, p) for n, p, unit in EACH if unit])
def test_without_verification_it_would_not(
    name: str,
    precision: str,
    spoiled: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "_violations", lambda *args: [])
    checkpoint = spoiled(name, CASES[name][0])
    manifest = export_checkpoint(checkpoint, tmp_path / "out", precision=precision, texts=TEXTS)
    assert not _holds(manifest.parity, precision)
    assert not _kept(manifest)


def test_an_irreparable_checkpoint_is_refused_with_a_table(
    spoiled: Callable[..., Path], tmp_path: Path
) -> None:
    checkpoint = spoiled("larger outliers", _larger_outliers)
    with pytest.raises(ParityError, match="int8 model does not answer as the checkpoint") as found:
        export_checkpoint(checkpoint, tmp_path / "out", texts=TEXTS)
    assert not (tmp_path / "out").exists()
    parity, units_ = found.value.__notes__
    assert "mean_cosine" in parity
    header, *rows = units_.splitlines()
    assert header.split() == ["int8", "by", "itself", "dB", "was", "tried", "in"]
    figures = [float(row.split()[1]) for row in rows]
    assert figures == sorted(figures) and len(rows) == 12
    assert rows[0].split()[2] == "fp32" and rows[-1].split()[2] == "int8"


# Sensitivity --------------------------------------------------------------------------------

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
FEED = torch.arange(5, 45).reshape(4, 10), torch.ones(4, 10, dtype=torch.long)
FEEDS = [(*FEED, torch.zeros(4, 10, dtype=torch.long))]


def _ready(task: str) -> tuple[Traceable, dict[nn.Linear, InputStatistics]]:
    model = rewrite(initialize(task, tiny.tiny_config(**SIZES), seed=3))
    return model, calibrate(model, FEEDS)


def test_every_weight_that_is_quantized_is_of_one_unit() -> None:
    model, _ = _ready("fill-mask")
    found = units(model)
    modules = [id(module) for unit in found.values() for module in unit.modules.values()]
    assert len(modules) == len(set(modules))
    everything = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Embedding)]
    assert [m.num_embeddings for m in everything if id(m) not in modules] == [3]  # types of text
    assert set(found["embeddings.word"].modules) == {"model.base.embeddings.word", "model.decoder"}
    assert found["embeddings.word"].is_table and not found["transform"].is_table
    assert len(found["layers.0.attention.product"].modules) == 4


def test_a_small_classifier_is_not_a_unit() -> None:
    assert "classifier" not in units(_ready("text-classification")[0])


@pytest.mark.parametrize(
    "name", ["embeddings.word", "layers.0.attention.product", "layers.1.feed_forward.second"]
)
def test_the_sensitivity_is_that_of_a_file_with_only_this_unit_quantized(name: str) -> None:
    """It is measured in torch; here the ONNX graph has everything else in fp32."""
    import onnxruntime

    model, read = _ready("feature-extraction")
    ready = MixedPrecision(model, read, "int8", PER_TENSOR, FEEDS)
    assert list(ready.sensitivity) == list(units(model))
    theirs = [output.detach().numpy() for output in model(*FEEDS[0])]
    ready.set_weights()
    overrides = {path: "fp32" for n, u in units(model).items() if n != name for path in u.modules}
    for product, weight in ready._originals.items():
        if all(product is not m for m in units(model)[name].modules.values()):
            product.weight = weight
    graph, _ = quantize(to_onnx(model, sequence_length=None), "int8", overrides)
    kinds = {node.op_type for node in graph.graph.node}
    assert ("DynamicQuantizeMatMul" in kinds) == (name == "layers.1.feed_forward.second")
    assert ("QAttention" in kinds) == (name == "layers.0.attention.product")
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    names = ("input_ids", "attention_mask", "token_type_ids")
    ours = session.run(None, dict(zip(names, (x.numpy() for x in FEEDS[0]), strict=True)))
    power = sum(float((a**2).sum()) for a in theirs)
    error = sum(float(((a - b) ** 2).sum()) for a, b in zip(ours, theirs, strict=True))
    assert abs(10 * np.log10(power / error) - ready.sensitivity[name]) < 0.5


def test_activations_are_rounded_as_onnx_does_it() -> None:
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    found = round_activations(x, PER_TENSOR)
    step = (x.max() - x.min()) / 255
    assert found.unique().numel() <= 256
    assert (found - x).abs().max() <= 0.51 * step
    assert round_activations(torch.zeros(2, 3), PER_TENSOR).equal(torch.zeros(2, 3))


def test_a_scale_per_token_depends_on_that_token_only() -> None:
    x = torch.tensor([[1.0, -0.5, 0.25], [1000.0, -500.0, 250.0]])
    together = torch.cat([round_activations(row[None], PER_TOKEN) for row in x])
    assert round_activations(x, PER_TOKEN).equal(together)
    assert not round_activations(x, PER_TENSOR)[0].equal(together[0])


# Raising the precision ----------------------------------------------------------------------


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> MixedPrecision:
    """int4, with a known sensitivity of two units."""
    model, read = _ready("feature-extraction")
    harm = {"layers.0.attention.product": 10.0, "layers.1.attention_output": 20.0}

    def known(model: object, measured: list[Unit], *rest: object) -> dict[str, float]:
        return {unit.name: harm.get(unit.name, 60.0) for unit in measured}

    monkeypatch.setattr(mixed_precision, "signal_to_noise", known)
    return MixedPrecision(model, read, "int4", PER_TENSOR, FEEDS)


def test_the_worst_unit_goes_one_precision_up(ready: MixedPrecision) -> None:
    assert ready.overrides == {}
    ready.raise_precision()
    (why,) = ready.reasons.items()
    assert why[0] == "layers.0.attention.product"
    assert re.fullmatch(
        r"int8: int4 by itself leaves the outputs 10\.0 dB above its error; 0\.00 MB more, "
        r"\d+\.\d% of the products' weights",
        why[1],
    )
    assert len(ready.overrides) == 4 and set(ready.overrides.values()) == {"int8"}
    ready.raise_precision()
    assert ready.reasons["layers.0.attention.product"].startswith("fp32")


def test_at_most_half_of_the_products_stay_fp32(ready: MixedPrecision) -> None:
    assert not all(ready.raise_precision() for _ in range(30))
    all_units = ready._units.values()
    total = sum(unit.numbers for unit in all_units if not unit.is_table)
    fp32 = {path for path, precision in ready.overrides.items() if precision == "fp32"}
    stay = [u for u in all_units if not u.is_table and set(u.modules) <= fp32]
    assert 0 < sum(unit.numbers for unit in stay) <= total / 2


def test_weights_are_rounded_to_their_precision_and_back(ready: MixedPrecision) -> None:
    originals = {product: weight.clone() for product, weight in ready._originals.items()}
    ready.set_weights()
    worst = {id(m) for m in ready._units["layers.0.attention.product"].modules.values()}
    assert all(not product.weight.equal(originals[product]) for product in originals)
    ready.raise_precision()
    ready.raise_precision()
    ready.set_weights()
    for product, weight in originals.items():
        assert product.weight.equal(weight) == (id(product) in worst)


def test_noise() -> None:
    assert [noise(decibels) for decibels in (0, 10, -20)] == pytest.approx([1, 0.1, 100])
