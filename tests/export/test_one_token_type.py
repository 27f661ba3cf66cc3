"""Pairs whose texts have the same type: by a type_vocab_size of 1, or by the tokenizer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import transformers

from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import open_checkpoint, shipped_texts
from squeezebert_mobile.runtime import SqueezeBertTokenizer, load_artifact
from squeezebert_mobile.tasks import INPUT_NAMES

TEXTS = shipped_texts()[::20]
PAIRS = [("play a song", "it is cold"), ("weather", "how long is the past?"), ("cat", "yes")]
TASKS = ("text-classification", "multiple-choice", "question-answering", "feature-extraction")


def _feed(folder: Path, task: str) -> dict[str, np.ndarray]:
    """The pairs as the tokenizer encodes them, with types 1."""
    tokenizer = transformers.BertTokenizerFast.from_pretrained(folder)
    firsts, seconds = (list(texts) for texts in zip(*PAIRS, strict=True))
    encoded = tokenizer(firsts, seconds, padding=True, return_tensors="np")
    feed = {name: encoded[name].astype(np.int64) for name in INPUT_NAMES}
    assert feed["token_type_ids"].max() == 1
    return {name: array[None] for name, array in feed.items()} if "choice" in task else feed


def _outputs(theirs: Any, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of transformers, with types 0."""
    tensors = {name: torch.from_numpy(array) for name, array in feed.items()}
    tensors["token_type_ids"] = torch.zeros_like(tensors["token_type_ids"])
    with torch.no_grad():
        return {name: value.numpy() for name, value in theirs(**tensors).items()}


def _assert_same(
    ours: dict[str, Any], theirs: dict[str, np.ndarray], feed: dict[str, np.ndarray], limit: float
) -> None:
    real = feed["attention_mask"].astype(bool)
    for name, value in ours.items():
        want, value = theirs[name], np.asarray(value)
        if want.shape[: real.ndim] == real.shape:  # outputs at padding do not count
            want, value = want[real], value[real]
        assert np.abs(value - want).max() <= limit, name


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("task", TASKS)
def test_the_torch_model(task: str, family: str, tmp_path: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path / "one", family, task, type_vocab_size=1)
    feed = _feed(tmp_path / "one", task)
    model = open_checkpoint(tmp_path / "one", task=task).model
    with torch.no_grad():
        out = model(*(torch.from_numpy(feed[name]) for name in INPUT_NAMES))
    want = _outputs(theirs, feed)
    names = [name for name in want if getattr(out, name, None) is not None]
    _assert_same({name: getattr(out, name) for name in names}, want, feed, 1e-4)


@pytest.mark.parametrize(
    ("task", "format", "precision", "limit"),
    [
        *((task, "onnx", "fp32", 1e-4) for task in TASKS),
        ("question-answering", "onnx", "int8", 0.2),
        pytest.param("question-answering", "executorch", "int8", 0.2, marks=pytest.mark.executorch),
        ("text-classification", "torchscript", "fp32", 1e-4),
    ],
)
def test_artifacts(task: str, format: str, precision: str, limit: float, tmp_path: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path / "one", task=task, type_vocab_size=1)
    export_checkpoint(
        tmp_path / "one", tmp_path / "out", format=format, precision=precision, texts=TEXTS
    )
    model: Any = load_artifact(tmp_path / "out")
    feed = _feed(tmp_path / "one", task)
    _assert_same(model.session.run(feed), _outputs(theirs, feed), feed, limit)
    if task == "question-answering":
        assert model(question="how long?", context="it is one small minute").answer
    elif task == "multiple-choice":
        assert model("a song", choices=["music", "weather"]).choice
    else:
        assert model(PAIRS)


def test_a_tokenizer_without_token_types(tmp_path: Path) -> None:
    """It goes with such a model; with others it is refused."""
    theirs = tiny.write_checkpoint(tmp_path / "one", task="text-classification", type_vocab_size=1)
    settings = {"model_input_names": ["input_ids", "attention_mask"]}
    (tmp_path / "one/tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    export_checkpoint(tmp_path / "one", tmp_path / "out", precision="fp32", texts=TEXTS)
    model: Any = load_artifact(tmp_path / "out")
    pipeline = transformers.TextClassificationPipeline(
        model=theirs, tokenizer=transformers.AutoTokenizer.from_pretrained(tmp_path / "one")
    )
    for pair in PAIRS:
        want = pipeline({"text": pair[0], "text_pair": pair[1]})
        found = model(*pair)
        assert (found.label, found.score) == (want["label"], pytest.approx(want["score"], abs=1e-5))


def _described_by_json(folder: Path, file: str, **settings: Any) -> None:
    """Name another tokenizer class in `file`, and add `settings` to tokenizer_config.json."""
    named = {"tokenizer_config.json": settings, "config.json": {}}
    for name, changes in named.items():
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        content = {key: value for key, value in content.items() if key != "tokenizer_class"}
        if name == file:
            changes = {"tokenizer_class": "PreTrainedTokenizerFast", **changes}
        (folder / name).write_text(json.dumps(content | changes), encoding="utf-8")


WITH_TYPES = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
CASES: list[tuple[str, str, dict[str, Any], bool]] = [
    ("squeezebert", "tokenizer_config.json", {}, False),
    ("bert", "tokenizer_config.json", {}, False),
    ("squeezebert", "config.json", {}, False),
    ("bert", "tokenizer_config.json", {"tokenizer_class": "TokenizersBackend"}, False),
    ("squeezebert", "tokenizer_config.json", WITH_TYPES, True),
    ("bert", "neither", {}, True),
]


@pytest.mark.parametrize(("family", "file", "settings", "has_types"), CASES)
def test_pairs_of_a_tokenizer_class_other_than_berts(
    family: str, file: str, settings: dict[str, Any], has_types: bool, tmp_path: Path
) -> None:
    """transformers 5 gives them no token types, unless model_input_names asks for them."""
    source, out = tmp_path / "in", tmp_path / "out"
    theirs = tiny.write_checkpoint(source, family, "text-classification")
    _described_by_json(source, file, **settings)
    notes: list[str] = []
    export_checkpoint(source, out, precision="fp32", texts=TEXTS, note=notes.append)
    assert [note.partition(",")[0] for note in notes] == (
        [] if has_types else ["both texts of a pair have token type 0"]
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    assert ("token_type_ids" in tokenizer(*PAIRS[0])) == has_types
    ours = SqueezeBertTokenizer.from_pretrained(source)(*PAIRS[0])
    assert (max(ours["token_type_ids"]) == 1) == has_types
    pipeline = transformers.TextClassificationPipeline(model=theirs, tokenizer=tokenizer)
    model: Any = load_artifact(out)
    for pair in PAIRS:
        want = pipeline({"text": pair[0], "text_pair": pair[1]})
        found = model(*pair)
        assert (found.label, found.score) == (want["label"], pytest.approx(want["score"], abs=1e-5))


@pytest.mark.parametrize("task", TASKS)
def test_artifacts_of_a_tokenizer_without_token_types(task: str, tmp_path: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path / "in", task=task)
    feed = _feed(tmp_path / "in", task)
    _described_by_json(tmp_path / "in", "tokenizer_config.json")
    export_checkpoint(tmp_path / "in", tmp_path / "out", precision="fp32", texts=TEXTS)
    model: Any = load_artifact(tmp_path / "out")
    _assert_same(model.session.run(feed), _outputs(theirs, feed), feed, 1e-4)
