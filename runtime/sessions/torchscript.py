"""TorchScript models in torch."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import ArtifactError, InputError, require
from squeezebert_mobile.runtime.sessions.base import CLOSED, FloatArray, checked_feed, last_line
from squeezebert_mobile.runtime.sessions.shared_threads import SharedThreads

__all__ = ["TorchScriptSession"]

_TORCH_THREADS = SharedThreads("torch")


class TorchScriptSession(Closeable):
    """A TorchScript model in torch."""

    def __init__(self, path: Path, spec: ModelSpec, *, threads: int | None) -> None:
        """Load a model file; with `threads` None, torch chooses."""
        self._model: Any = None
        self._torch = torch = require("torch", "export")
        engine = spec.engine
        try:
            with _engine(torch, engine), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecation of torch.jit
                if engine:
                    # torch warns about this type once per process. Triggered here, the warning is
                    # suppressed; triggered by torch's C++ reader it would go to stderr.
                    torch.quantize_per_tensor(torch.zeros(1), 1.0, 0, torch.qint8)
                # loading repacks int8 weights for the kernel backend
                model = torch.jit.load(str(path), map_location="cpu")
        except (RuntimeError, ValueError, OSError) as error:
            raise ArtifactError(
                f"torch {torch.__version__} cannot load {str(path)!r}: {last_line(error)}; "
                "upgrade torch, or export the checkpoint again"
            ) from None
        _TORCH_THREADS.claim(threads, torch.get_num_threads, torch.set_num_threads)
        self._model = model
        self.spec = spec
        self._outputs = [output.name for output in spec.outputs]

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """Run the model; token_type_ids and attention_mask are optional.

        Raises:
            InputError: the feed does not match the spec, or the session is closed.
        """
        model, torch = self._model, self._torch  # another thread may close the session
        if model is None:
            raise InputError(CLOSED)
        arrays = checked_feed(self.spec, feed)
        inputs = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays.values()]
        try:
            with torch.inference_mode():
                outputs = model(*inputs)
        except Exception as error:  # torch's interpreter raises various types
            raise InputError(f"the model cannot run this input: {last_line(error)}") from None
        return {name: out.numpy() for name, out in zip(self._outputs, outputs, strict=True)}

    def close(self) -> None:
        """Free the model; a later `run` raises InputError."""
        if self._model is not None:
            self._model = None
            _TORCH_THREADS.release()

    def __del__(self) -> None:
        """Release the thread count too."""
        self.close()


@contextmanager
def _engine(torch: Any, name: str | None) -> Iterator[None]:
    """Select torch's kernel backend for int8 within the block.

    Raises:
        ArtifactError: this build of torch does not have it.
    """
    engines = torch.backends.quantized
    if name is not None and name not in engines.supported_engines:
        raise ArtifactError(
            f"the model is packed for torch's engine {name!r}, but this torch only has: "
            f"{', '.join(engines.supported_engines)}; export it again with --engine"
        )
    before = engines.engine
    engines.engine = name or before
    try:
        yield
    finally:
        engines.engine = before
