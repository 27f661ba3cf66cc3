"""`make demo`: export, run and benchmark as a user would, in a temporary folder."""

import os
import shlex
import tempfile

from squeezebert_mobile.cli import app
from squeezebert_mobile.streams import Console

__all__ = ["COMMANDS", "main"]

COMMANDS = (
    ("export", "demo", "-o", "assistant-int8"),
    (
        "run",
        "assistant-int8",
        "wake me at half past six",
        "how long to the airport",
        "will it rain in Lisbon tomorrow",
        "tell Maria I am running late",
        "play something quiet",
    ),
    ("export", "preset:squeezebert-base", "-o", "squeezebert-int8"),
    ("bench", "squeezebert-int8", "--preset", "rapid"),
)


def main() -> None:
    """Print and run each command."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for command in COMMANDS:
            line = shlex.join(("squeezebert-mobile", *command))
            console.print()
            console.print(f"$ {line}", style="bold", highlight=False, soft_wrap=True)
            app(list(command), standalone_mode=False)
        os.chdir(os.path.dirname(folder))  # Windows cannot remove the working directory


if __name__ == "__main__":
    main()
