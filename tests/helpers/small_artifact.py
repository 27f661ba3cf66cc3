"""An artifact with placeholder files, for tests that do not run it."""

import json
from pathlib import Path

from squeezebert_mobile.artifact import (
    Golden,
    GoldenOutput,
    GoldenText,
    Manifest,
    ModelFacts,
    OutputParity,
    Parity,
    Part,
    Source,
    TensorSpec,
    file_facts,
    write_json,
)
from squeezebert_mobile.formats import FORMATS
from squeezebert_mobile.tasks import INPUT_NAMES


def _golden() -> Golden:
    output = GoldenOutput(shape=(1, 2), indices=(0, 1), values=(0.5, -0.5), top=(0,))
    text = GoldenText(
        texts=(("no",),),
        input_ids=((0,),),
        attention_mask=((1,),),
        token_type_ids=((0,),),
        outputs={"logits": output},
    )
    return Golden(schema_version=1, tolerance={"logits": 0.1}, texts=(text,))


def write_small_artifact(
    folder: Path, *, model: bytes = b"not a model" * 10, format: str = "onnx"
) -> Manifest:
    folder.mkdir()
    (folder / FORMATS[format].file).write_bytes(model)
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a")
    vocab = {word: index for index, word in enumerate(words)}
    described = {"model": {"type": "WordPiece", "vocab": vocab}}
    (folder / "tokenizer.json").write_text(json.dumps(described))
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    write_json(_golden(), folder / "golden.json")
    groups = dict.fromkeys(
        ("query", "key", "value", "attention_output", "intermediate", "output"), 1
    )
    parity = OutputParity(max_abs_diff=0, mean_cosine=1, min_cosine=1, tolerance="")
    manifest = Manifest(
        schema_version=1,
        task="text-classification",
        labels=("no", "yes"),
        model=ModelFacts(
            type="bert", layers=1, hidden=8, heads=2, groups=groups, parameters=1, vocab_size=6
        ),
        parts={"head": Part(parameters=1, checkpoint_bytes=4, bytes=1)},
        weights="random",
        format=format,
        precision="fp32",
        inputs=tuple(
            TensorSpec(name=name, dtype="int64", axes=("batch", "sequence")) for name in INPUT_NAMES
        ),
        outputs=(TensorSpec(name="logits", dtype="float32", axes=("batch", 2)),),
        max_sequence_length=8,
        source=Source(name="small", sha256="0" * 64),
        quantization=None,
        operators={"Gemm": 1},
        files={path.name: file_facts(path) for path in sorted(folder.iterdir())},
        parity=Parity(
            outputs={"logits": parity}, top1_agreement=1, answers=1, answers_undecided=0, texts=1
        ),
        versions={},
    )
    write_json(manifest, folder / "manifest.json")
    return manifest
