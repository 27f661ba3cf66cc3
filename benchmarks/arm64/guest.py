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
    """A model in LiteRT's interpreter, which tells Python nothing about its operators.

    A file may have a signature for each length, such as length_128.
    """

    def __init__(self, model: str) -> None:
        """Load a model."""
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model, num_threads=1)

    def set_inputs(self, arrays: dict[str, Any]) -> None:
        """Use these inputs in the following runs."""
        signatures = list(self.interpreter.get_signature_list())
        self.runner = self.interpreter.get_signature_runner(_signature(signatures, arrays))
        details = self.runner.get_input_details()
        named = zip(sorted(details), _in_order_of(details, arrays), strict=True)
        self.feed = {name: array.astype(details[name]["dtype"]) for name, array in named}

    def run(self) -> list[tuple[str, Any]]:
        """The outputs with their names, which are ours or a converter's."""
        return list(self.runner(**self.feed).items())

    def profiled(self, run_marked: Callable[[Any], None]) -> str:
        """Nothing is known of the operators."""
        run_marked(self)
        return ""


class HalfLiteRT(LiteRT):
    """The same with XNNPACK's arithmetic in fp16, which only LiteRT's newer interface offers."""

    #: Of tflite/delegates/xnnpack/xnnpack_delegate.h: the defaults, and FORCE_FP16 (4).
    _FLAGS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10

    def __init__(self, model: str) -> None:
        """Load a model."""
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.options import CpuOptions, Options

        cpu = CpuOptions(num_threads=1, xnnpack_flags=self._FLAGS)
        self.model = CompiledModel.from_file(model, options=Options(cpu_options=cpu))

    def set_inputs(self, arrays: dict[str, Any]) -> None:
        """Use these inputs in the following runs."""
        signatures = self.model.get_signature_list()
        key = _signature(list(signatures), arrays)
        self.index, names = self.model.get_signature_index(key), signatures[key]["inputs"]
        self.inputs = self.model.create_input_buffers(self.index)
        self.outputs = self.model.create_output_buffers(self.index)
        ordered = dict(zip(sorted(names), _in_order_of(names, arrays), strict=True))
        details = self.model.get_input_tensor_details(key)
        for name, buffer in zip(names, self.inputs, strict=True):
            buffer.write(ordered[name].astype(details[name]["dtype"]))
        details = self.model.get_output_tensor_details(key)
        self.shapes = {name: details[name]["shape"] for name in signatures[key]["outputs"]}

    def run(self) -> list[tuple[str, Any]]:
        """The outputs with their names, which are ours or a converter's."""
        self.model.run_by_index(self.index, self.inputs, self.outputs)
        read = zip(self.outputs, self.shapes.items(), strict=True)
        return [
            (name, buffer.read(int(np.prod(shape)), np.float32).reshape(shape))
            for buffer, (name, shape) in read
        ]


def _signature(signatures: list[str], arrays: dict[str, Any]) -> str:
    """The signature of this length, or that of a file with a single one."""
    wanted = f"length_{arrays['input_ids'].shape[-1]}"
    return wanted if wanted in signatures or len(signatures) != 1 else signatures[0]


def _in_order_of(names: Any, arrays: dict[str, Any]) -> list[Any]:
    """The arrays for inputs by name, or in order for a converter's names such as args_0."""
    if set(names) <= set(arrays):
        return [arrays[name] for name in sorted(names)]
    return list(arrays.values())


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


RUNTIMES = {"onnxruntime": OnnxRuntime, "litert": LiteRT, "litert fp16": HalfLiteRT}

if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        serve(RUNTIMES[sys.argv[1]](sys.argv[2]), sys.stdin.buffer, answers)
