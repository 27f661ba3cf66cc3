"""Sentence vectors as a folder of sentence-transformers says; the oracle is its rule in torch."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_folder
import tiny
import torch
from sentence_folder import MODES, PROMPTS, pooled, their_hidden, write_modules

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import CheckpointError, ExportError, InputError
from squeezebert_mobile.export import export_checkpoint, inspect_checkpoint
from squeezebert_mobile.models.checkpoint import open_checkpoint, shipped_texts
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.runtime.tasks.similarity import similarities

TEXT = "play a song, stop the music"
LONG = "the cat sat on the mat at night " * 6  # 50 tokens
FLAGS = {
    f"pooling_mode_{name}": False
    for name in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
}
WIDTH = {"word_embedding_dimension": 24}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    tiny.write_checkpoint(folder, "bert")
    return folder


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "checkpoint"))


def _ours(folder: Path, text: str = TEXT, **options: Any) -> Any:
    return reference_pipeline(open_checkpoint(folder))(text, **options)


def _assert_close(ours: Any, theirs: torch.Tensor) -> None:
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def _unit(vector: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vector, dim=0)


CONFIGS = [
    *(({"pooling_mode": mode, "embedding_dimension": 24}, [mode]) for mode in MODES),
    ({"pooling_mode": ["max", "cls"], "embedding_dimension": 24}, ["max", "cls"]),
    (WIDTH | FLAGS | {"pooling_mode_cls_token": True}, ["cls"]),
    (WIDTH | FLAGS | {"pooling_mode_max_tokens": True}, ["max"]),
    (WIDTH | FLAGS | {"pooling_mode_mean_sqrt_len_tokens": True}, ["mean_sqrt_len_tokens"]),
    (WIDTH | FLAGS | {"pooling_mode_weightedmean_tokens": True}, ["weightedmean"]),
    (WIDTH | FLAGS | {"pooling_mode_lasttoken": True}, ["lasttoken"]),
    # They are concatenated in the order of the library's code, not in that of the file.
    (
        FLAGS | {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        ["cls", "mean"],
    ),
    (
        WIDTH | {"pooling_mode_lasttoken": True, "pooling_mode_max_tokens": True},
        ["max", "lasttoken"],
    ),
    (WIDTH | FLAGS, ["mean"]),
    (WIDTH, ["mean"]),
]


@pytest.mark.parametrize(
    ("config", "modes", "normalize"),
    [(*case, number % 2 == 0) for number, case in enumerate(CONFIGS)]
    + [(*case, number % 2 == 1) for number, case in enumerate(CONFIGS[:4])],
)
def test_pooling_and_normalizing(
    folder: Path, plain: Path, config: dict[str, Any], modes: list[str], normalize: bool
) -> None:
    kinds = ("Transformer", "Pooling", "Normalize") if normalize else ("Transformer", "Pooling")
    write_modules(folder, config, kinds=kinds)
    hidden = their_hidden(plain, TEXT)
    want = torch.cat([pooled(hidden, mode) for mode in modes])
    result = _ours(folder)
    _assert_close(result.sentence, _unit(want) if normalize else want)
    assert result.sentence.dtype == np.float32


def test_padding_is_not_pooled(folder: Path, plain: Path) -> None:
    write_modules(folder, {"pooling_mode": list(MODES)})
    texts = [TEXT, "wake me", LONG]
    for text, result in zip(texts, _ours(folder, texts), strict=True):
        hidden = their_hidden(plain, text)
        _assert_close(result.sentence, _unit(torch.cat([pooled(hidden, mode) for mode in MODES])))


@pytest.mark.parametrize(
    ("kinds", "package"),
    [
        (("BERT", "Pooling", "Normalize"), "sentence_transformers.models"),
        (("Transformer", "Pooling", "Dropout", "Normalize"), "sentence_transformers.models"),
        (
            ("Transformer", "Pooling", "Normalize"),
            "sentence_transformers.sentence_transformer.modules.any",
        ),
    ],
)
def test_names_of_the_modules(
    folder: Path, plain: Path, kinds: tuple[str, ...], package: str
) -> None:
    write_modules(folder, {"pooling_mode": "max"}, kinds=kinds, package=package)
    _assert_close(_ours(folder).sentence, _unit(pooled(their_hidden(plain, TEXT), "max")))


def test_without_modules_it_is_the_normalized_mean(folder: Path, plain: Path) -> None:
    assert open_checkpoint(folder).sentences.vector is None
    _assert_close(_ours(folder).sentence, _unit(pooled(their_hidden(plain, TEXT), "mean")))


@pytest.mark.parametrize("length", [3, 7, 16, None, 512])
def test_the_longest_input(folder: Path, plain: Path, length: int | None) -> None:
    lengths = {"max_seq_length": length, "do_lower_case": False}
    write_modules(folder, {"pooling_mode": "mean"}, lengths=lengths)
    result = _ours(folder, LONG)
    _assert_close(result.sentence, _unit(pooled(their_hidden(plain, LONG, length), "mean")))
    assert result.to_dict()["truncated"]
    assert result.tokens_cut == 50 - min(length or 40, 40)


@pytest.mark.parametrize(("name", "default"), [(None, "long"), ("query", None), ("query", "long")])
@pytest.mark.parametrize("include", [True, False])
def test_prompts(
    folder: Path, plain: Path, name: str | None, default: str | None, include: bool
) -> None:
    write_modules(
        folder,
        {"pooling_mode": list(MODES), "include_prompt": include},
        kinds=("Transformer", "Pooling"),
        prompts={"prompts": PROMPTS, "default_prompt_name": default},
    )
    prompt = PROMPTS[name or str(default)]
    hidden = their_hidden(plain, prompt + TEXT)
    skipped = 0 if include else len(their_hidden(plain, prompt)) - 1
    result = _ours(folder, prompt_name=name)
    _assert_close(result.sentence, torch.cat([pooled(hidden, mode, skipped) for mode in MODES]))


def test_an_empty_prompt(folder: Path, plain: Path) -> None:
    """Version 5 of sentence-transformers saves a query and a document without a prompt."""
    prompts = {"query": None, "document": ""}
    write_modules(folder, {"pooling_mode": "mean"}, prompts={"prompts": prompts})
    want = _unit(pooled(their_hidden(plain, TEXT), "mean"))
    for name in (None, "query", "document"):
        _assert_close(_ours(folder, prompt_name=name).sentence, want)


def test_unknown_prompts_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="the model has no prompts; leave out the prompt name 'q"):
        _ours(folder, prompt_name="query")
    write_modules(folder, {"pooling_mode": "cls"}, prompts={"prompts": PROMPTS})
    with pytest.raises(InputError, match="unknown prompt name 'querry'; did you mean 'query'"):
        _ours(folder, prompt_name="querry")


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_an_artifact_keeps_it(tmp_path: Path, family: str) -> None:
    folder, target = tmp_path / "checkpoint", tmp_path / "artifact"
    tiny.write_checkpoint(folder, family)
    write_modules(
        folder,
        {"pooling_mode": ["cls", "max"]},
        lengths={"max_seq_length": 16},
        prompts={"prompts": PROMPTS, "default_prompt_name": "query"},
    )
    texts = shipped_texts()[::8]
    manifest = export_checkpoint(folder, target, precision="fp32", texts=texts)
    assert manifest == read_manifest(target)
    assert manifest.max_sequence_length == 16
    written = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert written["sentence_vector"] == {
        "pooling": ["cls", "max"],
        "normalize": True,
        "prompts": PROMPTS,
        "default_prompt": "query",
        "include_prompt": True,
        "similarity": "cosine",
    }
    hidden = their_hidden(folder, PROMPTS["query"] + LONG, 16)
    with load_artifact(target, threads=1) as model:
        result = model(LONG)
        _assert_close(result.sentence, _unit(torch.cat([hidden[0], hidden.max(dim=0).values])))
        assert result.to_dict()["truncated"]


def test_a_longer_input_may_be_chosen(folder: Path, tmp_path: Path) -> None:
    write_modules(folder, {"pooling_mode": "mean"}, lengths={"max_seq_length": 16})
    options: dict[str, Any] = {"precision": "fp32", "texts": shipped_texts()[::8]}
    manifest = export_checkpoint(folder, tmp_path / "a", max_sequence_length=32, **options)
    assert manifest.max_sequence_length == 32


def test_an_input_too_short_to_export(folder: Path, tmp_path: Path) -> None:
    write_modules(folder, {"pooling_mode": "mean"}, lengths={"max_seq_length": 5})
    options: dict[str, Any] = {"precision": "fp32", "texts": shipped_texts()[::8]}
    message = "max_seq_length in sentence_bert_config.json is 5; an export needs at least 8, .*"
    with pytest.raises(ExportError, match=message + "give --max-sequence-length 8 or more"):
        export_checkpoint(folder, tmp_path / "a", **options)
    assert not (tmp_path / "a").exists()
    manifest = export_checkpoint(folder, tmp_path / "a", max_sequence_length=8, **options)
    assert manifest.max_sequence_length == 8


def test_manifests_without_modules_do_not_change(folder: Path, tmp_path: Path) -> None:
    manifest = export_checkpoint(
        folder, tmp_path / "a", precision="fp32", texts=shipped_texts()[::8]
    )
    assert manifest.max_sequence_length == 40
    assert "sentence_vector" not in (tmp_path / "a" / "manifest.json").read_text(encoding="utf-8")


def test_other_tasks_do_not_read_the_modules(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "bert", "text-classification")
    write_modules(tmp_path, None, kinds=("Transformer", "Dense"), lengths={"max_seq_length": 16})
    source = open_checkpoint(tmp_path)
    assert source.sentences.vector is None
    assert source.default_sequence_length == 40


MEAN = {"pooling_mode": "mean"}


def test_a_longest_input_above_that_of_the_tokenizer(folder: Path, plain: Path) -> None:
    """sentence-transformers sets the tokenizer's model_max_length to it."""
    config = {"do_lower_case": True, "model_max_length": 10}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    assert open_checkpoint(folder).default_sequence_length == 10
    write_modules(folder, MEAN, lengths={"max_seq_length": 20})
    assert open_checkpoint(folder).default_sequence_length == 20
    _assert_close(
        _ours(folder, LONG).sentence, _unit(pooled(their_hidden(plain, LONG, 20), "mean"))
    )
    assert inspect_checkpoint(folder).max_sequence_length == 20


@pytest.mark.parametrize(
    ("name", "function"),
    [("dot", "dot"), ("euclidean", "euclidean"), ("cosine", "cosine"), (None, "cosine")],
)
def test_the_similarity(folder: Path, name: str | None, function: str) -> None:
    write_modules(folder, MEAN, prompts={"similarity_fn_name": name})
    vector = open_checkpoint(folder).sentences.vector
    assert vector and vector.similarity == function


# Layouts ------------------------------------------------------------------------------------


def _older(folder: Path, name: str = "0_Transformer") -> Path:
    """Move the encoder of `folder` to a subfolder, as versions before 2.0 saved it."""
    inner = folder / name
    inner.mkdir()
    outside = {"modules.json", "config_sentence_transformers.json"}
    for path in list(folder.iterdir()):
        if path.is_file() and path.name not in outside:
            path.rename(inner / path.name)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[0]["path"] = name
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    return inner


@pytest.mark.parametrize(("name", "kind"), [("0_Transformer", "Transformer"), ("0_BERT", "BERT")])
@pytest.mark.parametrize("given", ["root", "inner"])
def test_the_encoder_in_a_subfolder(
    folder: Path, plain: Path, name: str, kind: str, given: str
) -> None:
    write_modules(
        folder,
        {"pooling_mode": "cls"},
        kinds=(kind, "Pooling"),
        lengths={"max_seq_length": 16},
        prompts={"prompts": PROMPTS},
    )
    inner = _older(folder, name)
    path = folder if given == "root" else inner
    assert open_checkpoint(path).name == path.name
    assert open_checkpoint(path).default_sequence_length == 16
    want = their_hidden(plain, PROMPTS["query"] + LONG, 16)[0]
    _assert_close(_ours(path, LONG, prompt_name="query").sentence, want)
    facts = inspect_checkpoint(path)
    assert facts.max_sequence_length == 16
    assert facts.sentence_vector and facts.sentence_vector.pooling == ("cls",)


def test_a_folder_below_other_modules(folder: Path, plain: Path) -> None:
    write_modules(folder, {"pooling_mode": "cls"})
    inner = _older(folder, "other")
    for text in ('[{"path": "0_Transformer"}]', "{", "{}", "[]", '[{"path": 3}]'):
        (folder / "modules.json").write_text(text, encoding="utf-8")
        _assert_close(_ours(inner).sentence, _unit(pooled(their_hidden(plain, TEXT), "mean")))


def test_the_subfolder_is_missing(folder: Path) -> None:
    write_modules(folder, MEAN)
    shutil.rmtree(_older(folder))
    message = "has no config.json, nor has its folder '0_Transformer', which modules.json names; "
    for read in (open_checkpoint, inspect_checkpoint):
        with pytest.raises(CheckpointError, match=message):
            read(folder)


@pytest.mark.parametrize(
    "text", ["{", "[]", '[{"path": ""}]', '[{"path": "../x"}]', '[{"path": "/"}]', '[{"path": 3}]']
)
def test_modules_without_an_encoder(tmp_path: Path, text: str) -> None:
    (tmp_path / "modules.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match="is not a checkpoint: it has no config.json"):
        open_checkpoint(tmp_path)


def test_modules_beside_another_encoder(folder: Path, plain: Path) -> None:
    write_modules(folder, MEAN)
    inner = _older(folder)
    for path in list(inner.iterdir()):
        shutil.copy(path, folder)
    message = "has its Transformer in '.*0_Transformer'; give that folder, or for the normalized"
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(folder)
    _assert_close(_ours(inner).sentence, _unit(pooled(their_hidden(plain, TEXT), "mean")))


# inspect ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "longest"), [(16, 16), (512, 40), (None, 40)])
def test_inspect_has_the_longest_input_that_is_used(
    folder: Path, length: int | None, longest: int
) -> None:
    write_modules(folder, MEAN, lengths={"max_seq_length": length})
    assert inspect_checkpoint(folder).max_sequence_length == longest


def test_inspect_notes_what_an_export_refuses(folder: Path) -> None:
    write_modules(folder, MEAN, kinds=("Transformer", "Pooling", "Dense"))
    facts = inspect_checkpoint(folder)
    assert facts.sentence_vector is None
    (note,) = facts.notes
    assert note.startswith("an export is refused: ") and "Pooling, Dense; exported are" in note


# Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"kinds": ("Transformer", "Pooling", "Dense")},
            "has the modules Transformer, Pooling, Dense; exported are Transformer, Pooling and, "
            "after them, Normalize; for the normalized mean over all tokens, export a copy without "
            "modules.json",
        ),
        ({"kinds": ("Transformer", "Normalize", "Pooling")}, "Transformer, Normalize, Pooling;"),
        ({"kinds": ("Transformer",)}, "has the modules Transformer; exported are"),
        ({"kinds": ("StaticEmbedding", "Pooling")}, "has the modules StaticEmbedding, Pooling;"),
        ({"pooling": None}, "the Pooling module has no '.*config.json'; copy the checkpoint with"),
        ({"pooling": {"pooling_mode": "men"}}, "unknown pooling_mode 'men'; did you mean 'mean'"),
        ({"pooling": {"pooling_mode": 3}}, "pooling_mode 3; it must be a mode or a list"),
        ({"pooling": {"pooling_mode": []}}, "pooling_mode \\[\\]; it must be a mode or a list"),
        (
            {"pooling": {"pooling_mode_cls_token": "yes"}},
            "pooling_mode_cls_token in '.*' is 'yes'; it must be true or false",
        ),
        (
            {"prompts": {"similarity_fn_name": "cosin"}},
            "has an unknown similarity_fn_name 'cosin'; did you mean 'cosine'",
        ),
        (
            {"prompts": {"truncate_dim": 12}},
            "has the truncate_dim 12, which is not exported; remove it there, and keep the first",
        ),
        ({"lengths": {"max_seq_length": 2}}, "max_seq_length in '.*' is 2; it must be a number of"),
        ({"lengths": {"max_seq_length": "16"}}, "max_seq_length in '.*' is '16'; it must be a num"),
        ({"lengths": {"max_seq_length": True}}, "max_seq_length in '.*' is True; it must be a num"),
        ({"prompts": {"prompts": ["query"]}}, "it must be a map from names to texts"),
        (
            {"prompts": {"prompts": {"q": "x"}, "default_prompt_name": "z"}},
            "default_prompt_name 'z', which is not among its prompts: q",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused(
    folder: Path, written: dict[str, Any], message: str
) -> None:
    write_modules(folder, **({"pooling": MEAN} | written))
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "modules.json' cannot be read as JSON"),
        ("{}", "modules.json' must hold a list, not {}"),
        ("[3]", "modules.json' lists 3; each module must have a 'type' and a 'path'"),
        ('[{"type": "a.Pooling", "path": "../x"}]', "has the path '../x' outside its folder"),
    ],
)
def test_damaged_modules_are_refused(folder: Path, text: str, message: str) -> None:
    (folder / "modules.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    "name", ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"]
)
def test_files_that_are_not_regular(folder: Path, name: str) -> None:
    write_modules(folder, MEAN)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    message = f"{name}' cannot be read: it is a named pipe, not a regular file"
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(folder)


def test_lower_case_before_a_tokenizer_that_keeps_capitals(folder: Path) -> None:
    write_modules(folder, MEAN, lengths={"do_lower_case": True})
    assert open_checkpoint(folder).sentences.lower_case
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="set it in tokenizer_config.json too"):
        open_checkpoint(folder)


def test_the_results_that_kotlin_reads_are_up_to_date() -> None:
    written = json.loads(sentence_folder.GOLDEN.read_text(encoding="utf-8"))
    now = sentence_folder.golden()
    assert len(written) == len(now)
    for old, new in zip(written, now, strict=True):
        assert old["sentence_vector"] == json.loads(json.dumps(new["sentence_vector"]))
        assert old["call"] == new["call"]
        np.testing.assert_allclose(old["result"]["sentence"], new["result"]["sentence"], atol=0.05)
        assert old["similarities"].keys() == new["similarities"].keys()
        vector = np.array(old["result"]["sentence"], np.float32)
        for name, value in old["similarities"].items():
            ours = similarities(name, vector[None], vector[None, ::-1]).item()
            assert ours == pytest.approx(value, abs=1e-5)
