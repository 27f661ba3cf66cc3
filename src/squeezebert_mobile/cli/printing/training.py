"""What `finetune` prints at the end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from squeezebert_mobile.cli.printing.tables import make_table
from squeezebert_mobile.streams import Console

__all__ = ["print_training"]


def print_training(results: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Print the loss and score of each epoch, and mark the epoch whose weights were kept."""
    columns = [name for name in results["best"] if name != "epoch"]
    table = make_table("epoch", *columns, "")
    for epoch in results["epochs"]:
        mark = "kept" if epoch == results["best"] else ""
        table.add_row(str(epoch["epoch"]), *(_cell(epoch[name]) for name in columns), mark)
    console.print(table)
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"
