"""Writes results computed by Python, with which the Kotlin tests compare theirs.

    python tests/helpers/runner_expectations.py FOLDER    for make test-runner
    python tests/helpers/runner_expectations.py --golden  for tests/golden/expected

Both write the same files; the checked-in folder (--golden) has fewer random texts.

    artifacts/    a tiny artifact of every task and precision, and an encoder without pooler, with
                  random weights. The demo's artifact is not among them; the tests use the one in
                  the app's assets
    answers.json  a list of the pipelines' answers
        artifact  name of the folder, or "demo"
        task      the artifact's task
        call      arguments of the Python pipeline, by parameter name; with candidate_labels,
                  those of its `zero_shot`
        result    the pipeline's result, as given by `to_dict`
        runs      the runs of the model: inputs (flat) and their shape, shape and values of outputs
    damaged.json  manifests and golden files with one change
        files     file: its name; sound: its original content; wrong: the values to insert;
                  places: for each path in the file, whether Python accepts the file
                      replaced  with each of the wrong values at the path (a list)
                      removed   without the value at the path
                      joined    with an unknown field in the value (null: it has no fields)
    random.jsonl  random texts for the tokenizer, see wordpiece_vectors.py

Floats have nine digits, which identify a float32. FOLDER is not written again if it is newer than
the Python sources.
"""

import copy
import dataclasses
import json
import operator
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import artifacts
import numpy as np
import tiny
import wordpiece_vectors
from checkpoint_files import Weights, change_weights
from pydantic import BaseModel, ValidationError

from squeezebert_mobile.artifact import Golden, Manifest
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.tasks import TASKS

ROOT = Path(__file__).parents[2]
#: The demo's artifact in the app's assets (make app-assets).
DEMO = ROOT / "android_demo/app/src/main/assets/artifacts/demo-intents"
#: The checked-in folder, and its number of random texts.
GOLDEN = ROOT / "tests/golden/expected"
FEW_TEXTS = 200
#: Written last; not in the checked-in folder.
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

#: Artifacts that answer only the first calls, as others answer all.
FEWER = {"no-pooler": 3}

#: Candidate labels: several tokens, unknown words, a character outside the basic plane.
CANDIDATES = ["music", "the weather", "unknownword", "a big c\u00e1t \U0001f600", "time"]
#: Further calls by artifact. In fp32 real inference gives the same scores to 1e-5. The label for
#: entailment is the first, the last, or between them.
ZERO_SHOT_CALLS: dict[str, list[dict[str, Any]]] = {
    "fp32": [
        {"texts": text, "candidate_labels": CANDIDATES[:count], **options}
        for text, count, options in (
            (artifacts.TEXTS[0], 5, {"entailment_label": "O"}),
            (artifacts.TEXTS[7], 5, {"entailment_label": "I-LOC", "multi_label": True}),
            (LONG, 5, {"entailment_label": "B-PER"}),
            (LONG, 2, {"entailment_label": "O", "multi_label": True}),
            (artifacts.TEXTS[2], 1, {"entailment_label": "O"}),
            (artifacts.TEXTS[2], 1, {"entailment_label": "I-PER", "multi_label": True}),
            (artifacts.TEXTS[5], 2, {"entailment_label": "B-LOC", "hypothesis_template": "{}"}),
            (
                artifacts.TEXTS[3],
                5,
                {"entailment_label": "I-LOC", "hypothesis_template": "{{it}} is {}, yes"},
            ),
        )
    ]
}


def write(folder: Path, random_texts: int = wordpiece_vectors.COUNT) -> None:
    """Write all files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in export_all(folder):
        print(f"exported {name}", flush=True)
    write_json(list(answers(folder / "artifacts")), folder / "answers.json")
    write_json({"files": [*damaged(DEMO)]}, folder / "damaged.json")
    print("answers and damaged files written; random texts", flush=True)
    wordpiece_vectors.write_random(folder / "random.jsonl", random_texts)


def write_json(data: Any, path: Path) -> None:
    """Write compact JSON."""
    text = json.dumps(nine_digits(data), separators=(",", ":"))
    path.write_text(text + "\n", encoding="ascii")


def nine_digits(data: Any) -> Any:
    """Round floats to nine digits, which does not change them as float32."""
    if isinstance(data, dict):
        return {key: nine_digits(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [nine_digits(value) for value in data]
    return float(f"{data:.9g}") if isinstance(data, float) else data


# Artifacts ----------------------------------------------------------------------------------


def export_all(folder: Path) -> Iterator[str]:
    """A tiny artifact for each task, one without pooler, one of a fixed length, and one for each
    precision.
    """
    target = folder / "artifacts"
    for task in TASKS:
        _export(folder, task, target / task)
        yield task
    _export(folder, "feature-extraction", target / "no-pooler", pooler=False)
    yield "no-pooler"
    _export(folder, "text-classification", target / "fixed", sequence_length=12)
    yield "fixed"
    for precision in ("fp32", "fp16", "int4"):
        _export(folder, "text-classification", target / precision, precision=precision)
        yield precision


def _export(folder: Path, task: str, target: Path, *, pooler: bool = True, **options: Any) -> None:
    labels = artifacts.LABELS if "classification" in task else ()
    changes = {"num_labels": len(labels), "id2label": dict(enumerate(labels))} if labels else {}
    checkpoint = folder / "tiny"
    tiny.write_checkpoint(checkpoint, "squeezebert", task, **changes)
    if not pooler:
        change_weights(checkpoint, _drop_pooler)
    export_random(checkpoint, target, task=task, **options)
    shutil.rmtree(checkpoint)


def _drop_pooler(weights: Weights) -> None:
    for name in [name for name in weights if "pooler" in name]:
        del weights[name]


def export_random(checkpoint: Path, target: Path, **options: Any) -> None:
    """Export a checkpoint with random weights, and mark them as random in the manifest."""
    export_checkpoint(checkpoint, target, texts=shipped_texts()[::8], **options)
    artifacts.rewrite_manifest(target, weights="random")


# Answers ------------------------------------------------------------------------------------


class Recorder:
    """A session that records its inputs and outputs."""

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


def answers(folder: Path) -> Iterator[dict[str, Any]]:
    """The answers of the artifacts in `folder`, and of the demo, to CALLS and ZERO_SHOT_CALLS."""
    for name, path in [*((path.name, path) for path in sorted(folder.iterdir())), ("demo", DEMO)]:
        pipeline = load_artifact(path, threads=1)
        calls = CALLS[pipeline.manifest.task][: FEWER.get(name)]
        for call in [*calls, *ZERO_SHOT_CALLS.get(name, [])]:
            result, runs = record_call(pipeline, call)
            yield {
                "artifact": name,
                "task": pipeline.manifest.task,
                "call": call,
                "result": result,
                "runs": runs,
            }


def record_call(pipeline: Any, call: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """The pipeline's result for a call, and the runs of its model."""
    recorder = Recorder(pipeline.session)
    recorded = dataclasses.replace(pipeline, session=recorder)
    method = recorded.zero_shot if "candidate_labels" in call else recorded
    return method(**call, batch_size=1).to_dict(), recorder.runs


# Damaged files ------------------------------------------------------------------------------

#: Values to insert. Strings with numbers and booleans are excluded: pydantic converts them to
#: numbers, the Kotlin reader does not.
_WRONG: tuple[Any, ...] = (None, -1, 1.5, "x", [], {}, ["x"], {"x": 1})


def damaged(folder: Path) -> Iterator[dict[str, Any]]:
    """Both JSON files of the artifact in `folder`, with every value changed in turn."""
    models: dict[str, type[BaseModel]] = {"manifest.json": Manifest, "golden.json": Golden}
    for name, model in models.items():
        sound = json.loads((folder / name).read_text(encoding="utf-8"))
        if name == "golden.json":
            sound = _shortened(sound)
        assert _is_accepted(model, sound)
        places = [_place(model, sound, path) for path in _paths(sound)]
        yield {"file": name, "sound": sound, "wrong": _WRONG, "places": places}


def _shortened(golden: dict[str, Any]) -> dict[str, Any]:
    """The first golden text, with two ids and two values of each output."""
    text = golden["texts"][0]
    for key in ("input_ids", "attention_mask", "token_type_ids"):
        text[key] = [text[key][0][:2]]
    for output in text["outputs"].values():
        output["indices"], output["values"] = output["indices"][:2], output["values"][:2]
    return {**golden, "texts": [text]}


def _place(model: type[BaseModel], sound: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """Whether the file is accepted after each change at this path."""

    def accepted(change: Callable[[Any, Any], None], path: tuple[Any, ...] = path) -> bool:
        data = copy.deepcopy(sound)
        change(_at(data, path[:-1]), path[-1])
        return _is_accepted(model, data)

    has_fields = isinstance(_at(sound, path), dict)
    return {
        "path": path,
        "replaced": [accepted(_replace(wrong)) for wrong in _WRONG],
        "removed": accepted(operator.delitem),
        "joined": accepted(_replace(1), (*path, "unknown")) if has_fields else None,
    }


def _replace(value: Any) -> Callable[[Any, Any], None]:
    return lambda parent, key: operator.setitem(parent, key, value)


def _is_accepted(model: type[BaseModel], data: dict[str, Any]) -> bool:
    try:
        model.model_validate_json(json.dumps(data))
    except ValidationError:
        return False
    return data.get("schema_version") == 1


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (key,)
        if isinstance(item, dict | list):
            yield from ((key, *path) for path in _paths(item))


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


# Freshness ---------------------------------------------------------------------------------


def is_fresh(folder: Path) -> bool:
    """Whether the folder is newer than every Python source and the demo."""
    done = folder / DONE
    sources = [
        path
        for part in ("src", "runtime", "export", "tests/helpers")
        for path in (ROOT / part).rglob("*.py")
    ]
    sources += DEMO.iterdir()
    return done.exists() and all(path.stat().st_mtime < done.stat().st_mtime for path in sources)


def main(argument: str) -> None:
    """Write the checked-in folder (--golden) or another one."""
    if argument == "--golden":
        write(GOLDEN, FEW_TEXTS)
    elif not is_fresh(folder := Path(argument)):
        write(folder)
        (folder / DONE).touch()


if __name__ == "__main__":
    main(sys.argv[1])
