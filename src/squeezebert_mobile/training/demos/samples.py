"""The labelled samples of the README: python -m squeezebert_mobile.training.demos.samples FOLDER

Two tables of generated sentences with their intents, to try `finetune` and `evaluate` with.
"""

import csv
import sys
from pathlib import Path

from squeezebert_mobile.training.demos.sentences import sentences

__all__ = ["SAMPLES", "write_samples"]

#: File name -> the split of the sentences, and their number per intent.
SAMPLES = {"train.csv": ("training", 12), "dev.csv": ("development", 8)}


def write_samples(folder: Path) -> None:
    """Write the tables, with the columns text and label, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (split, per_intent) in SAMPLES.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("text", "label"))
            rows.writerows(
                (each.text, each.intent) for each in sentences(split, per_intent=per_intent)
            )


if __name__ == "__main__":
    write_samples(Path(sys.argv[1]))
