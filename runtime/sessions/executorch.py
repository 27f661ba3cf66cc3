"""ExecuTorch programs in executorch's Python runtime, with XNNPACK."""

import importlib.metadata
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import (
    ArtifactError,
    InputError,
    MissingExtraError,
    require,
    require_extra,
)
from squeezebert_mobile.runtime.sessions.base import (
    CLOSED,
    FloatArray,
    IntArray,
    checked_feed,
    last_line,
    run_rows,
)
from squeezebert_mobile.runtime.sessions.native_logs import without_native_logs
from squeezebert_mobile.runtime.sessions.shared_threads import SharedThreads

__all__ = ["ExecuTorchSession", "Program", "check_program"]

_EXECUTORCH_THREADS = SharedThreads("executorch")


class Program(Closeable):
    """An ExecuTorch program in executorch's Python runtime, with XNNPACK."""

    def __init__(self, path: str, *, threads: int | None, etdump: bool = False) -> None:
        """Load a program; with `threads` None, executorch chooses.

        Args:
            path: The file.
            threads: The number of threads.
            etdump: Record the events of all runs, for `write_etdump`.

        Raises:
            ArtifactError: executorch cannot load it.
            InputError: a program with another number of threads is open.
            MissingExtraError: executorch is not installed, or was built for another torch.
        """
        self._method: Any = None
        self._program: Any = None
        self._claimed = False
        self._lock = threading.RLock()  # a method has a single set of buffers
        with _load_errors(path):
            from executorch.extension.pybindings import portable_lib
            from executorch.runtime import Runtime, Verification

            # Before loading: operators keep the thread pool that exists then.
            _EXECUTORCH_THREADS.claim(
                threads,
                portable_lib._threadpool_get_thread_count,
                portable_lib._unsafe_reset_threadpool,
            )
            self._claimed = True
            self._program = Runtime.get().load_program(
                path, verification=Verification.Minimal, enable_etdump=etdump
            )
            self._method = self._program.load_method("forward")

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._method is None

    @property
    def inputs(self) -> list[tuple[int, list[int]]]:
        """The type of each input, as executorch numbers it, and its largest sizes."""
        facts = self._method.metadata
        metas = [facts.input_tensor_meta(place) for place in range(facts.num_inputs())]
        return [(meta.dtype(), list(meta.sizes())) for meta in metas]

    def execute(self, inputs: list[Any]) -> list[FloatArray]:
        """Run the program.

        Raises:
            InputError: the program does not accept the inputs, or is closed.
        """
        try:
            with self._lock:
                if self.closed:  # by another thread, between two rows of a batch
                    raise InputError(CLOSED)
                return [output.numpy().copy() for output in self._method.execute(inputs)]
        except RuntimeError as error:
            raise InputError(f"the model cannot run this input: {last_line(error)}") from None

    def write_etdump(self, path: Path) -> None:
        """Write the events of all runs so far, which are then forgotten.

        Raises:
            RuntimeError: this executorch has no event tracer, or the file cannot be written.
        """
        with self._lock:
            self._program.write_etdump_result_to_file(str(path), f"{path}.buffer")

    def close(self) -> None:
        """Free the program, when its run has ended."""
        with self._lock:
            self._method = self._program = None
            if self._claimed:
                self._claimed = False
                _EXECUTORCH_THREADS.release()

    def __del__(self) -> None:
        """Release the thread count too."""
        self.close()


class ExecuTorchSession(Closeable):
    """An ExecuTorch program with the interface of a session.

    The program has batch size 1, so the rows of a batch (and the choices) run one by one.
    """

    def __init__(
        self, path: Path, spec: ModelSpec, *, threads: int | None, etdump: bool = False
    ) -> None:
        """Load a model file; `threads` and `etdump` as for a program."""
        self._program = Program(str(path), threads=threads, etdump=etdump)
        self._torch = require("torch", "executorch")
        self.spec = spec
        self._outputs = [output.name for output in spec.outputs]

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """Run the model on a batch of any size.

        Raises:
            InputError: the feed does not match the spec, or the session is closed.
        """
        if self._program.closed:
            raise InputError(CLOSED)
        return run_rows(checked_feed(self.spec, feed, rows_apart=True), self._run_row)

    def _run_row(self, row: Mapping[str, IntArray]) -> dict[str, FloatArray]:
        inputs = [self._torch.from_numpy(array) for array in row.values()]
        return dict(zip(self._outputs, self._program.execute(inputs), strict=True))

    def write_etdump(self, path: Path) -> None:
        """Write the events of all runs so far; a row of a batch is a run."""
        self._program.write_etdump(path)

    def close(self) -> None:
        """Free the model; a later `run` raises InputError."""
        self._program.close()


def check_program(path: str) -> None:
    """Check the structure of a program, all of it, without loading it.

    Raises:
        ArtifactError: it is damaged.
        MissingExtraError: executorch is not installed, or was built for another torch.
    """
    with _load_errors(path):
        from executorch.runtime import Runtime, Verification

        Runtime.get().load_program(path, verification=Verification.InternalConsistency)


@contextmanager
def _load_errors(path: str) -> Iterator[None]:
    """Silence executorch within the block, and translate its errors."""
    torch = require("torch", "executorch")
    require_extra("executorch")
    try:
        with without_native_logs(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its Python runtime is marked experimental
            yield
    except ImportError as error:
        raise _other_torch(torch, error) from None
    except RuntimeError as error:
        version = importlib.metadata.version("executorch")
        raise ArtifactError(
            f"executorch {version} cannot load {path!r}: {last_line(error)}; "
            "upgrade executorch, or export the checkpoint again"
        ) from None


def _other_torch(torch: Any, error: ImportError) -> MissingExtraError:
    """executorch's native library only works with the torch minor version it was built for."""
    version = importlib.metadata.version("executorch")
    return MissingExtraError(
        f"executorch {version} was built for a torch other than {torch.__version__} "
        f"({last_line(error)}); run: pip install --upgrade 'squeezebert-mobile[executorch]'"
    )
