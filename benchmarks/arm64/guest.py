"""Runs under emulation, with only numpy and a runtime: guest.py RUNTIME MODEL.

emulation.py describes the protocol.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np


class OnnxRuntime:
    """A model in ONNX Runtime, whose profiler reads the clock around every operator."""

    _BEFORE, _AFTER = "skip 3\n", "rest 5 6\n"  # readings outside of operators

    def __init__(self, model: str, profile: str | None = None) -> None:
        """Load a model; with `profile`, the beginning of a file name, its runs are profiled."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = profile
        self.model = model
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self.feed: dict[str, Any] = {}

    def set_inputs(self, arrays: dict[str, Any]) -> None:
        """Use these inputs in the following runs."""
        self.feed = {each.name: arrays[each.name] for each in self.session.get_inputs()}

    def run(self) -> list[tuple[str, Any]]:
        """The outputs with their names."""
        names = [each.name for each in self.session.get_outputs()]
        return list(zip(names, self.session.run(None, self.feed), strict=True))

    def profiled(self, run_marked: Callable[[Any], None]) -> str:
        """Pass a model that is profiled to `run_marked`, and return the events of a run."""
        with tempfile.TemporaryDirectory() as folder:
            profiled = OnnxRuntime(self.model, profile=os.path.join(folder, "profile"))
            profiled.feed = self.feed
            run_marked(profiled)
            with open(profiled.session.end_profiling(), encoding="utf-8") as file:
                events = json.load(file)
        operators = [event["args"]["op_name"] for event in events if event["cat"] == "Node"]
        spans = "".join(f"begin {name}\nend\n" for name in operators[len(operators) // 2 :])
        return self._BEFORE + spans + self._AFTER


class LiteRT:
    """A model in LiteRT's interpreter, which tells Python nothing about its operators."""

    def __init__(self, model: str) -> None:
        """Load a model."""
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model, num_threads=1)
        self.interpreter.allocate_tensors()

    def set_inputs(self, arrays: dict[str, Any]) -> None:
        """Use these inputs in the following runs."""
        details = sorted(self.interpreter.get_input_details(), key=lambda each: each["name"])
        for detail, array in zip(details, arrays.values(), strict=True):
            self.interpreter.set_tensor(detail["index"], array.astype(detail["dtype"]))

    def run(self) -> list[tuple[str, Any]]:
        """The outputs, which have no names of ours."""
        self.interpreter.invoke()
        return [
            ("-", self.interpreter.get_tensor(detail["index"]))
            for detail in self.interpreter.get_output_details()
        ]

    def profiled(self, run_marked: Callable[[Any], None]) -> str:
        """Nothing is known of the operators."""
        run_marked(self)
        return ""


def run_marked(model: Any) -> None:
    """Mark the second run of a model: allocations happen in the first."""
    model.run()
    os.getppid()
    model.run()
    os.getppid()


def serve(model: Any, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer the requests for a model until there is none left."""
    for line in iter(requests.readline, b""):
        command, *words = line.decode().split()
        if command == "run":
            shape = [int(word) for word in words[1:]]
            size = 8 * int(np.prod(shape))
            model.set_inputs(
                {
                    name: np.frombuffer(requests.read(size), np.int64).reshape(shape)
                    for name in words[0].split(",")
                }
            )
            outputs = model.run()
            answers.write(f"outputs {len(outputs)}\n".encode())
            for name, array in outputs:
                head = " ".join([name, *map(str, array.shape)])
                answers.write(f"{head}\n".encode())
                answers.write(np.ascontiguousarray(array, np.float32).tobytes())
        elif command == "count":
            run_marked(model)
            answers.write(b"counted\n")
        elif command == "profile":
            events = model.profiled(run_marked).encode()
            answers.write(f"events {len(events)}\n".encode())
            answers.write(events)
        answers.flush()


RUNTIMES = {"onnxruntime": OnnxRuntime, "litert": LiteRT}

if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        serve(RUNTIMES[sys.argv[1]](sys.argv[2]), sys.stdin.buffer, answers)
