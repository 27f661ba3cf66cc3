"""Small trainings: data for every task, and fine-tuning from files to files in seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from labelled import squad
from safetensors.torch import load_file

from squeezebert_mobile.training.finetuning import finetune_checkpoint

__all__ = [
    "CONTEXT",
    "FILES",
    "TABLE",
    "run_in_two_processes",
    "same_weights",
    "tune",
    "weights",
]

CONTEXT = "the clock is past six yes the dog is big at night"
#: Six labelled texts as JSONL.
TABLE = "".join(
    json.dumps({"text": text, "label": label}) + "\n"
    for text, label in (
        *(("wake me at six", "alarm"), ("is it cold", "weather"), ("set the alarm", "alarm")),
        *(("what rain at night", "weather"), ("wake me", "alarm"), ("sun is what", "weather")),
    )
)
#: By task: the name of a data file, and its text.
FILES = {
    "text-classification": ("data.jsonl", TABLE),
    "token-classification": ("data.conll", "wake O\nme O\nat O\nsixing B-time\n\nstop O\n"),
    "question-answering": (
        "data.json",
        squad([{"question": "what is big", "answers": ["the dog"]}], CONTEXT),
    ),
    "multiple-choice": (
        "data.jsonl",
        '{"text": "it is cold", "choices": ["rain", "a song to play"], "label": 1}\n',
    ),
    "fill-mask": ("data.txt", "wake me at six\nis it cold\n"),
}


def tune(checkpoint: Path | str, data: Path, folder: Path, **options: Any) -> dict[str, Any]:
    """Fine-tune with a few steps of two examples; `options` replace the defaults."""
    defaults = {"task": "text-classification", "epochs": 2, "batch_size": 2, "learning_rate": 1e-2}
    return finetune_checkpoint(checkpoint, data, folder, **(defaults | options))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint, by name."""
    return load_file(folder / "model.safetensors")


def same_weights(a: Path, b: Path) -> bool:
    """Whether two checkpoints have the same weights, bit for bit."""
    ours, theirs = weights(a), weights(b)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def run_in_two_processes(
    checkpoint: Path, data: Path, folder: Path, *options: str
) -> dict[str, Any]:
    """Fine-tune with torchrun; the result is the contents of training.json."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    launch += ["--nproc-per-node=2", "-m", "squeezebert_mobile", "finetune"]
    words = [str(checkpoint), str(data), "-o", str(folder), *options, "--json"]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *launch, *words], env=one_thread, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results: dict[str, Any] = json.loads(done.stdout)
    return results
