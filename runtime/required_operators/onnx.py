"""ONNX Runtime's configuration of required operators and types.

ONNX Runtime fuses operators when it loads a model, into ones that the file does not have. So the
list is read from what it makes of the model at every level of optimization.
"""

import importlib
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from squeezebert_mobile.runtime.required_operators.lists import OperatorList
from squeezebert_mobile.runtime.sessions.onnx import open_inference

__all__ = ["list_operators"]

_LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
#: Rewrites convolutions for the caches of x86.
_ONLY_ON_X86 = ["NchwcTransformer"]


def list_operators(models: Sequence[Path], title: str) -> OperatorList:
    """The operators of these model files, with a line for each domain and version.

    Raises:
        ArtifactError: onnxruntime cannot load a model.
    """
    ort: Any = importlib.import_module("onnxruntime")
    tools: Any = importlib.import_module("onnxruntime.tools.ort_format_model")
    required: dict[str, dict[int, set[str]]] = {}  # domain -> version -> operators
    types = _Types(tools.OperatorTypeUsageManager())
    with tempfile.TemporaryDirectory() as folder:
        for file in _optimized(ort, models, Path(folder) / "model.ort"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # the tool closes no file
                tools.OrtFormatModelProcessor(str(file), required, types).process()
    lines = [
        title,
        f"# as onnxruntime {ort.__version__} runs them; build with --include_ops_by_config FILE "
        "--enable_reduced_operator_type_support",
    ]
    lines += [
        f"{domain};{version};{','.join(name + types.of(domain, name) for name in sorted(names))}"
        for domain, versions in sorted(required.items())
        for version, names in sorted(versions.items())
    ]
    operators = {
        f"{domain}:{name}"
        for domain, versions in required.items()
        for names in versions.values()
        for name in names
    }
    return OperatorList("onnx", tuple(sorted(operators)), (), "\n".join(lines) + "\n")


def _optimized(ort: Any, models: Iterable[Path], file: Path) -> Iterator[Path]:
    """Each model as optimized at each level, in ONNX Runtime's own format, one after another."""
    for model in models:
        for level in _LEVELS:
            options = ort.SessionOptions()
            options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
            options.optimized_model_filepath = str(file)
            options.add_session_config_entry("session.save_model_format", "ORT")
            open_inference(model, options, disabled_optimizers=_ONLY_ON_X86)
            yield file


class _Types:
    """The types of each operator, as ONNX Runtime's tool records them.

    It does not know all types, such as int4. An operator of another type gets none, so that a build
    keeps it for all types.
    """

    def __init__(self, recorded: Any) -> None:
        self._recorded = recorded
        self._unknown = defaultdict[str, set[str]](set)  # domain -> operators

    def process_node(self, node: Any, value_types: dict[str, Any]) -> None:
        """Record the types of a node; OrtFormatModelProcessor calls this."""
        try:
            self._recorded.process_node(node, value_types)
        except (KeyError, RuntimeError, ValueError):
            self._unknown[node.Domain().decode() or "ai.onnx"].add(node.OpType().decode())

    def of(self, domain: str, name: str) -> str:
        """What follows the name of an operator in the list."""
        if name in self._unknown[domain]:
            return ""
        return self._recorded.get_config_entry(domain, name) or ""
