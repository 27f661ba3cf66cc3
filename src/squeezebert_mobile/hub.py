"""Local folders and Hugging Face Hub ids of checkpoints."""

import re
from pathlib import Path

from squeezebert_mobile.errors import CheckpointError, require

__all__ = ["DEMO", "DEMOS", "checkpoint_folder", "local_folder"]

DEMO = "demo"
#: The checkpoints that ship with the package: intent classification, slot filling (token
#: classification) and fill-mask.
DEMOS = (DEMO, "demo-slots", "demo-fill-mask")

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_PATTERNS = ("*.json", "*.txt", "*.safetensors", "pytorch_model*.bin")


def local_folder(name: str | Path) -> Path | None:
    """The folder with this name, or None if it can only be a Hub id.

    Raises:
        CheckpointError: it is neither.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{str(name)!r} is a file; give the folder that holds config.json")
    if not _HUB_ID.fullmatch(str(name)):
        raise CheckpointError(
            f"no such folder: {str(name)!r}; give a folder with config.json and model.safetensors, "
            "a Hub id like 'squeezebert/squeezebert-uncased', or 'demo'"
        )
    return None


def checkpoint_folder(name: str | Path) -> Path:
    """The local folder of a checkpoint; a Hub id such as ``user/model`` is downloaded.

    Raises:
        CheckpointError: there is no such folder, and the download fails.
    """
    if folder := local_folder(name):
        return folder
    hub = require("huggingface_hub", "export")
    try:
        return Path(hub.snapshot_download(str(name), allow_patterns=list(_PATTERNS)))
    except Exception as error:  # requests, HTTP, validation and cache errors have no common base
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"no folder {str(name)!r}, and the download from the Hub failed: {reason}; check the "
            "name and the network, or download the checkpoint and give its folder"
        ) from None
