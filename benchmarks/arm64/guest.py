"""Runs under emulation, with only numpy and onnxruntime: guest.py MODEL LENGTH [GOLDEN].

Runs the model twice without and twice with the profiler, and marks the second run of each for the
plugin. Then runs the golden texts. Prints JSON: the operators of a run in order, and the largest
difference from the golden outputs as a multiple of the tolerance.
"""

import json
import os
import sys
import tempfile
from typing import Any

import numpy as np
import onnxruntime  # noqa: TID253 - this module runs under emulation and is never imported


def main(model: str, length: str, golden: str | None = None) -> None:
    """Run one model and print the JSON."""
    session = _session(model)
    feed = _feed(session, int(length))
    _run_marked(session, feed)
    with tempfile.TemporaryDirectory() as folder:
        profiled = _session(model, profile=os.path.join(folder, "profile"))
        _run_marked(profiled, feed)
        with open(profiled.end_profiling(), encoding="utf-8") as file:
            events = json.load(file)
    operators = [event["args"]["op_name"] for event in events if event["cat"] == "Node"]
    print(
        json.dumps(
            {
                "operators": operators[len(operators) // 2 :],
                "golden": None if golden is None else _golden(session, golden),
                "onnxruntime": onnxruntime.__version__,
            }
        )
    )


def _session(model: str, profile: str | None = None) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _feed(session: Any, length: int) -> dict[str, Any]:
    """One text of `length` tokens."""
    ids = np.random.RandomState(0).randint(5, 1000, (1, length))
    values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": 0 * ids}
    return {each.name: _shaped(values[each.name], each) for each in session.get_inputs()}


def _shaped(array: Any, spec: Any) -> Any:
    """(1, S) or, for choices, (1, 1, S)."""
    return np.reshape(array, (1,) * (len(spec.shape) - 1) + (-1,)).astype(np.int64)


def _run_marked(session: Any, feed: dict[str, Any]) -> None:
    session.run(None, feed)  # allocations happen in the first run
    os.getppid()
    session.run(None, feed)
    os.getppid()


def _golden(session: Any, path: str) -> dict[str, float]:
    """The number of texts, and the largest difference as a multiple of its tolerance."""
    with open(path, encoding="utf-8") as file:
        golden = json.load(file)
    names = [output.name for output in session.get_outputs()]
    worst = 0.0
    for text in golden["texts"]:
        feed = {spec.name: np.array(text[spec.name], np.int64) for spec in session.get_inputs()}
        if len(session.get_inputs()[0].shape) == 3:
            feed = {name: array[None] for name, array in feed.items()}
        for name, array in zip(names, session.run(None, feed), strict=True):
            expected = text["outputs"][name]
            actual = array.ravel()[expected["indices"]]
            difference = np.abs(actual - expected["values"]).max() / golden["tolerance"][name]
            worst = max(worst, float(difference)) if np.isfinite(difference) else float("inf")
    return {"texts": len(golden["texts"]), "worst": worst}


if __name__ == "__main__":
    main(*sys.argv[1:])
