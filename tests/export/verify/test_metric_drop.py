"""--data and --max-drop: an export whose metric drops too far is repaired or refused."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from commands import Cli, without_steps

from squeezebert_mobile import evaluation
from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.verify import comparison
from squeezebert_mobile.export.verify.limits import LIMITS, Limit
from squeezebert_mobile.export.verify.metric_drop import LabelledData, MetricDrop
from squeezebert_mobile.models.checkpoint import open_checkpoint, shipped_texts
from squeezebert_mobile.models.modeling import SqueezeBertModel
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.training.demos.sentences import INTENTS, sentences

TEXTS = shipped_texts()[::8]
PER_INTENT = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "held-out.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        found = sentences("held_out", per_intent=PER_INTENT, seed=0)
        writer.writerows([each.text, each.intent] for each in found)
    return path


def test_the_manifest_has_both_metrics(data: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "out"
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS), encoding="utf-8")
    options = "--precision", "int4", "--data", data, "--max-drop", "0.05", "--texts", texts
    code, said, err = cli("export", "demo", "-o", out, *options)
    assert (code, without_steps(err)) == (0, "")
    found = read_manifest(out).accuracy
    assert found is not None
    assert (found.data, found.examples) == ("held-out.csv", 12 * PER_INTENT)
    assert f"accuracy on held-out.csv (96 examples): artifact {found.artifact:.4f}" in said
    # Computed again here.
    with data.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with load_artifact(out) as model:
        right = sum(model(row["text"]).label == row["label"] for row in rows)
    assert found.artifact == pytest.approx(right / len(rows), abs=1e-6)
    assert found.checkpoint - found.artifact <= 0.05 < found.checkpoint


def _everything_in_one_channel(base: SqueezeBertModel) -> None:
    base.embeddings.word.weight.data += 100


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the metric is checked."""
    for precision in ("int8", "int4"):
        monkeypatch.setitem(LIMITS, precision, Limit(min_cosine=-1))
    monkeypatch.setattr(comparison, "MIN_AGREEMENT", 0)


def _spoiled(folder: Path, spoil: Callable[[SqueezeBertModel], None]) -> Path:
    source = open_checkpoint("demo")
    spoil(next(m for m in source.model.modules() if isinstance(m, SqueezeBertModel)))
    source.model.save_pretrained(folder)
    source.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.usefixtures("lenient")
def test_a_metric_that_drops_too_far_is_repaired(data: Path, tmp_path: Path) -> None:
    checkpoint = _spoiled(tmp_path / "checkpoint", _everything_in_one_channel)

    def export(**options: float) -> tuple[float, dict[str, str]]:
        manifest = export_checkpoint(
            checkpoint, tmp_path / "out", texts=TEXTS, data=data, force=True, **options
        )
        assert manifest.accuracy and manifest.quantization
        return manifest.accuracy.checkpoint - manifest.accuracy.artifact, manifest.quantization.kept

    drop, kept = export()
    assert drop > 0.3 and "embeddings.word" not in kept, "without a limit"
    drop, kept = export(max_drop=0.01)
    assert drop <= 0.01 and kept["embeddings.word"].startswith("fp32")


def test_a_drop_that_cannot_be_reached_is_refused(data: Path, tmp_path: Path) -> None:
    """No artifact is that much better than its checkpoint, here a small one: all of it is tried."""
    checkpoint, labels = tmp_path / "checkpoint", dict(enumerate(INTENTS))
    tiny.write_checkpoint(checkpoint, task="text-classification", num_labels=12, id2label=labels)
    with pytest.raises(ParityError) as found:
        export_checkpoint(checkpoint, tmp_path / "out", texts=TEXTS, data=data, max_drop=-math.inf)
    assert str(found.value).startswith("the int8 model's accuracy on 'held-out.csv' is 0.")
    assert "and --max-drop allows -inf; nothing was written; allow more, or use" in str(found.value)
    assert not (tmp_path / "out").exists()


def test_a_drop_of_exactly_the_limit_is_allowed() -> None:
    example = evaluation.Example("line 2", ("a text",), "a")
    data = evaluation.DataSet("csv", "text-classification", (example,), ("accuracy",), ("a", "b"))
    theirs, ours = (evaluation.Scores({"accuracy": x}, ()) for x in (0.95, 0.94))

    def measured(max_drop: float) -> MetricDrop:
        labelled = LabelledData("a.csv", data, theirs, max_drop)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(evaluation, "score", lambda *rest, **options: ours)
            return labelled.measure(None, lambda done, total: None)  # type: ignore[arg-type]

    assert not measured(0.01).is_violation
    drop = measured(0.0099)
    assert drop.is_violation
    assert "is 0.9400 and the checkpoint's 0.9500: 0.0100 worse" in str(drop.error("int8"))


def test_max_drop_without_data(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("export", "demo", "-o", tmp_path / "out", "--max-drop", "0.01")
    assert code == 1
    assert err == "error: --max-drop 0.01 needs labelled examples; add --data FILE\n"


def test_data_for_another_task(cli: Cli, tmp_path: Path) -> None:
    wrong = tmp_path / "choices.jsonl"
    wrong.write_text('{"text": "a", "choices": ["b", "c"], "label": 0}\n')
    code, _, err = cli("export", "demo", "-o", tmp_path / "out", "--data", wrong)
    assert code == 1 and without_steps(err).count("\n") == 1
    assert "is choices data, which is for multiple-choice, but the model is for text-class" in err
    assert not (tmp_path / "out").exists()
