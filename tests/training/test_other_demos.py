"""demo-slots and demo-fill-mask: the shipped checkpoints, their published metrics and recipes."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
import transformers

from squeezebert_mobile.export.inspection import inspect_checkpoint
from squeezebert_mobile.models.checkpoint import DEMOS, demo_folder, open_checkpoint
from squeezebert_mobile.models.families import architecture_of
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.training.demos import fill_mask as demo_fill_mask
from squeezebert_mobile.training.demos import slots as demo_slots
from squeezebert_mobile.training.demos.__main__ import main
from squeezebert_mobile.training.demos.sentences import SPLITS, sentences
from squeezebert_mobile.training.demos.tagged import TAGGED, tagged_sentences

OTHERS = tuple(name for name in DEMOS if name != "demo")
TASKS = {"demo-slots": "token-classification", "demo-fill-mask": "fill-mask"}
MOST_BYTES = 6_000_000
LEAST_F1 = 0.79
MODULES = {"demo-slots": demo_slots, "demo-fill-mask": demo_fill_mask}


def results(name: str) -> dict[str, dict[str, float]]:
    loaded: dict[str, dict[str, float]] = json.loads(
        (demo_folder(name) / "results.json").read_text(encoding="utf-8")
    )
    return loaded


@pytest.mark.parametrize("name", OTHERS)
def test_transformers_reads_it_and_gives_the_same_logits(name: str) -> None:
    ours = open_checkpoint(name)
    assert (ours.name, ours.model.task, ours.license) == (name, TASKS[name], "apache-2.0")
    theirs_class = getattr(transformers, architecture_of(ours.model.config, TASKS[name]))
    theirs = theirs_class.from_pretrained(demo_folder(name)).eval()
    texts = [sentence.text for sentence in sentences("held_out", per_intent=2)]
    inputs = ours.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(
            ours.model(**inputs).logits, theirs(**inputs).logits, rtol=0, atol=1e-4
        )


@pytest.mark.parametrize("name", OTHERS)
def test_the_folder_is_small_and_has_the_files_of_demo(name: str) -> None:
    files = {path.name: path.stat().st_size for path in demo_folder(name).iterdir()}
    assert set(files) == {path.name for path in demo_folder().iterdir()}
    assert sum(files.values()) <= MOST_BYTES
    assert (demo_folder(name) / "vocab.txt").read_bytes() == (
        demo_folder() / "vocab.txt"
    ).read_bytes()
    readme = (demo_folder(name) / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" in readme and "make demo-checkpoint" in readme
    assert TASKS[name] in inspect_checkpoint(name).heads


@pytest.mark.parametrize("name", OTHERS)
def test_the_model_card_is_that_of_the_shipped_results(name: str) -> None:
    card = (demo_folder(name) / "README.md").read_text(encoding="utf-8")
    assert card == MODULES[name].model_card(results(name))


def test_the_published_f1_of_demo_slots() -> None:
    held_out = tagged_sentences("held_out", per_intent=demo_slots.HELD_OUT_PER_INTENT)
    metrics = demo_slots.measure_slots(reference_pipeline(open_checkpoint("demo-slots")), held_out)
    stated = results("demo-slots")["held_out"]
    print(f"held out: F1 {metrics['f1']:.3f} of {metrics['slots']} slots")
    assert metrics["slots"] == stated["slots"] > 1000
    assert metrics["f1"] == pytest.approx(stated["f1"], abs=0.005)
    assert metrics["f1"] >= LEAST_F1
    assert f"{stated['f1']:.1%}" in (demo_folder("demo-slots") / "README.md").read_text()


@pytest.mark.parametrize(
    ("text", "slot", "words"),
    [
        ("wake me at half past six", "time", "half past six"),
        ("call Anna", "name", "anna"),
        ("navigate to Paris", "place", "paris"),
        ("set a timer for ten minutes", "duration", "ten minutes"),
    ],
)
def test_the_slots_of_common_requests(text: str, slot: str, words: str) -> None:
    model = reference_pipeline(open_checkpoint("demo-slots"))
    entities = model(text, aggregation_strategy="simple").entities
    assert (slot, words) in [(entity.label, entity.word) for entity in entities]


def test_the_published_loss_of_demo_fill_mask() -> None:
    held_out = sentences("held_out", per_intent=demo_fill_mask.HELD_OUT_PER_INTENT)
    model = reference_pipeline(open_checkpoint("demo-fill-mask"))
    metrics, stated = (
        demo_fill_mask.measure_masks(model, held_out),
        results("demo-fill-mask")["held_out"],
    )
    print(f"held out: {metrics}")
    assert metrics["loss"] == pytest.approx(stated["loss"], abs=0.005)
    assert metrics["accuracy"] == pytest.approx(stated["accuracy"], abs=0.005)


def test_it_fills_a_mask() -> None:
    model = reference_pipeline(open_checkpoint("demo-fill-mask"))
    (mask,) = model("set an [MASK] for seven").masks
    assert "alarm" in [fill.token_str for fill in mask]


@pytest.mark.parametrize("name", OTHERS)
def test_the_recipe_writes_the_same_bytes_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: ModuleType = MODULES[name]
    monkeypatch.setattr(module, "TRAINING_PER_INTENT", 15)  # enough to have every label
    monkeypatch.setattr(module, "HELD_OUT_PER_INTENT", 5)
    monkeypatch.setattr(module, "TRAINING", replace(module.TRAINING, epochs=1))
    for folder in ("once", "again"):
        main([name, str(tmp_path / folder)])
    once, again = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("once", "again")
    )
    assert once == again and set(once) == {path.name for path in demo_folder(name).iterdir()}


# Tags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("split", SPLITS)
def test_tags_are_of_slots_and_begin_with_b(split: str, noisy: bool) -> None:
    tagged = tagged_sentences(split, per_intent=100, noisy=noisy)
    assert tagged == tagged_sentences(split, per_intent=100, noisy=noisy)
    assert len(tagged) == 1200
    for sentence in tagged:
        assert len(sentence.words) == len(sentence.tags) > 0
        assert all(word.strip() == word and word.isprintable() for word in sentence.words)
        for previous, tag in zip(("O", *sentence.tags), sentence.tags, strict=False):
            assert tag == "O" or tag[2:] in TAGGED
            assert not tag.startswith("I-") or previous[2:] == tag[2:]


def test_every_slot_is_tagged_somewhere() -> None:
    tags = {
        tag for sentence in tagged_sentences("held_out", per_intent=100) for tag in sentence.tags
    }
    assert {tag[2:] for tag in tags if tag != "O"} == set(TAGGED)
