"""int8 graphs: what is stored, how close it is, and which operators use it."""

import numpy as np
import onnx
import tiny
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.backends.onnx.graph import initializers
from squeezebert_mobile.export.backends.onnx.quantization import quantize
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.models.rewriting import rewrite


def _int8(task: str = "text-classification", **changes: int) -> onnx.ModelProto:
    model = rewrite(initialize(task, tiny.tiny_config(**changes)))
    return quantize(to_onnx(model, sequence_length=None))[0]


def _float_matrices(graph: onnx.ModelProto) -> list[str]:
    return [
        name
        for name, tensor in initializers(graph).items()
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
    ]


def test_only_a_small_classifier_and_the_token_types_stay_float_matrices() -> None:
    types = "model.base.embeddings.token_type.weight"
    assert _float_matrices(_int8("fill-mask")) == [types]
    assert _float_matrices(_int8("text-classification", num_labels=2000)) == [types]
    classifier, *others = sorted(_float_matrices(_int8()), key=lambda name: name == types)
    assert "classifier" in classifier
    assert others == [types]


def test_the_reasons_for_fp32_are_returned() -> None:
    fp32 = to_onnx(
        rewrite(initialize("text-classification", tiny.tiny_config())), sequence_length=None
    )
    _, kept = quantize(fp32)
    assert kept["classifier"] == "fp32: 192 bytes, nothing to gain"
    assert kept["token_type"] == "fp32: 288 bytes, nothing to gain"


def test_the_fp32_graph_does_not_change() -> None:
    fp32 = to_onnx(rewrite(initialize("fill-mask", tiny.tiny_config())), sequence_length=None)
    before = fp32.SerializeToString()
    quantize(fp32)
    assert fp32.SerializeToString() == before


def test_the_tied_decoder_reads_the_int8_table() -> None:
    stored = initializers(_int8("fill-mask"))
    tables = [name for name, t in stored.items() if set(t.dims) == {64, 24}]
    assert tables == ["model.base.embeddings.word.weight.int8"]


def test_every_product_of_the_encoder_is_one_integer_operator() -> None:
    graph = _int8("feature-extraction", num_hidden_layers=1)
    products = [node for node in graph.graph.node if node.op_type == "DynamicQuantizeMatMul"]
    # Query, key and value of 4 groups, which do not hold whole heads of 3; attention output;
    # 4 groups through the feed-forward; pooler.
    assert len(products) == 3 * 4 + 1 + 4 + 4 + 1
    assert all(len(node.input) == 5 and node.input[4] for node in products)  # its bias inside
    weights = initializers(graph)
    for node in products:
        values = numpy_helper.to_array(weights[node.input[1]])
        scales = numpy_helper.to_array(weights[node.input[2]])
        assert values.dtype == np.int8
        assert scales.shape == (values.shape[1],)


def _lookup(graph: onnx.ModelProto, table: str, ids: list[int]) -> NDArray[np.float32]:
    stored = initializers(graph)
    values, scales = (
        numpy_helper.to_array(stored[f"{table}.{kind}"]) for kind in ("int8", "scale")
    )
    return values[ids] * scales[ids, None]  # type: ignore[no-any-return]


def test_rows_of_the_embeddings_are_close() -> None:
    config = tiny.tiny_config()
    table = initialize("feature-extraction", config).embeddings.word.weight.detach()  # type: ignore[union-attr]
    rows = _lookup(_int8("feature-extraction"), "model.embeddings.word.weight", [5, 9, 63])
    theirs = table[[5, 9, 63]]
    cosine = torch.cosine_similarity(torch.from_numpy(rows), theirs)
    assert cosine.min() > 0.9999
