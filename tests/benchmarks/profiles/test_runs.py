"""The layer of an operator."""

import pytest

from squeezebert_mobile.benchmarks.profiles.runs import layer_of


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("/model/base/layers.3/attention/groups.0/MatMul", "encoder.3.attention"),
        ("/model/base/layers.11/Add", "encoder.11"),
        ("/model/base/embeddings/word/Gather.cast", "embeddings"),
        ("/model/base/pooler/Gemm", "pooler"),
        ("/model/classifier/Gemm", "classifier"),
        ("/model/base/Equal", "other"),
        ("norm.tokens", "other"),
        ("", "other"),
        ("/", "other"),
        ("/bert/encoder/layer.7/attention/self/query/MatMul", "encoder.7.attention"),
        ("/distilbert/transformer/layer.0/ffn/lin1/MatMul", "encoder.0.ffn"),
        ("/model/base/layers.2/attention/MatMul/MatmulTransposeFusion/", "encoder.2.attention"),
        ("Attention_0", "other"),
        ("/h.4/mlp/MatMul", "encoder.4.mlp"),
    ],
)
def test_the_layer_of_a_node(node: str, layer: str) -> None:
    assert layer_of(node) == layer
