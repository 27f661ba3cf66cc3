"""Mixed precision: hard checkpoints end within the limits, or in an error with a table.

Each case of `CASES` changes the demo in a way that makes trained models hard to quantize. Without
verification such a file would be written although its outputs are far off, as a test shows.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from commands import Cli

from squeezebert_mobile.artifact import Manifest, Parity, read_artifact
from squeezebert_mobile.cli.printing.artifact import _repair
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.export import convert, export_checkpoint, inspect_checkpoint
from squeezebert_mobile.export.quantize import mixed_precision
from squeezebert_mobile.export.quantize.calibration import calibrate
from squeezebert_mobile.export.quantize.mixed_precision import MixedPrecision
from squeezebert_mobile.export.quantize.recipe import PER_TENSOR
from squeezebert_mobile.export.quantize.sensitivity import Unit, units
from squeezebert_mobile.export.verify.comparison import Comparison
from squeezebert_mobile.export.verify.limits import LIMITS, MIN_AGREEMENT
from squeezebert_mobile.export.verify.parity import verify
from squeezebert_mobile.models.checkpoint import open_checkpoint, shipped_texts
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.modeling import SqueezeBertModel
from squeezebert_mobile.models.rewriting import Traceable, products, rewrite
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
#: A product and a table; the others are slow.
USUAL = [("outlier channels", "int8"), ("tiny variance", "int4")]


def _mostly_slow(cases: list[tuple[Any, ...]], usual: list[tuple[Any, ...]]) -> list[Any]:
    return [
        case if case in usual else pytest.param(*case, marks=pytest.mark.slow) for case in cases
    ]


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


@pytest.mark.parametrize(
    ("format", "name", "precision", "unit"),
    _mostly_slow(
        EVERYWHERE, [each for each in EVERYWHERE if each[0] == "onnx" and each[1:3] in USUAL]
    ),
)
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


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_what_repair_adds_to_the_size_is_said(
    precision: str, spoiled: Callable[..., Path], tmp_path: Path, cli: Cli
) -> None:
    checkpoint, out = spoiled("tiny variance", _tiny_variance), tmp_path / "out"
    texts = tmp_path / "texts"
    texts.write_text("\n".join(TEXTS), encoding="utf-8")
    options = "--texts", texts, "--precision", precision
    code, shown, err = cli("export", checkpoint, "-o", out, *options)
    assert code == 0, err
    assert cli("inspect", out)[1].startswith(shown[: shown.index("longest input")])
    manifest = read_artifact(out)
    repaired = re.search(r"repaired: (\d+) parts in higher precision, about ([\d.]+) MB", shown)
    assert repaired and int(repaired[1]) == len(_kept(manifest)) > 0
    facts = inspect_checkpoint(checkpoint)
    stored = sum(part.bytes for part in manifest.parts.values())
    more = stored - facts.expected_bytes["onnx"][precision]
    assert more / 1e6 == pytest.approx(float(repaired[2]), rel=0.02)
    assert stored <= facts.largest_bytes
    code, shown, _ = cli("inspect", checkpoint)
    assert f"at most {facts.largest_bytes / 1e6:.2f} MB" in " ".join(shown.split())


def test_an_export_without_repair_does_not_mention_it(assistant: Path, cli: Cli) -> None:
    assert "repaired" not in cli("inspect", assistant)[1]


@pytest.mark.parametrize(
    ("name", "precision"), _mostly_slow([(n, p) for n, p, unit in EACH if unit], USUAL)
)
def test_without_verification_it_would_not(
    name: str,
    precision: str,
    spoiled: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def verify_without_limits(*args: Any, **options: Any) -> Comparison:
        return replace(verify(*args, **options), violations=())

    monkeypatch.setattr(convert, "verify", verify_without_limits)
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


# Raising the precision ----------------------------------------------------------------------

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
IDS = torch.arange(5, 45).reshape(4, 10)
FEEDS = [(IDS, torch.ones_like(IDS), torch.zeros_like(IDS))]


@pytest.fixture
def model() -> Traceable:
    return rewrite(initialize("feature-extraction", tiny.tiny_config(**SIZES), seed=3))


@pytest.fixture
def mixed(model: Traceable, monkeypatch: pytest.MonkeyPatch) -> MixedPrecision:
    """int4, with a known sensitivity of two units."""
    decibels = {"layers.0.attention.product": 10.0, "layers.1.attention_output": 20.0}

    def known(model: object, measured: list[Unit], *rest: object) -> dict[str, float]:
        return {unit.name: decibels.get(unit.name, 60.0) for unit in measured}

    monkeypatch.setattr(mixed_precision, "signal_to_noise", known)
    return MixedPrecision(model, calibrate(model, FEEDS), "int4", PER_TENSOR, FEEDS)


def test_the_worst_unit_goes_one_precision_up(mixed: MixedPrecision) -> None:
    assert mixed.overrides == {}
    mixed.raise_precision()
    (why,) = mixed.reasons.items()
    assert why[0] == "layers.0.attention.product"
    assert re.fullmatch(
        r"int8: int4 by itself leaves the outputs 10\.0 dB above its error; 0\.00 MB more, "
        r"\d+\.\d% of the products' weights",
        why[1],
    )
    # `inspect` reads the cost from it.
    assert _repair("int4", mixed.reasons).startswith("repaired: 1 parts in higher precision, about")
    assert len(mixed.overrides) == 4 and set(mixed.overrides.values()) == {"int8"}
    mixed.raise_precision()
    assert mixed.reasons["layers.0.attention.product"].startswith("fp32")


def test_at_most_half_of_the_products_stay_fp32(model: Traceable, mixed: MixedPrecision) -> None:
    assert not all(mixed.raise_precision() for _ in range(30))
    all_units = units(model).values()
    total = sum(unit.numbers for unit in all_units if not unit.is_table)
    fp32 = {path for path, precision in mixed.overrides.items() if precision == "fp32"}
    stay = [u for u in all_units if not u.is_table and set(u.modules) <= fp32]
    assert 0 < sum(unit.numbers for unit in stay) <= total / 2


def test_weights_are_rounded_to_their_precision_and_back(
    model: Traceable, mixed: MixedPrecision
) -> None:
    originals = {product: product.weight.clone() for product in products(model)}
    mixed.set_weights()
    worst = {id(m) for m in units(model)["layers.0.attention.product"].modules.values()}
    assert all(not product.weight.equal(originals[product]) for product in originals)
    mixed.raise_precision()
    mixed.raise_precision()
    mixed.set_weights()
    for product, weight in originals.items():
        assert product.weight.equal(weight) == (id(product) in worst)
