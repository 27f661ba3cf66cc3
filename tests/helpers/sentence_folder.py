"""Checkpoint folders of sentence-transformers, and the sentence vectors that follow from them.

python tests/helpers/sentence_folder.py    writes tests/golden/sentence_vectors.json, which the JVM
                                           tests read: the calls of CALLS, their runs and results,
                                           and each vector's similarity with itself reversed
"""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import runner_expectations
import torch
import transformers
from numpy.typing import NDArray

from squeezebert_mobile.artifact import SentenceVector
from squeezebert_mobile.artifact.spec import SimilarityFunction
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.runtime.tasks.similarity import similarities

GOLDEN = runner_expectations.ROOT / "tests/golden/sentence_vectors.json"
ARTIFACT = runner_expectations.GOLDEN / "artifacts" / "feature-extraction"
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
PROMPTS = {"query": "what is the ", "long": "a big cat sat on the mat at night "}

#: A sentence_vector of the manifest, and the options of the call.
CALLS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *(({"pooling": [mode], "normalize": False}, {}) for mode in MODES),
    ({"pooling": MODES, "normalize": True}, {}),
    ({"pooling": ["mean"], "normalize": True, "prompts": PROMPTS}, {"prompt_name": "query"}),
    *(
        (
            {
                "pooling": MODES,
                "normalize": False,
                "prompts": PROMPTS,
                "default_prompt": "long",
                "include_prompt": False,
            },
            options,
        )
        for options in ({}, {"prompt_name": "query"})
    ),
]


def write_modules(
    folder: Path,
    pooling: dict[str, Any] | None,
    *,
    kinds: tuple[str, ...] = ("Transformer", "Pooling", "Normalize"),
    package: str = "sentence_transformers.models",
    lengths: dict[str, Any] | None = None,
    prompts: dict[str, Any] | None = None,
) -> None:
    """Write modules.json and its files into a checkpoint; None leaves a file out."""
    paths = ["", *(f"{number}_{kind}" for number, kind in enumerate(kinds[1:], 1))]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"{package}.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    files = {
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": lengths,
        "config_sentence_transformers.json": prompts,
    }
    for name, content in files.items():
        if content is not None:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(content), encoding="utf-8")


@functools.cache
def _theirs(folder: Path) -> tuple[Any, Any]:
    model = transformers.AutoModel.from_pretrained(folder).eval()
    return transformers.AutoTokenizer.from_pretrained(folder), model


def their_hidden(folder: Path, text: str, max_length: int | None = None) -> torch.Tensor:
    """The last hidden state (S, H) of transformers' model, for texts up to its 40 tokens."""
    tokenizer, model = _theirs(folder)
    length = min(max_length or 40, 40)
    encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=length)
    with torch.inference_mode():
        return model(**encoded).last_hidden_state[0]  # type: ignore[no-any-return]


def pooled(hidden: torch.Tensor, mode: str, skipped: int = 0) -> torch.Tensor:
    """The rule of sentence-transformers' Pooling, on one text without padding."""
    mask = (torch.arange(len(hidden)) >= skipped)[:, None].to(hidden.dtype)  # (S, 1)
    weights = torch.arange(1, len(hidden) + 1, dtype=hidden.dtype)[:, None]
    match mode:
        case "cls":
            return hidden[skipped]
        case "max":
            return hidden.masked_fill(mask == 0, float("-inf")).max(dim=0).values
        case "mean":
            return (hidden * mask).sum(dim=0) / mask.sum()
        case "mean_sqrt_len_tokens":
            return (hidden * mask).sum(dim=0) / mask.sum().sqrt()
        case "weightedmean":
            return (hidden * mask * weights).sum(dim=0) / (mask * weights).sum()
        case "lasttoken":
            return hidden[-1]
    raise ValueError(mode)


def _similarities(vector: NDArray[np.float32]) -> dict[str, float]:
    """The similarity of a vector with itself reversed, by each function."""
    return {
        name: similarities(name, vector[None], vector[None, ::-1]).item()
        for name in get_args(SimilarityFunction)
    }


def golden() -> list[dict[str, Any]]:
    """The runs and results of CALLS."""
    records = []
    with load_artifact(ARTIFACT, threads=1) as model:
        for settings, options in CALLS:
            vector = SentenceVector.model_validate(settings)
            pipeline = dataclasses.replace(
                model, spec=dataclasses.replace(model.spec, sentence_vector=vector)
            )
            call = {"texts": "play a song, stop the music", "token_vectors": True} | options
            result, runs = runner_expectations.record_call(pipeline, call)
            records.append(
                {
                    "sentence_vector": settings,
                    "call": call,
                    "result": result,
                    "runs": runs,
                    "similarities": _similarities(np.array(result["sentence"], np.float32)),
                }
            )
    return records


if __name__ == "__main__":
    runner_expectations.write_json(golden(), GOLDEN)
