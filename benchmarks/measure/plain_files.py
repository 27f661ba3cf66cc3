"""Plain model files, which are not artifacts: opened as the guide of each library does it."""

import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.errors import BenchmarkError, require

__all__ = ["OPENERS", "InputFeed", "LoadedModel", "import_runtime", "open_onnx"]

InputFeed = dict[str, NDArray[np.int64]]  # in the order of the model's inputs
LoadedModel = Callable[[InputFeed], object]  # runs one inference

#: What to import of a library, if that is not the package itself.
_MODULES = {"executorch": "executorch.runtime"}
#: Format -> its runtime's module, and the extra that installs it. A transformers checkpoint and
#: LiteRT are not formats of artifacts; they are measured as peers only.
_RUNTIMES = {
    **{
        name: (_MODULES.get(name, facts.library), facts.extra or "all")
        for name, facts in FORMATS.items()
    },
    "transformers": ("transformers.models.auto.modeling_auto", "peers"),
    "litert": ("ai_edge_litert.interpreter", "peers"),
}


def import_runtime(format: str) -> ModuleType:
    """Import the library that runs a format.

    Raises:
        MissingExtraError: it is not installed.
    """
    return require(*_RUNTIMES[format])


def open_onnx(path: Path, threads: int, **options: Any) -> Any:
    """ONNX Runtime's session of a model.

    Args:
        path: The model file.
        threads: Of one inference.
        options: Settings of its SessionOptions that are not the defaults.
    """
    onnxruntime = import_runtime("onnx")
    settings = onnxruntime.SessionOptions()
    for name, value in {"intra_op_num_threads": threads, **options}.items():
        setattr(settings, name, value)
    return onnxruntime.InferenceSession(
        str(path), settings, providers=["CPUExecutionProvider"], enable_fallback=0
    )  # the fallback prints, and tries the same again


def _onnx(path: Path, threads: int) -> LoadedModel:
    session = open_onnx(path, threads)
    names = [node.name for node in session.get_inputs()]
    return lambda feed: session.run(None, {name: feed[name] for name in names})


def _torchscript(path: Path, threads: int) -> LoadedModel:
    torch = import_runtime("torchscript")
    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises torch.export
        model = torch.jit.load(str(path), map_location="cpu")

    def run(feed: InputFeed) -> object:
        with torch.inference_mode():
            return model(*map(torch.from_numpy, feed.values()))

    return run


def _executorch(path: Path, threads: int) -> LoadedModel:
    from squeezebert_mobile.runtime.sessions.executorch import Program

    torch = require("torch", "export")
    program = Program(str(path), threads=threads)
    return lambda feed: program.execute([torch.from_numpy(ids) for ids in feed.values()])


def _transformers(path: Path, threads: int) -> LoadedModel:
    """The checkpoint in the folder of `path`, in transformers."""
    torch, transformers = require("torch", "export"), require("transformers", "peers")
    torch.set_num_threads(threads)
    transformers.logging.disable_progress_bar()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(path.parent).eval()

    def run(feed: InputFeed) -> object:
        tensors = {name: torch.from_numpy(ids) for name, ids in feed.items()}
        with torch.inference_mode():
            return model(**tensors)[0]

    return run


def _litert(path: Path, threads: int) -> LoadedModel:
    """A file with a signature for each length, such as length_128."""
    interpreter = import_runtime("litert").Interpreter(str(path), num_threads=threads)
    lengths = {name.removeprefix("length_"): name for name in interpreter.get_signature_list()}

    def run(feed: InputFeed) -> object:
        length = str(feed["input_ids"].shape[-1])
        if length not in lengths:
            raise BenchmarkError(f"the file takes {', '.join(lengths)} tokens, not {length}")
        runner = interpreter.get_signature_runner(lengths[length])
        types = {name: each["dtype"] for name, each in runner.get_input_details().items()}
        outputs = runner(**{name: feed[name].astype(types[name]) for name in types})
        return next(iter(outputs.values()))

    return run


#: Format -> opens a model file with a number of threads, otherwise with the library's defaults.
OPENERS: dict[str, Callable[[Path, int], LoadedModel]] = {
    "onnx": _onnx,
    "torchscript": _torchscript,
    "executorch": _executorch,
    "transformers": _transformers,
    "litert": _litert,
}
