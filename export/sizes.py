"""What a model is made of: parameters and bytes of its embeddings, its encoder and its head."""

from onnx import ModelProto

from squeezebert_mobile.artifact import Part
from squeezebert_mobile.export.model import PretrainedModel

__all__ = ["parts_of"]

FLOAT_BYTES = 4


def _part(name: str) -> str:
    """The part that a weight belongs to, by the name of the module it came from."""
    if "embeddings" in name:
        return "embeddings"
    return "encoder" if "layers." in name else "head"


def parts_of(model: PretrainedModel, graph: ModelProto) -> dict[str, Part]:
    """Each part in the checkpoint's float32, and as the graph stores it."""
    parameters = {"embeddings": 0, "encoder": 0, "head": 0}
    stored = dict(parameters)
    for name, parameter in model.named_parameters():
        parameters[_part(name)] += parameter.numel()
    for tensor in graph.graph.initializer:
        stored[_part(tensor.name)] += tensor.ByteSize()
    return {
        part: Part(parameters=count, checkpoint_bytes=count * FLOAT_BYTES, bytes=stored[part])
        for part, count in parameters.items()
    }
