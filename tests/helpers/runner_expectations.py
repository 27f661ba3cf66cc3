"""What Python computes, for the Kotlin tests to compute again.

    python tests/helpers/runner_expectations.py FOLDER

writes into FOLDER: `artifacts/`, tiny ones of every task and precision, and the demo;
`answers.json`, what the pipelines answer, with the outputs of the model that they read;
`damaged.json`, manifests and golden files with one thing changed, and whether Python accepts them;
and the tokenizer's random texts.

Nothing is done where FOLDER is newer than the Python sources.
"""

import copy
import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import artifacts
import numpy as np
import tiny
import wordpiece_vectors
from pydantic import BaseModel, ValidationError

from squeezebert_mobile.artifact import Golden, Manifest
from squeezebert_mobile.cli import app
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.checkpoint import shipped_texts
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.tasks import TASKS

ROOT = Path(__file__).parents[2]
#: The file that is written last.
DONE = "done"

LONG = artifacts.TEXTS[4]
_TEXT_CALLS: list[dict[str, Any]] = [{"texts": text} for text in artifacts.TEXTS]
_PAIR_CALLS: list[dict[str, Any]] = [
    {"texts": {"text": text, "text_pair": pair}}
    for text, pair in zip(artifacts.TEXTS, reversed(artifacts.TEXTS), strict=True)
]

CALLS: dict[str, list[dict[str, Any]]] = {
    "feature-extraction": [
        {**call, "token_vectors": True} for call in [*_TEXT_CALLS, *_PAIR_CALLS[:2]]
    ],
    "fill-mask": [
        {"texts": "what [MASK] is it, Dog?"},
        {"texts": "what [MASK] is it [MASK] [MASK]", "top_k": 2},
        {"texts": "the [MASK] sat", "top_k": None},
        {"texts": "the [MASK] sat on the cátS", "targets": ["cats", "dog", "mat", "unknownword"]},
        {"texts": f"[MASK] {LONG}", "top_k": 1},
    ],
    "text-classification": [
        *_TEXT_CALLS,
        *_PAIR_CALLS,
        {"texts": LONG, "top_k": None},
        {"texts": LONG, "top_k": 3, "function_to_apply": "sigmoid"},
        {"texts": LONG, "top_k": 2, "function_to_apply": "none"},
    ],
    "multiple-choice": [
        {"texts": artifacts.TEXTS[0], "choices": ["yes", "no at night", LONG]},
        {"texts": LONG, "choices": [LONG, "a"]},
    ],
    "token-classification": [
        {**call, "aggregation_strategy": strategy, "ignore_labels": ignored}
        for call in _TEXT_CALLS
        for strategy, ignored in (
            ("none", ["O"]),
            ("simple", []),
            ("first", ["O", "LOC"]),
            ("average", []),
            ("max", []),
        )
    ],
    "question-answering": [
        {"question": artifacts.TEXTS[0], "context": LONG * 3, "top_k": 3},
        {"question": "music?", "context": artifacts.TEXTS[3], "top_k": None, "max_answer_len": 3},
        {"question": LONG * 2, "context": LONG, "top_k": 5, "handle_impossible_answer": True},
        {"question": "how", "context": LONG * 2, "top_k": 4, "max_seq_len": 9, "doc_stride": 2},
        {"question": "how", "context": "日 \u0301 unknownword. a cat", "top_k": None},
    ],
}


def write(folder: Path) -> None:
    """Write everything."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in export_all(folder):
        print(f"exported {name}", flush=True)
    _write_json(folder / "answers.json", list(_answers(folder / "artifacts")))
    _write_json(folder / "damaged.json", list(_damaged(folder / "artifacts" / "demo")))
    print("answers and damaged files written; random texts", flush=True)
    wordpiece_vectors.write_random(folder / "random.jsonl")
    (folder / DONE).touch()


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data), encoding="ascii")


# Artifacts ----------------------------------------------------------------------------------


def export_all(folder: Path) -> Iterator[str]:
    """One tiny artifact a task, one of a fixed length, one a precision, and the demo."""
    target = folder / "artifacts"
    target.mkdir()
    for task in TASKS:
        _export(folder, task, target / task)
        yield task
    _export(folder, "text-classification", target / "fixed", sequence_length=12)
    yield "fixed"
    for precision in ("fp32", "fp16", "int4"):
        _export(folder, "text-classification", target / precision, precision=precision)
        yield precision
    texts = folder / "texts.txt"
    texts.write_text("\n".join(shipped_texts()[::8]), encoding="utf-8")
    command = ["export", "demo", "-o", str(target / "demo"), "--texts", str(texts)]
    app(command, standalone_mode=False)
    yield "demo"


def _export(folder: Path, task: str, target: Path, **options: Any) -> None:
    labels = artifacts.LABELS if "classification" in task else ()
    changes = {"num_labels": len(labels), "id2label": dict(enumerate(labels))} if labels else {}
    checkpoint = folder / "checkpoint"
    tiny.write_checkpoint(checkpoint, "squeezebert", task, **changes)
    export_checkpoint(checkpoint, target, task=task, **options)
    shutil.rmtree(checkpoint)


# Answers ------------------------------------------------------------------------------------


class _Recorder:
    """A session that keeps what went in and what came out."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.runs: list[dict[str, Any]] = []

    def run(self, feed: Mapping[str, Any]) -> Any:
        outputs = self._session.run(feed)
        self.runs.append(
            {
                "inputs": {name: np.ravel(array).tolist() for name, array in feed.items()},
                "shape": list(np.shape(feed["input_ids"])),
                "outputs": {
                    name: {"shape": list(array.shape), "values": array.ravel().tolist()}
                    for name, array in outputs.items()
                },
            }
        )
        return outputs


def _answers(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.iterdir()):
        pipeline = load_artifact(path, threads=1)
        for call in CALLS[pipeline.manifest.task]:
            recorder = _Recorder(pipeline.session)
            answer = dataclasses.replace(pipeline, session=recorder)(**call, batch_size=1)
            yield {
                "artifact": path.name,
                "task": pipeline.manifest.task,
                "call": call,
                "result": answer.to_dict(),
                "runs": recorder.runs,
            }


# Damaged files ------------------------------------------------------------------------------

#: What is put in the place of a value. No number in a text and no truth value: pydantic makes
#: numbers of them, the Kotlin reader does not.
_WRONG: tuple[Any, ...] = (None, -1, 1.5, "x", [], {}, ["x"], {"x": 1})


def _damaged(folder: Path) -> Iterator[dict[str, Any]]:
    models: dict[str, type[BaseModel]] = {"manifest.json": Manifest, "golden.json": Golden}
    for name, model in models.items():
        sound = json.loads((folder / name).read_text(encoding="utf-8"))
        if name == "golden.json":
            sound["texts"] = sound["texts"][:1]
            for key in ("input_ids", "attention_mask", "token_type_ids"):
                sound["texts"][0][key] = [sound["texts"][0][key][0][:2]]
            for output in sound["texts"][0]["outputs"].values():
                output["indices"], output["values"] = output["indices"][:2], output["values"][:2]
        for data in [sound, *_variations(sound)]:
            text = json.dumps(data)
            try:
                model.model_validate_json(text)
            except ValidationError:
                accepted = False
            else:
                accepted = data.get("schema_version") == 1
            yield {"file": name, "text": text, "accepted": accepted}


def _variations(sound: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in _paths(sound):
        for wrong in _WRONG:
            data = copy.deepcopy(sound)
            _at(data, path[:-1])[path[-1]] = wrong
            yield data
        data = copy.deepcopy(sound)
        del _at(data, path[:-1])[path[-1]]
        yield data
        if isinstance(_at(sound, path), dict):
            data = copy.deepcopy(sound)
            _at(data, path)["unknown"] = 1
            yield data


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        yield (key,)
        if isinstance(each, dict | list):
            yield from ((key, *path) for path in _paths(each))


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


# Only what changed --------------------------------------------------------------------------


def is_fresh(folder: Path) -> bool:
    """Whether everything was written after the last change to a Python source."""
    done = folder / DONE
    sources = (
        path
        for part in ("src", "runtime", "export", "tests/helpers")
        for path in (ROOT / part).rglob("*.py")
    )
    return done.exists() and all(path.stat().st_mtime < done.stat().st_mtime for path in sources)


if __name__ == "__main__":
    if not is_fresh(Path(sys.argv[1])):
        write(Path(sys.argv[1]))
