"""Fuzzing: mutated files are either read, or rejected with a one-line error.

`make test` tries a few files, `make fuzz` many, also with atheris (coverage_fuzz.py).
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzzing
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from squeezebert_mobile.artifact import file_facts, read_golden
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.runtime import SqueezeBertTokenizer, check_golden, load_artifact

TEXT = "Play MUSIC at séven, [MASK] — 日本"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "added_tokens.json")

#: A target gets an empty folder; it returns a strategy of inputs and a function that reads one.
Target = tuple[st.SearchStrategy[Any], Callable[[Any], Any]]


@contextlib.contextmanager
def _restored(path: Path, content: bytes) -> Any:
    """Write `content` to `path` within the block."""
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(content)
    try:
        yield
    finally:
        path.unlink()
        if before is not None:
            path.write_bytes(before)


@contextlib.contextmanager
def _listed(artifact: Path, name: str, content: bytes) -> Any:
    """Write `content` to a file of an artifact within the block, and its checksum."""
    manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
    with _restored(artifact / name, content):
        manifest["files"][name] = file_facts(artifact / name).model_dump()
        with _restored(artifact / "manifest.json", json.dumps(manifest).encode()):
            yield


def _exported(folder: Path, task: str, **options: Any) -> Path:
    tiny.write_checkpoint(folder / "checkpoint", task=task)
    options = {"precision": "fp32", "texts": ["wake me at six", "play music"] * 4, **options}
    export_checkpoint(folder / "checkpoint", folder / "artifact", **options)
    return folder / "artifact"


def manifests(folder: Path) -> Target:
    """manifest.json: load the artifact and run it."""
    artifact = _exported(folder, "text-classification")
    document = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))

    def read(content: bytes) -> None:
        with _restored(artifact / "manifest.json", content), load_artifact(artifact) as model:
            model(TEXT)

    return fuzzing.mutated_json(document), read


def artifacts(folder: Path) -> Target:
    """Any file of an artifact, which its manifest lists as it is: load the artifact and run it."""
    artifact = _exported(folder, "question-answering")
    manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
    contents = {name: (artifact / name).read_bytes() for name in manifest["files"]}
    inputs = st.one_of(
        st.tuples(
            st.just(name),
            st.one_of(fuzzing.mutated_bytes(content), fuzzing.mutated_json(json.loads(content)))
            if name.endswith(".json")
            else fuzzing.mutated_bytes(content),
        )
        for name, content in contents.items()
    )

    def read(mutated: tuple[str, bytes]) -> None:
        name, content = mutated
        with _listed(artifact, name, content), load_artifact(artifact, threads=1) as model:
            check_golden(model.session, model.spec, read_golden(artifact))
            model(question="who?", context=TEXT)

    return inputs, read


def litert_models(folder: Path) -> Target:
    """model.tflite with the right checksum: load the artifact and run it."""
    artifact = _exported(folder, "fill-mask", format="litert", precision="int8")

    def read(content: bytes) -> None:
        with _listed(artifact, "model.tflite", content), load_artifact(artifact) as model:
            model(TEXT)

    return fuzzing.mutated_bytes((artifact / "model.tflite").read_bytes()), read


def goldens(folder: Path) -> Target:
    """golden.json: check the artifact, as `verify` does."""
    artifact = _exported(folder, "multiple-choice")
    document = json.loads((artifact / "golden.json").read_text(encoding="utf-8"))
    model = load_artifact(artifact)

    def read(content: bytes) -> None:
        with _restored(artifact / "golden.json", content):
            check_golden(model.session, model.spec, read_golden(artifact))

    return fuzzing.mutated_json(document), read


def configs(folder: Path) -> Target:
    """config.json: load the checkpoint."""
    tiny.write_checkpoint(folder, task="token-classification")
    document = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    def read(content: bytes) -> None:
        with _restored(folder / "config.json", content):
            open_checkpoint(folder)

    return fuzzing.mutated_json(document), read


def weights(folder: Path) -> Target:
    """model.safetensors: load the checkpoint."""
    tiny.write_checkpoint(folder, task="question-answering")
    data = (folder / "model.safetensors").read_bytes()

    def read(content: bytes) -> None:
        with _restored(folder / "model.safetensors", content):
            open_checkpoint(folder)

    return fuzzing.mutated_safetensors(data), read


def tokenizers(folder: Path) -> Target:
    """The tokenizer files: encode a text and decode the ids."""
    tiny.write_vocabulary(folder)
    (folder / "added_tokens.json").write_text('{"séven": 63}', encoding="utf-8")
    contents = {name: (folder / name).read_bytes() for name in TOKENIZER_FILES}
    inputs = st.one_of(
        st.tuples(
            st.just(name),
            fuzzing.mutated_json(json.loads(content))
            if name.endswith(".json")
            else fuzzing.mutated_bytes(content),
        )
        for name, content in contents.items()
    )

    def read(mutated: tuple[str, bytes]) -> None:
        name, content = mutated
        for other in TOKENIZER_FILES:
            (folder / other).write_bytes(content if other == name else contents[other])
        if name != "tokenizer.json":
            (folder / "tokenizer.json").unlink()  # which would be read instead of the others
        tokenizer = SqueezeBertTokenizer.from_pretrained(folder)
        ids = tokenizer(TEXT, truncation=True, max_length=8)["input_ids"]
        tokenizer.decode(ids)

    return inputs, read


TARGETS = {
    target.__name__: target
    for target in (manifests, artifacts, litert_models, goldens, configs, weights, tokenizers)
}


def _times(name: str) -> int:
    """How many times as many inputs `make fuzz` tries."""
    is_long = settings().max_examples == settings.get_profile("fuzz").max_examples
    return 5 if is_long and name == "artifacts" else 1


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_files(name: str, tmp_path: Path) -> None:
    outcomes = {True: 0, False: 0}
    inputs, read = TARGETS[name](tmp_path)

    @settings(max_examples=settings().max_examples * _times(name))
    @given(inputs)
    def reads_or_rejects(content: Any) -> None:
        outcomes[fuzzing.attempt(tmp_path, lambda: read(content))] += 1

    reads_or_rejects()
    print(f"{name}: {outcomes[True]} read, {outcomes[False]} rejected")
    assert outcomes[True] and outcomes[False]  # some mutations must be small enough to be read
