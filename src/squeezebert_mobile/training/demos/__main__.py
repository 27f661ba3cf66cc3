"""Make the demo checkpoints: python -m squeezebert_mobile.training.demos NAME FOLDER

Small trained SqueezeBERTs, from generated sentences to folders in Hugging Face layout. The same
versions on the same machine write the same bytes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from squeezebert_mobile.models.checkpoint import DEMO
from squeezebert_mobile.training.demos.fill_mask import make_demo_fill_mask
from squeezebert_mobile.training.demos.intents import make_demo
from squeezebert_mobile.training.demos.slots import make_demo_slots

#: What the command makes, by name.
MAKERS = {
    DEMO: make_demo,
    "demo-slots": make_demo_slots,
    "demo-fill-mask": make_demo_fill_mask,
}


def main(arguments: Sequence[str]) -> None:
    """Write the demo that the command line names into the folder that it names."""
    if len(arguments) != 2 or arguments[0] not in MAKERS:
        names = "|".join(MAKERS)
        raise SystemExit(f"usage: python -m squeezebert_mobile.training.demos {names} FOLDER")
    held_out = MAKERS[arguments[0]](Path(arguments[1]))["held_out"]
    figures = {name: x for name, x in held_out.items() if isinstance(x, float)}
    shown = ", ".join(f"{name} {x:.3f}" for name, x in figures.items())
    print(f"{held_out['sentences']} held-out sentences: {shown}")


if __name__ == "__main__":
    main(sys.argv[1:])
