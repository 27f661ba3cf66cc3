"""The cache folder, for files that can be created again: downloads, baselines."""

from pathlib import Path

import platformdirs

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """The platform's cache folder for this package; it may not exist yet."""
    return platformdirs.user_cache_path("squeezebert-mobile", appauthor=False, opinion=False)
