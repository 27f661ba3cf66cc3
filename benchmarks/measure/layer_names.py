"""Which layer of a model a node of an ONNX graph belongs to, by the node's name.

Exporters name a node by the path of its module and its operator:
`/model/base/layers.3/attention/groups.0/MatMul`, or `/bert/encoder/layer.3/attention/self/MatMul`.
"""

import re

__all__ = ["OTHER", "layer_of"]

#: Nodes outside of all modules: masks, and what a runtime has fused across modules.
OTHER = "other"
_LAYER = re.compile(r"(?:layers?|h|blocks?)[._](\d+)")
#: Modules that hold the others.
_WRAPPERS = frozenset({"model", "base", "encoder", "transformer"})
_FAMILY = re.compile(r"[a-z]*bert", re.IGNORECASE)


def layer_of(node: str) -> str:
    """A name such as embeddings, encoder.3.attention or classifier."""
    modules = node.strip("/").split("/")[:-1] if node.startswith("/") else []
    for index, module in enumerate(modules):
        if found := _LAYER.fullmatch(module):
            inside = modules[index + 1 : index + 2]
            return ".".join(["encoder", str(int(found[1])), *inside])
    named = [each for each in modules if each not in _WRAPPERS and not _FAMILY.fullmatch(each)]
    return named[0] if named else OTHER
