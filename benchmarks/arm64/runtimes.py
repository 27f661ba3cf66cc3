"""The runtimes that count, each in a pinned version for ARM64."""

from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.errors import BenchmarkError, choose

__all__ = ["RUNTIMES", "Runtime", "check_kind"]

_REQUIREMENTS = Path(__file__).parent / "requirements"


@dataclass(frozen=True)
class Runtime:
    """A runtime in one version."""

    name: str
    version: str
    suffix: str  # of the model files that it runs
    variant: str = ""  # an option that is not the default

    @property
    def label(self) -> str:
        """The name, version and variant."""
        return f"{self.name} {self.version} {self.variant}".rstrip()

    @property
    def requirements(self) -> Path:
        """The file of its packages with their checksums."""
        return _REQUIREMENTS / f"{self.name}-{self.version}.txt"


#: The first one of a format is the oldest that the artifacts support, and the one of --check.
RUNTIMES = (
    Runtime("onnxruntime", "1.26.0", ".onnx"),
    Runtime("onnxruntime", "1.32.0", ".onnx"),
    Runtime("executorch", "1.5.1", ".pte"),
    Runtime("litert", "2.3.0", ".tflite"),
    Runtime("litert", "2.3.0", ".tflite", "fp16"),
)


def check_kind(model: Path) -> None:
    """Check that a runtime runs this kind of model file.

    Raises:
        BenchmarkError: none does.
    """
    suffixes = [runtime.suffix for runtime in RUNTIMES]
    if model.suffix not in suffixes:
        reason = choose("kind of model file", model.suffix, suffixes)
        raise BenchmarkError(f"{str(model)!r} cannot be counted: {reason}")
