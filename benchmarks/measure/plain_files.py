"""How a model file that is no artifact is opened, by its format: as its library's guide does it."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.errors import require

__all__ = ["OPENERS", "Feed", "Model"]

Feed = dict[str, NDArray[np.int64]]  # in the order of a model's inputs
Model = Callable[[Feed], object]


def _onnx(path: Path, threads: int) -> Model:
    onnxruntime = require("onnxruntime", "all")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = [each.name for each in session.get_inputs()]
    return lambda feed: session.run(None, {name: feed[name] for name in wanted})


def _torchscript(path: Path, threads: int) -> Model:
    torch = require("torch", "export")
    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises torch.export
        model = torch.jit.load(str(path), map_location="cpu")

    def run(feed: Feed) -> object:
        with torch.inference_mode():
            return model(*map(torch.from_numpy, feed.values()))

    return run


def _executorch(path: Path, threads: int) -> Model:
    from squeezebert_mobile.runtime.sessions.executorch import Program

    torch = require("torch", "export")
    program = Program(str(path), threads=threads)
    return lambda feed: program.execute([torch.from_numpy(each) for each in feed.values()])


def _transformers(path: Path, threads: int) -> Model:
    """The checkpoint in the folder of `path`, run by transformers."""
    torch, transformers = require("torch", "export"), require("transformers", "peers")
    torch.set_num_threads(threads)
    transformers.logging.disable_progress_bar()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(path.parent).eval()

    def run(feed: Feed) -> object:
        tensors = {name: torch.from_numpy(each) for name, each in feed.items()}
        with torch.inference_mode():
            return model(**tensors)[0]

    return run


#: Opens a file of each format to run with so many threads, otherwise with its library's defaults.
OPENERS: dict[str, Callable[[Path, int], Model]] = {
    "onnx": _onnx,
    "torchscript": _torchscript,
    "executorch": _executorch,
    "transformers": _transformers,
}
