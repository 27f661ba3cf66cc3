"""Names of checkpoints: demos, local folders, and Hub ids with a revision."""

import json
import re
import stat
from pathlib import Path, PurePosixPath

from squeezebert_mobile.errors import CheckpointError, choose, is_unicode
from squeezebert_mobile.files import read_regular
from squeezebert_mobile.formats import is_artifact

__all__ = [
    "CONFIG_FILE",
    "DEMO",
    "DEMOS",
    "MODULES_FILE",
    "PRESETS",
    "check_has_config",
    "check_revision",
    "first_module",
    "is_preset",
    "is_shipped",
    "local_folder",
]

CONFIG_FILE = "config.json"
DEMO = "demo"
#: The checkpoints that ship with the package: intent classification, slot filling (token
#: classification) and fill-mask.
DEMOS = (DEMO, "demo-slots", "demo-fill-mask")
#: Published architectures, built with random weights.
PRESETS = ("preset:squeezebert-base", "preset:bert-base")

#: The modules of a checkpoint of sentence-transformers, and their folders.
MODULES_FILE = "modules.json"

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_HUB_PAGE = re.compile(r"https?://[^/]+/([\w.-]+/[\w.-]+)(?:/(?:tree|blob|resolve)/([^/]+).*)?/?")
_NO_GIT_REF = re.compile(r"[\s~^:?*\[\\]|\.\.|^[/-]|/$|^$")


def is_preset(name: str | Path) -> bool:
    """Whether this is the name of a preset.

    Raises:
        CheckpointError: it begins like one, but there is no such preset.
    """
    if not str(name).startswith("preset:"):
        return False
    if name not in PRESETS:
        raise CheckpointError(choose("preset", str(name), PRESETS))
    return True


def is_shipped(name: str | Path) -> bool:
    """Whether this is the name of a demo or a preset, which are parts of this package.

    Raises:
        CheckpointError: it begins like a preset, but there is no such preset.
    """
    return name in DEMOS or is_preset(name)


def local_folder(name: str | Path) -> Path | None:
    """The folder with this name, or None if it can only be a Hub id.

    In an older checkpoint of sentence-transformers it is the subfolder with the weights, such as
    ``0_Transformer``.

    Raises:
        CheckpointError: it is neither, or has no such subfolder.
    """
    folder = Path(name)
    try:
        if stat.S_ISDIR(folder.stat().st_mode):
            _check_unicode(folder)
            return _encoder_folder(folder)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise CheckpointError(
            f"{str(name)!r} cannot be read: {error.strerror}; give a folder that holds config.json"
        ) from None
    else:
        raise CheckpointError(f"{str(name)!r} is a file; give the folder that holds config.json")
    if page := _HUB_PAGE.fullmatch(str(name)):
        revision = f" --revision {page[2]}" if page[2] else ""
        raise CheckpointError(
            f"{str(name)!r} is an address; give the Hub id alone: {page[1]}{revision}"
        )
    if not _HUB_ID.fullmatch(str(name)):
        raise CheckpointError(
            f"no such folder: {str(name)!r}; give a folder with config.json and model.safetensors, "
            "a Hub id like 'squeezebert/squeezebert-uncased', or 'demo'"
        )
    return None


def check_has_config(folder: Path) -> None:
    """Check that a checkpoint's folder has a config.json, which says what its model is.

    Raises:
        CheckpointError: it has none.
    """
    try:
        (folder / CONFIG_FILE).stat()
    except FileNotFoundError:
        kind = "an artifact, not a" if is_artifact(folder) else "not a"
        raise CheckpointError(
            f"{str(folder)!r} is {kind} checkpoint: it has no {CONFIG_FILE}; give a folder with "
            f"{CONFIG_FILE} and model.safetensors"
        ) from None
    except OSError:
        pass  # the reader of the file says why it cannot be read


def first_module(folder: Path) -> str | None:
    """The path of the first module that the modules.json in `folder` lists; None if it has none."""
    try:
        path = json.loads(read_regular(folder / MODULES_FILE).decode("utf-8-sig"))[0]["path"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return None
    return path if isinstance(path, str) else None


def _encoder_folder(folder: Path) -> Path:
    """The folder with config.json: the one that modules.json names, if `folder` has none."""
    if (folder / CONFIG_FILE).exists() or (name := first_module(folder)) is None:
        return folder  # the reader of config.json reports that there is none
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        return folder
    if not (folder / path / CONFIG_FILE).is_file():
        raise CheckpointError(
            f"{str(folder)!r} has no {CONFIG_FILE}, nor has its folder {str(path)!r:.80}, which "
            f"{MODULES_FILE} names; copy the checkpoint with its folders"
        )
    return folder / path


def _check_unicode(folder: Path) -> None:
    if not is_unicode(str(folder)):
        raise CheckpointError(
            f"{str(folder)!r} has bytes that are not UTF-8, so that safetensors cannot open its "
            "files; rename the folder"
        )


def check_revision(name: str | Path, revision: str | None) -> None:
    """Check that a checkpoint can have this revision; None is the default branch of a Hub id.

    Raises:
        CheckpointError: it is not the name of a revision, or the checkpoint is not a Hub id.
    """
    if revision is None:
        return
    if _NO_GIT_REF.search(revision):
        raise CheckpointError(
            f"the revision {revision!r} cannot be a branch, a tag or a commit of a Hub repository; "
            "give one of these"
        )
    shipped = is_shipped(name)
    if shipped or local_folder(name):
        raise CheckpointError(
            f"the revision {revision!r} is for a Hub id, but {str(name)!r} is "
            f"{'part of this package' if shipped else 'a folder'}; leave the revision out"
        )
