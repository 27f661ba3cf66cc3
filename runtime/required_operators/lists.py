"""The list of operators of some artifacts."""

from dataclasses import dataclass

__all__ = ["OperatorList"]


@dataclass(frozen=True)
class OperatorList:
    """The operators of some artifacts, as the build of their runtime reads them."""

    format: str
    operators: tuple[str, ...]  # "domain:name" (ONNX), "namespace::name" (ExecuTorch), sorted
    delegates: tuple[str, ...]  # that the runtime must have as well (ExecuTorch)
    text: str  # the content of the file
