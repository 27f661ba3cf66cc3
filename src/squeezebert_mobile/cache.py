"""The folder for what this package can make again: downloads, baselines."""

from pathlib import Path

import platformdirs

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """Where this system keeps caches; not created yet."""
    return platformdirs.user_cache_path("squeezebert-mobile", appauthor=False, opinion=False)
