"""The artifact: the folder that an export writes and all other parts read.

    manifest.json     the model, its export, and its accuracy against the checkpoint
    model.onnx | model.pte | model.tflite | model.pt
    model.onnx.data   the weights of a large ONNX model, which refers to this file
    tokenizer.json, vocab.txt
    golden.json       eight texts with this artifact's own outputs, for a self-check

This package is the complete contract: the two JSON files as pydantic models, the formats, and
reading with all checks (`read_artifact`).
"""

from squeezebert_mobile.artifact.golden import GOLDEN_FILE, Golden, GoldenOutput, GoldenText
from squeezebert_mobile.artifact.manifest import (
    MANIFEST_FILE,
    SCHEMA_VERSION,
    Accuracy,
    FileFacts,
    Manifest,
    ModelFacts,
    OutputParity,
    Parity,
    Part,
    Quantization,
    Source,
)
from squeezebert_mobile.artifact.reading import (
    check_unchanged,
    file_facts,
    read_artifact,
    read_golden,
    read_manifest,
    read_with_checksums,
    reading_artifact,
    replaced,
    sha256_of,
    write_json,
)
from squeezebert_mobile.artifact.spec import ModelSpec, SentenceVector, TensorSpec
from squeezebert_mobile.formats import FORMATS, Format, FormatFacts, Precision

__all__ = [
    "FORMATS",
    "GOLDEN_FILE",
    "MANIFEST_FILE",
    "SCHEMA_VERSION",
    "Accuracy",
    "FileFacts",
    "Format",
    "FormatFacts",
    "Golden",
    "GoldenOutput",
    "GoldenText",
    "Manifest",
    "ModelFacts",
    "ModelSpec",
    "OutputParity",
    "Parity",
    "Part",
    "Precision",
    "Quantization",
    "SentenceVector",
    "Source",
    "TensorSpec",
    "check_unchanged",
    "file_facts",
    "read_artifact",
    "read_golden",
    "read_manifest",
    "read_with_checksums",
    "reading_artifact",
    "replaced",
    "sha256_of",
    "write_json",
]
