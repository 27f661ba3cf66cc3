"""Simplification with onnxsim, which gets the weight matrices as inputs.

onnxsim holds a graph several times while it works: as a message and as bytes, before and after, and
in a form of its own. It changes no matrix by which computed values are multiplied or in which they
are looked up, so these are kept out of it, which saves memory and time.
"""

import onnxsim
from onnx import ModelProto, TensorProto

from squeezebert_mobile.export.backends.onnx.graph import (
    consumers,
    copy_with_inputs,
    put_back,
)

__all__ = ["simplify"]

#: Products stay separate from their bias: as a Gemm each would need reshapes around it, and a
#: merged product would lose the name of its module. A bias of zeros stays as well: a preset must
#: cost as much as a trained checkpoint.
_SKIPPED = [
    "eliminate_nop_with_unit",
    "fuse_matmul_add_bias_into_gemm",
    "fuse_matmul_add_bias_into_gemm_batched",
    "fuse_qkv",
]
#: Which input of an operator may be a matrix that is kept apart, and which is the computed one.
_PLACES = {"MatMul": (1, 0), "Gather": (0, 1)}


def simplify(graph: ModelProto) -> ModelProto:
    """The simplified form of a traced graph, which does not change."""
    matrices = _matrices(graph)
    simplified: ModelProto
    simplified, _ = onnxsim.simplify(
        copy_with_inputs(graph, matrices), check_n=0, skipped_optimizers=_SKIPPED
    )
    inputs = [value for value in simplified.graph.input if value.name not in matrices]
    del simplified.graph.input[:]
    simplified.graph.input.extend(inputs)
    put_back(simplified, matrices.values(), [t.name for t in graph.graph.initializer])
    return simplified


def _matrices(graph: ModelProto) -> dict[str, TensorProto]:
    """The stored matrices that every reader multiplies by, or looks up, what inputs decide.

    torch.onnx.export has stored equal ones once already, as onnxsim would.
    """
    found = {tensor.name: tensor for tensor in graph.graph.initializer if len(tensor.dims) == 2}
    computed = _computed(graph)
    for name, readers in consumers(graph).items():
        for node in readers:
            ours, other = _PLACES.get(node.op_type, (None, None))
            if ours is None or node.input[ours] != name or node.input[other] not in computed:
                found.pop(name, None)
    return found


def _computed(graph: ModelProto) -> set[str]:
    """The values that depend on what is in the inputs, and not only on their shapes."""
    computed = {value.name for value in graph.graph.input}
    for node in graph.graph.node:
        if node.op_type != "Shape" and computed.intersection(node.input):
            computed.update(node.output)
    return computed
