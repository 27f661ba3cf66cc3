"""The demo for text-classification: its sentences, vocabulary, checkpoint and recipe."""

import itertools
import json
import random
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.models.checkpoint import (
    Checkpoint,
    demo_folder,
    open_checkpoint,
    shipped_texts,
)
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.demos import intents as demo
from squeezebert_mobile.training.demos import slots as demo_slots
from squeezebert_mobile.training.demos.__main__ import main
from squeezebert_mobile.training.demos.composition import broadened, composed
from squeezebert_mobile.training.demos.sentences import (
    INTENTS,
    SPLITS,
    choices,
    read_grammar,
    sentences,
)
from squeezebert_mobile.training.demos.tagged import tagged_sentences

LEAST_ACCURACY = 0.95
MOST_BYTES = 3_000_000
# Names, places and things: in held-out sentences each of their words is new. The other slots hold
# phrases of everyday words (a time, a message, a task), of which the whole phrase is new.
NOUNS = (
    *("name", "place", "song", "artist", "genre", "item", "device", "cover", "room", "colour"),
    *("language", "unit", "adjective", "wear"),
)
EVERYDAY = set("a an the my of in to me for and on up is s".split())


# Sentences ----------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_every_intent_has_the_same_number_of_different_sentences(split: str) -> None:
    generated = sentences(split, per_intent=100)
    assert len({s.text for s in generated}) == len(generated) == 100 * len(INTENTS)
    assert {intent: sum(s.intent == intent for s in generated) for intent in INTENTS} == (
        dict.fromkeys(INTENTS, 100)
    )


@pytest.mark.parametrize("noisy", [False, True])
def test_the_seed_decides_the_sentences(noisy: bool) -> None:
    ours = sentences("training", per_intent=50, seed=1, noisy=noisy)
    assert ours == sentences("training", per_intent=50, seed=1, noisy=noisy)
    assert ours != sentences("training", per_intent=50, seed=2, noisy=noisy)


def test_only_noisy_sentences_have_noise() -> None:
    assert sentences("training", per_intent=50) != sentences("training", per_intent=50, noisy=True)
    known = {word for text in phrases("held_out") for word in words(text)}
    generated = {word for s in sentences("held_out", per_intent=100) for word in words(s.text)}
    assert generated <= known


def test_every_template_of_a_split_is_used() -> None:
    grammar = read_grammar("held_out")
    per_intent = demo.HELD_OUT_PER_INTENT
    for intent in INTENTS:
        assert len(grammar.commands[intent]) + len(grammar.sentences[intent]) <= per_intent


@pytest.mark.parametrize("split", SPLITS)
def test_grammars_have_all_intents_and_no_unknown_slot(split: str) -> None:
    grammar = read_grammar(split)
    assert set(grammar.commands) == set(grammar.sentences) == set(INTENTS)
    used = {slot for text in phrases(split) for slot in re.findall(r"\{(\w+)\}", text)}
    assert used <= set(grammar.slots)
    assert not [text for text in phrases(split) if text.count("(") != text.count(")")]


def phrases(split: str) -> Iterator[str]:
    """Every template, filler, part of a template and polite phrase."""
    grammar = read_grammar(split)
    yield from grammar.prefixes + grammar.suffixes
    for table in (grammar.slots, grammar.phrases, grammar.commands, grammar.sentences):
        for group in table.values():
            yield from group


def words(text: str) -> list[str]:
    return re.findall(r"[\w{}]+", text.lower())


def templates(split: str) -> set[str]:
    grammar = read_grammar(split)
    groups = [*grammar.commands.values(), *grammar.sentences.values()]
    texts = (text for group in groups for template in group for text in choices(template))
    return {" ".join(words(text)) for text in texts}


def fillers(split: str, slots: tuple[str, ...] | None = None) -> set[str]:
    """The fillers without slots in them; the others differ if these do."""
    table = read_grammar(split).slots
    chosen = [table[slot] for slot in (table if slots is None else slots)]
    return {" ".join(words(text)) for group in chosen for text in group if "{" not in text}


#: Grammars that are read for training, with those that are not.
APART = [*itertools.combinations(SPLITS, 2), ("forms", "development"), ("forms", "held_out")]


@pytest.mark.parametrize(("one", "other"), APART)
def test_splits_share_no_template_filler_or_polite_phrase(one: str, other: str) -> None:
    assert not templates(one) & templates(other)
    assert not fillers(one) & fillers(other)
    for name in ("prefixes", "suffixes"):
        assert not set(getattr(read_grammar(one), name)) & set(getattr(read_grammar(other), name))


@pytest.mark.parametrize("share", [0.1, pytest.param(1.0, marks=pytest.mark.slow)])
def test_training_never_reads_a_held_out_filler(share: float) -> None:
    per_intent = int(share * demo.TRAINING_PER_INTENT)
    read = sentences("training", per_intent=per_intent, noisy=True)
    read += sentences("training", per_intent=per_intent)
    texts = [sentence.text for sentence in read]
    per_intent = int(share * demo_slots.TRAINING_PER_INTENT)
    tagged = tagged_sentences("training", per_intent=per_intent, noisy=True)
    texts += [" ".join(sentence.words) for sentence in tagged]
    text = " | ".join(" ".join(words(text)) for text in texts)
    seen = [filler for filler in fillers("held_out") if f" {filler} " in text]
    assert not seen


def test_names_places_and_things_of_the_held_out_set_are_new_word_by_word() -> None:
    ours = {word for filler in fillers("held_out", NOUNS) for word in words(filler)}
    known = {word for filler in fillers("training") for word in words(filler)}
    forms = (re.sub(r"\w*\{\w+\}\w*", "", form) for form in read_forms())
    known |= {word for form in forms for word in words(form)}
    assert not (ours - EVERYDAY) & known


def read_forms() -> list[str]:
    """The fillers of the grammar of forms, those with slots in them too, and its phrases."""
    forms = read_grammar("forms")
    return [
        text for table in (forms.slots, forms.phrases) for group in table.values() for text in group
    ]


def test_no_composed_template_is_one_of_another_split() -> None:
    grammar = broadened("training")
    reserved = templates("development") | templates("held_out")
    rng = random.Random(0)
    found = set[str]()
    for intent in INTENTS:
        for template in {*grammar.commands[intent], *grammar.sentences[intent]}:
            drawn = (composed(template, grammar, rng) for _ in range(100))
            found |= {" ".join(words(text)) for text in drawn}
    assert len(found) > 20_000
    assert not found & reserved
    parts = {slot for text in found for slot in re.findall(r"\{(\w+)\}", text)}
    assert not parts & set(grammar.phrases)


def test_a_composed_template_of_another_split_is_drawn_again() -> None:
    theirs = read_grammar("held_out").commands["make_call"][0]
    near = [theirs, f"now {theirs}", theirs.partition(" ")[2], theirs.replace("{name}", "him")]
    grammar = replace(read_grammar("held_out"), phrases={"part": [*near, "something else"]})
    drawn = {composed("{part}", grammar, random.Random(seed)) for seed in range(100)}
    assert drawn == {"something else"}


@pytest.mark.parametrize("kind", ["prefixes", "suffixes"])
def test_no_composed_polite_phrase_is_one_of_another_split(kind: str) -> None:
    forms = read_grammar("forms")

    def whole(text: str) -> Iterator[str]:
        """Each text that the parts can make; slots stay."""
        part = next((name for name in forms.phrases if f"{{{name}}}" in text), None)
        if part is None:
            yield " ".join(words(text))
        for option in forms.phrases.get(part or "", ()):
            yield from whole(text.replace(f"{{{part}}}", option, 1))

    ours = {text for phrase in getattr(forms, kind) for text in whole(phrase)}
    assert len(ours) > 1000
    for split in ("development", "held_out"):
        grammar = read_grammar(split)
        assert not ours & {" ".join(words(t)) for t in grammar.prefixes + grammar.suffixes}


def test_templates_of_forms_differ_from_the_held_out_ones_in_two_words_or_more() -> None:
    def steps(one: list[str], other: list[str]) -> int:
        """The number of words to add, remove or replace."""
        row = [*range(len(other) + 1)]
        for at, word in enumerate(one, 1):
            last, row[0] = row[0], at
            for to, theirs in enumerate(other, 1):
                last, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, last + (word != theirs))
        return row[-1]

    held_out = [text.split() for text in templates("held_out")]
    near = [
        (ours, theirs)
        for ours in (text.split() for text in templates("forms"))
        for theirs in held_out
        if abs(len(ours) - len(theirs)) < 2 and steps(ours, theirs) < 2
    ]
    assert not near


# Vocabulary ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer() -> SqueezeBertTokenizer:
    return SqueezeBertTokenizer.from_pretrained(demo_folder())


@given(st.text(string.ascii_letters + string.digits + string.punctuation + " ", max_size=80))
def test_the_vocabulary_spells_anything_in_ascii(
    tokenizer: SqueezeBertTokenizer, text: str
) -> None:
    if "[UNK]" not in text.upper():  # unless the text spells the token
        assert "[UNK]" not in tokenizer.tokenize(text)


@pytest.mark.parametrize(
    "text",
    ["Größe", "señor", "Ærø", "İstanbul", "łódź", "đường", "crème brûlée", "“so” – 5 €", "¿qué?"],
)
def test_the_vocabulary_spells_latin_letters(tokenizer: SqueezeBertTokenizer, text: str) -> None:
    assert "[UNK]" not in tokenizer.tokenize(text)


def test_the_recipe_makes_the_shipped_vocabulary(tokenizer: SqueezeBertTokenizer) -> None:
    texts = [s.text for s in sentences("training", per_intent=demo.VOCABULARY_PER_INTENT)]
    assert demo.vocabulary(texts) == tokenizer.get_vocab()


# The checkpoint -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return open_checkpoint("demo")


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("wake me at half past six", "set_alarm"),
        ("how long to the airport", "get_directions"),
        ("will it rain in Paris tomorrow", "check_weather"),
        ("how do you say cheese in French", "translate"),
        ("tell mum I'll be late", "send_message"),
    ],
)
def test_the_intents_of_common_requests(shipped: Checkpoint, text: str, intent: str) -> None:
    assert reference_pipeline(shipped)(text).label == intent


def test_transformers_reads_it_and_gives_the_same_logits(shipped: Checkpoint) -> None:
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(demo_folder()).eval()
    theirs_tokenizer = transformers.AutoTokenizer.from_pretrained(demo_folder())
    texts = [s.text for s in sentences("held_out", per_intent=5)] + shipped_texts()
    inputs = theirs_tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    assert (
        inputs["input_ids"].tolist()
        == (shipped.tokenizer(texts, padding=True, truncation=True)["input_ids"])
    )
    inputs = {name: rows[::4] for name, rows in inputs.items()}
    with torch.no_grad():
        difference = (shipped.model(**inputs).logits - theirs(**inputs).logits).abs().max()
    assert difference <= 1e-5
    assert theirs.config.id2label == dict(enumerate(INTENTS))


def test_the_held_out_accuracy_is_high_and_as_published(shipped: Checkpoint) -> None:
    held_out = sentences("held_out", per_intent=demo.HELD_OUT_PER_INTENT)
    results = demo.measure(reference_pipeline(shipped), held_out)
    print(f"held out: {results['right']} of {results['sentences']}, {results['accuracy']:.1%}")
    assert results["sentences"] >= 500
    assert results["accuracy"] >= LEAST_ACCURACY
    stated = json.loads((demo_folder() / "results.json").read_text(encoding="utf-8"))["held_out"]
    assert results == stated
    assert f"{results['accuracy']:.1%}" in (demo_folder() / "README.md").read_text(encoding="utf-8")


def test_the_model_card_is_that_of_the_shipped_results() -> None:
    results = json.loads((demo_folder() / "results.json").read_text(encoding="utf-8"))
    card = (demo_folder() / "README.md").read_text(encoding="utf-8")
    assert card == demo.model_card(results)


def test_the_folder_is_small_and_names_its_licence() -> None:
    files = {path.name: path.stat().st_size for path in demo_folder().iterdir()}
    assert set(files) == {
        *("config.json", "model.safetensors", "vocab.txt", "tokenizer.json"),
        *("tokenizer_config.json", "README.md", "results.json"),
    }
    assert sum(files.values()) <= MOST_BYTES
    config = json.loads((demo_folder() / "config.json").read_text(encoding="utf-8"))
    assert config["license"] == "apache-2.0"
    readme = (demo_folder() / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" in readme and "Apache-2.0" in readme


# The recipe ---------------------------------------------------------------------------------


def quick_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "TRAINING_PER_INTENT", 5)
    monkeypatch.setattr(demo, "VOCABULARY_PER_INTENT", 5)
    monkeypatch.setattr(demo, "HELD_OUT_PER_INTENT", 5)
    monkeypatch.setattr(demo, "TRAINING", replace(demo.TRAINING, epochs=1))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_recipe_writes_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_recipe(monkeypatch)
    for name in ("once", "again"):
        demo.make_demo(tmp_path / name)
    once, again = contents(tmp_path / "once"), contents(tmp_path / "again")
    assert once == again
    assert set(once) == {path.name for path in demo_folder().iterdir()}


def test_the_command_prints_the_accuracy_and_stores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick_recipe(monkeypatch)
    main(["demo", str(tmp_path)])
    held_out = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["held_out"]
    line = f"60 held-out sentences: accuracy {held_out['accuracy']:.3f}"
    assert capsys.readouterr().out.splitlines()[-1] == line


@pytest.mark.parametrize("words", [[], ["demo"], ["dem", "folder"]])
def test_the_command_needs_a_demo_and_a_folder(words: list[str]) -> None:
    with pytest.raises(
        SystemExit, match=r"usage: .*training.demos demo\|demo-slots\|demo-fill-mask F"
    ):
        main(words)


# The sentences that exports are verified with -----------------------------------------------


def test_the_verification_sentences_are_200_and_of_every_length() -> None:
    texts = shipped_texts()
    lengths = [len(text.split()) for text in texts]
    assert len(texts) == len(set(texts)) == 200
    assert all(text == text.strip() != "" for text in texts)
    assert min(lengths) == 1
    assert sum(length > 60 for length in lengths) >= 25
    assert max(lengths) <= 90


@pytest.mark.parametrize("letter", ["é", "ß", "ñ", "İ", "θ", "я", "明", "の", "다", "ا", "ר", "🎉"])
def test_the_verification_sentences_have_other_scripts(letter: str) -> None:
    assert any(letter in text for text in shipped_texts())
