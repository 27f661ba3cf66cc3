"""Plain model files, which are not artifacts: opened as the guide of each library does it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.benchmarks.inputs.specs import InputSpec, ModelInput
from squeezebert_mobile.errors import BenchmarkError, MissingExtraError, first_line, require
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = [
    "FILE_FORMATS",
    "OPENERS",
    "InputFeed",
    "LoadedModel",
    "declared_inputs",
    "import_runtime",
    "litert_signature",
    "open_onnx",
    "run_program",
]

InputFeed = dict[str, NDArray[Any]]  # in the order of the model's inputs
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

    return partial(run_program, Program(str(path), threads=threads))


def run_program(program: Any, feed: InputFeed) -> object:
    """Run an ExecuTorch program on a feed, which has the order of its inputs."""
    torch = require("torch", "export")
    return program.execute([torch.from_numpy(ids) for ids in feed.values()])


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
    """A file with a signature for each length, such as length_128, or with a single one."""
    interpreter = import_runtime("litert").Interpreter(str(path), num_threads=threads)
    signatures = list(interpreter.get_signature_list())
    lengths = _lengths(signatures)

    def run(feed: InputFeed) -> object:
        name = _of_length(lengths, feed["input_ids"].shape[-1]) if lengths else signatures[0]
        runner = interpreter.get_signature_runner(name)
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


# Files of other makers ----------------------------------------------------------------------

#: Suffix -> format of the files that `bench` takes beside artifacts.
FILE_FORMATS = {".onnx": "onnx", ".pte": "executorch", ".tflite": "litert"}
#: ONNX's names of types that NumPy calls otherwise.
_ONNX_TYPES = {"float": "float32", "double": "float64"}
#: ExecuTorch's numbers of the types of inputs.
_EXECUTORCH_TYPES = {0: "uint8", 1: "int8", 3: "int32", 4: "int64", 5: "float16", 6: "float32"}
_FATAL = 4  # log severity


def declared_inputs(
    path: Path, format: str, given: Sequence[InputSpec] = ()
) -> tuple[ModelInput, ...]:
    """The inputs of a model file, in its order.

    Args:
        path: The model file.
        format: One of FILE_FORMATS.
        given: Inputs whose names count where a format has none (executorch), in their order.

    Raises:
        BenchmarkError: its runtime cannot load it.
        MissingExtraError: its runtime is not installed.
    """
    try:
        return _DECLARED[format](path, [each.name for each in given])
    except (BenchmarkError, MissingExtraError):
        raise
    except Exception as error:  # each runtime raises its own
        raise BenchmarkError(
            f"{str(path)!r} cannot be loaded: {first_line(error)}; give a model file of a version "
            f"that the installed {_LIBRARIES[format]} reads"
        ) from None


def _onnx_inputs(path: Path, names: Sequence[str]) -> tuple[ModelInput, ...]:
    session = open_onnx(path, 1, log_severity_level=_FATAL)
    found = []
    for node in session.get_inputs():
        kind = node.type.removeprefix("tensor(").removesuffix(")")
        shape = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)
        found.append(ModelInput(node.name, _ONNX_TYPES.get(kind, kind), shape))
    return tuple(found)


def _litert_inputs(path: Path, names: Sequence[str]) -> tuple[ModelInput, ...]:
    interpreter = import_runtime("litert").Interpreter(str(path))
    signatures = list(interpreter.get_signature_list())
    if not signatures:
        raise BenchmarkError(f"{str(path)!r} has no signature; convert the model with one")
    details = interpreter.get_signature_runner(signatures[0]).get_input_details()
    found = []
    for name, each in details.items():
        sizes = each.get("shape_signature", each["shape"])
        shape = [int(size) if size > 0 else None for size in sizes]
        if _lengths(signatures) and shape:
            shape[-1] = None
        found.append(ModelInput(name, np.dtype(each["dtype"]).name, tuple(shape)))
    return tuple(found)


def litert_signature(path: Path, length: int) -> tuple[str, list[str]]:
    """The signature of a .tflite file for a length in tokens, and the names of its outputs.

    Raises:
        BenchmarkError: it has none for this length.
    """
    interpreter = import_runtime("litert").Interpreter(str(path))
    signatures = list(interpreter.get_signature_list())
    lengths = _lengths(signatures)
    name = _of_length(lengths, length) if lengths else signatures[0]
    return name, list(interpreter.get_signature_runner(name).get_output_details())


def _of_length(lengths: Mapping[str, str], length: int) -> str:
    """The signature of a length in tokens."""
    if str(length) not in lengths:
        raise BenchmarkError(f"the file takes {', '.join(lengths)} tokens, not {length}")
    return lengths[str(length)]


def _lengths(signatures: Sequence[str]) -> dict[str, str]:
    """Length -> signature, if there is one for each length, such as length_128."""
    found = {name.removeprefix("length_"): name for name in signatures}
    return found if all(length.isdecimal() for length in found) else {}


def _executorch_inputs(path: Path, names: Sequence[str]) -> tuple[ModelInput, ...]:
    """A program's inputs have an order and no names, and the sizes are the largest possible."""
    from squeezebert_mobile.runtime.sessions.executorch import Program

    with Program(str(path), threads=1) as program:
        inputs = program.inputs
    names = [*names, *(name for name in INPUT_NAMES if name not in names)]
    names += [f"input_{number}" for number in range(len(names), len(inputs))]
    return tuple(
        ModelInput(
            name, _EXECUTORCH_TYPES.get(kind, "float32"), tuple(sizes[:-1]) + (None,) * bool(sizes)
        )
        for name, (kind, sizes) in zip(names, inputs, strict=False)
    )


_DECLARED: dict[str, Callable[[Path, Sequence[str]], tuple[ModelInput, ...]]] = {
    "onnx": _onnx_inputs,
    "executorch": _executorch_inputs,
    "litert": _litert_inputs,
}
_LIBRARIES = {"onnx": "onnxruntime", "executorch": "executorch", "litert": "ai-edge-litert"}
