"""What `inspect` prints about a checkpoint."""

from typing import TYPE_CHECKING

from squeezebert_mobile.cli.printing.tables import (
    architecture,
    groups,
    make_table,
    parameter_count,
    print_facts,
    sentence_vector,
)
from squeezebert_mobile.streams import Console

if TYPE_CHECKING:
    from squeezebert_mobile.export.inspection import CheckpointFacts  # needs torch

__all__ = ["print_checkpoint"]


def _tokenizer(facts: "CheckpointFacts") -> str:
    """Why there is none; empty if an export can read it."""
    error = facts.tokenizer_error
    return f"missing or damaged, so that an export is refused: {error}" if error else ""


def print_checkpoint(facts: "CheckpointFacts", console: Console) -> None:
    """Print heads, parameters, layers, and the expected size in each format and precision."""
    console.print(facts.name, highlight=False, soft_wrap=True)
    console.print(architecture(facts.model))
    print_facts(
        console,
        {
            "task": facts.task,
            "heads": ", ".join(facts.heads),
            "license": facts.license or "not stated",
            "groups": groups(facts.model),
            "labels": ", ".join(facts.labels) if "classification" in facts.task else "",
            "longest input": f"{facts.max_sequence_length} tokens",
            "sentence vector": sentence_vector(facts.sentence_vector),
            "tokenizer": _tokenizer(facts),
            "vocabulary": f"{facts.model.vocab_size} tokens",
        },
    )
    parts = make_table("part", "parameters", "float32 MB")
    for name, part in facts.parts.items():
        parts.add_row(name, parameter_count(part.parameters), f"{part.bytes / 1e6:.2f}")
    layers = make_table("layer", "shape", "groups", "count", "parameters", "multiply-adds/token")
    for layer in facts.operators:
        layers.add_row(
            layer.kind,
            " x ".join(map(str, layer.shape)),
            str(layer.groups),
            str(layer.count),
            f"{layer.parameters:,}",
            f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
        )
    precisions = facts.expected_bytes["onnx"]  # the only format with every precision
    sizes = make_table("expected MB of weights", *precisions)
    for name, expected in facts.expected_bytes.items():
        cells = (f"{expected[p] / 1e6:.2f}" if p in expected else "" for p in precisions)
        sizes.add_row(name, *cells)
    console.print(parts, layers, sizes)
    console.print(
        "int8 and int4 are larger if some parts would change the answers too much: an export "
        "stores those in higher precision, and lists them. An ONNX model then has at most "
        f"{facts.largest_bytes / 1e6:.2f} MB.",
        highlight=False,
    )
