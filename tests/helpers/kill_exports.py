"""Runs exports over an existing artifact and kills each at a random moment; run as a script.

Each export is forked from one process that has imported everything. Otherwise most kills would hit
imports.

    python kill_exports.py FOLDER COUNT SEED

FOLDER contains two checkpoints, `one` and `two`. Prints JSON: after each kill, which checkpoint's
artifact is there and how many partial folders; and what is left in FOLDER after a last export that
is not killed.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from squeezebert_mobile.artifact import read_artifact
from squeezebert_mobile.export import export_checkpoint

TEXTS = ["wake me at six", "play music", "what time is it", "is it cold"] * 2

torch.set_num_threads(1)  # a fork has no threads of its parent, and would wait for them


def _export(folder: Path, checkpoint: str) -> None:
    export_checkpoint(folder / checkpoint, folder / "artifact", texts=TEXTS, force=True)


def _forked(folder: Path, checkpoint: str) -> int:
    process = os.fork()
    if process == 0:
        _export(folder, checkpoint)
        os._exit(0)
    return process


def main(folder: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    _export(folder, "one")
    start = time.monotonic()
    os.waitpid(_forked(folder, "two"), 0)
    duration = time.monotonic() - start
    outcomes = []
    for number in range(count):
        process = _forked(folder, ("one", "two")[number % 2])
        # Half of the kills are near the end, when the folders are swapped.
        delay = duration * chance.uniform(*((0, 1.1), (0.8, 1.1))[number // 2 % 2])
        time.sleep(delay)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):  # it was faster: other load on the machine has ended
            duration = min(duration, delay)
        outcomes.append(
            {
                "killed": os.WIFSIGNALED(status),
                "expected": ("one", "two")[number % 2],
                "found": read_artifact(folder / "artifact").source.name,
                "partial": len(list(folder.glob(".artifact.partial-*"))),
            }
        )
    _export(folder, "one")
    left = sorted(path.name for path in folder.iterdir())
    print(json.dumps({"outcomes": outcomes, "left": left}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
