"""Train a demo checkpoint: python -m squeezebert_mobile.training.demos NAME FOLDER

A demo is a small SqueezeBERT, trained on generated sentences, in a folder in Hugging Face layout.
The same library versions on the same machine write the same bytes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from squeezebert_mobile.models.checkpoint import DEMO
from squeezebert_mobile.streams import print_line
from squeezebert_mobile.training.demos.fill_mask import make_demo_fill_mask
from squeezebert_mobile.training.demos.intents import make_demo
from squeezebert_mobile.training.demos.slots import make_demo_slots

#: The function that makes each demo, by its name.
MAKERS = {
    DEMO: make_demo,
    "demo-slots": make_demo_slots,
    "demo-fill-mask": make_demo_fill_mask,
}


def main(arguments: Sequence[str]) -> None:
    """Make the demo called `arguments[0]` in the folder `arguments[1]`."""
    if len(arguments) != 2 or arguments[0] not in MAKERS:
        names = "|".join(MAKERS)
        raise SystemExit(f"usage: python -m squeezebert_mobile.training.demos {names} FOLDER")
    held_out = MAKERS[arguments[0]](Path(arguments[1]))["held_out"]
    metrics = {name: value for name, value in held_out.items() if isinstance(value, float)}
    listed = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
    print_line(f"{held_out['sentences']} held-out sentences: {listed}")


if __name__ == "__main__":
    main(sys.argv[1:])
