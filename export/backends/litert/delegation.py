"""Which operators of a file XNNPACK runs; LiteRT's own kernels run the others."""

from collections import Counter
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.runtime.sessions.base import last_line
from squeezebert_mobile.runtime.sessions.native_logs import without_native_logs

__all__ = ["delegated_operators"]


def delegated_operators(path: Path) -> dict[str, int]:
    """Operator -> count, of those that XNNPACK takes in the first subgraph of a file.

    All subgraphs have the same operators, for other lengths, on which XNNPACK's choice does not
    depend.

    Raises:
        ExportError: LiteRT cannot run the file.
    """
    with without_native_logs():
        try:
            # Each operator that is taken then becomes a node of its own, with the same results.
            interpreter = Interpreter(
                str(path), num_threads=1, experimental_disable_delegate_node_fusion=True
            )
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ExportError(
                f"LiteRT cannot run the exported model: {last_line(error)}; export it with "
                "--format onnx or executorch"
            ) from None
        nodes = interpreter._get_ops_details()
    taken = {tuple(node["outputs"]) for node in nodes if node["op_name"] == "DELEGATE"}
    names = (node["op_name"] for node in nodes if tuple(node["outputs"]) in taken)
    counts = Counter(name for name in names if name != "DELEGATE")
    return dict(sorted(counts.items()))
