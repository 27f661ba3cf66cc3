"""Download of checkpoints from the Hub into the cache of huggingface_hub."""

import glob
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from squeezebert_mobile.errors import CheckpointError, require
from squeezebert_mobile.hub.errors import hub_error, is_final, named_errors, unknown_revision
from squeezebert_mobile.hub.names import CONFIG_FILE, check_revision, local_folder
from squeezebert_mobile.hub.repository import WEIGHT_FILES, settings_of, weight_file, weights_of
from squeezebert_mobile.progress import Progress, silent

__all__ = ["checkpoint_folder", "settings_folder"]

_LOG = logging.getLogger(__name__)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT = 10  # seconds, as in huggingface_hub for files
_BUSY = {429, 500, 502, 503, 504}
_WAITS = (1, 2, 4)  # seconds before another attempt
_LONGEST_WAIT = 30  # seconds; if the Hub asks for more, the user should know


def checkpoint_folder(
    name: str | Path,
    *,
    revision: str | None = None,
    progress: Progress = silent,
    check: Callable[[Path], object] = lambda folder: None,
) -> Path:
    """The local folder of a checkpoint; the files of a Hub id are downloaded if they are not there.

    Args:
        name: A folder, or a Hub id such as ``user/model``.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.
        progress: Shows the download of the weights.
        check: Called with the folder before weights are downloaded; may raise CheckpointError.

    Raises:
        CheckpointError: there is no such folder or repository, or the download fails.
    """
    check_revision(name, revision)
    if folder := local_folder(name):
        return folder
    return _Download(str(name), revision).folder(check, progress)


def settings_folder(name: str | Path, *, revision: str | None = None) -> Path:
    """The local folder of a checkpoint, as `checkpoint_folder`, but without its weights."""
    check_revision(name, revision)
    return local_folder(name) or _Download(str(name), revision).folder(None, silent)


class _Download:
    """The files of one revision of a repository, in the cache or from the Hub."""

    def __init__(self, name: str, revision: str | None) -> None:
        self.name, self.revision = name, revision
        self.what = f"{name!r} at revision {revision!r}" if revision else repr(name)
        self.hub = require("huggingface_hub", "export")

    def folder(self, check: Callable[[Path], object] | None, progress: Progress) -> Path:
        """The folder; without weights if `check` is None, which is called before they are there."""
        if folder := self._pinned(check):
            return folder
        try:
            commit, files = self._list()
        except Exception as error:  # httpx, HTTP and validation errors have no common base
            return self._from_cache(error, check)
        self._check_names(files, check)
        settings = settings_of(files)
        folder = self._get(settings, self.revision)
        if folder.name != commit:  # the branch has moved on in this moment
            return _Download(self.name, folder.name).folder(check, progress)
        self._check_digests(folder, {name: files[name] for name in settings})
        if check is None:
            return folder
        with named_errors(self.name, folder):
            check(folder)
        self._get_weights(folder, files, progress)
        return folder

    def _pinned(self, check: Callable[[Path], object] | None) -> Path | None:
        """The folder of a commit that is complete in the cache: a commit never changes."""
        if not _COMMIT.fullmatch(self.revision or ""):
            return None
        folder = self._cached_folder()
        if folder is None or not (files := self._cached_names(folder)):
            return None
        if _missing(folder, files, with_weights=check is not None):
            return None
        if check:
            with named_errors(self.name, folder):
                check(folder)
        return folder

    def _list(self) -> tuple[str, dict[str, Any]]:
        """The commit of the revision, and its files: name -> size, blob_id and lfs.

        Raises:
            Exception: the Hub cannot be reached, or has no such repository; it is tried again
                while it is busy.
        """
        errors, api = require("huggingface_hub.errors", "export"), self.hub.HfApi()
        waits = list(_WAITS)
        while True:
            try:
                info = api.model_info(
                    self.name, revision=self.revision, files_metadata=True, timeout=_TIMEOUT
                )
                return info.sha, {file.rfilename: file for file in info.siblings or ()}
            except errors.RevisionNotFoundError:
                raise unknown_revision(self.name, self.revision or "", self._refs(api)) from None
            except errors.HfHubHTTPError as error:
                status, asked = error.response.status_code, error.response.headers
                if status not in _BUSY or not waits:
                    raise
                wait = waits.pop(0)
                if (after := asked.get("Retry-After", "")).isdecimal():
                    wait = int(after)
                if wait > _LONGEST_WAIT:
                    raise
            _LOG.warning("the Hub is busy (status %d); trying again in %d s", status, wait)
            time.sleep(wait)

    def _refs(self, api: Any) -> list[str]:
        """The names of branches and tags; none if the Hub does not say."""
        try:
            refs = api.list_repo_refs(self.name)
        except Exception:  # the missing revision is the error to report
            return []
        return [ref.name for ref in (*refs.branches, *refs.tags)]

    def _check_names(
        self, files: Mapping[str, Any], check: Callable[[Path], object] | None
    ) -> None:
        """Check that the repository has a configuration, and weights if they are needed."""
        some = ", ".join(sorted(files)[:5]) + (", ..." if len(files) > 5 else "")
        if CONFIG_FILE not in files:
            remedy = (
                "give one in the layout of transformers, with config.json and model.safetensors"
            )
            if inner := [name for name in files if re.fullmatch(r"0_\w+/config\.json", name)]:
                remedy = (
                    f"its model is in {inner[0].partition('/')[0]}, as older versions of "
                    f"sentence-transformers saved it; run: hf download {self.name} --local-dir "
                    f"FOLDER, and give that folder"
                )
            raise CheckpointError(
                f"the Hub repository {self.what} has no config.json (but {some or 'no files'}); "
                f"{remedy}"
            )
        if check and weight_file(files) is None:
            raise CheckpointError(
                f"the Hub repository {self.what} has neither {WEIGHT_FILES[0]} nor "
                f"{WEIGHT_FILES[1]} (but {some}); give one that has, or save its model with "
                "save_pretrained of transformers and give the folder"
            )

    def _get(
        self,
        names: Iterable[str],
        revision: str | None,
        report: Callable[[int], None] = lambda done: None,
    ) -> Path:
        """Download those of the files that are not in the cache; returns their folder."""
        try:
            return Path(
                self.hub.snapshot_download(
                    self.name,
                    revision=revision,
                    allow_patterns=[glob.escape(name) for name in names],
                    tqdm_class=_bar_class(self.hub, report),
                )
            )
        except Exception as error:
            raise hub_error(error, self.name, self.revision) from None

    def _get_weights(self, folder: Path, files: Mapping[str, Any], progress: Progress) -> None:
        """Download those weight files that are not in the folder."""
        missing = [name for name in weights_of(files, folder) if not (folder / name).is_file()]
        if not missing:
            return
        size = sum(files[n].size or 0 for n in missing if not _blob(folder, files[n]).exists())
        if size:
            with progress(f"download {size / 1e6:.1f} MB") as step:
                self._get(missing, folder.name, lambda done: step(min(done, size), size))
        else:  # another commit has the same weights
            self._get(missing, folder.name)
        self._check_digests(folder, {name: files[name] for name in missing})

    def _from_cache(self, error: Exception, check: Callable[[Path], object] | None) -> Path:
        """The copy in the cache, when the Hub has answered with `error`.

        Raises:
            CheckpointError: the cache has none, or only a part of it.
        """
        if isinstance(error, CheckpointError):
            raise error
        shown = hub_error(error, self.name, self.revision)
        folder = None if is_final(error) else self._cached_folder()
        if folder is None:
            raise shown from None
        if check:
            with named_errors(self.name, folder):
                check(folder)
        files = self._cached_names(folder) or _names(folder)
        if missing := _missing(folder, files, with_weights=check is not None):
            raise CheckpointError(
                f"the cache has only a part of {self.what}, without {missing[0]}: {shown}"
            )
        if not self.hub.constants.is_offline_mode():
            reason = str(shown).partition("; ")[0]
            _LOG.warning("%s is taken from the cache: %s", self.what, reason)
        return folder

    def _cached_folder(self) -> Path | None:
        path = self.hub.try_to_load_from_cache(self.name, CONFIG_FILE, revision=self.revision)
        return Path(path).parent if isinstance(path, str) else None

    def _cached_names(self, folder: Path) -> list[str]:
        """The files of the repository at this commit; none if the cache does not have the list."""
        errors = require("huggingface_hub.errors", "export")
        try:
            files = self.hub.get_cached_repo_tree(self.name, revision=folder.name)
        except errors.CachedRepoTreeNotFoundError:
            return []
        return [file.path for file in files]

    def _check_digests(self, folder: Path, files: Mapping[str, Any]) -> None:
        """Compare files with the Hub's checksums; a damaged one is removed from the cache.

        Raises:
            CheckpointError: a file is damaged.
        """
        for name, file in files.items():
            path = (folder / name).resolve()
            if _has_digest(path, file):
                continue
            (folder / name).unlink()
            path.unlink(missing_ok=True)  # what the link in the folder has pointed to
            raise CheckpointError(
                f"{name} of {self.what} is damaged: its checksum is not the Hub's; it was removed "
                "from the cache: repeat the command to download it again"
            )


def _names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*")]


def _missing(folder: Path, files: Sequence[str], *, with_weights: bool) -> list[str]:
    """Those of the needed files of a repository that are not in the folder."""
    needed = settings_of(files)
    if with_weights:
        needed = [*needed, *(weights_of(files, folder) or WEIGHT_FILES[:1])]
    return [name for name in needed if not (folder / name).is_file()]


def _blob(folder: Path, file: Any) -> Path:
    """Where the cache has the content of a file, for all commits of the repository."""
    return folder.parents[1] / "blobs" / (file.lfs.sha256 if file.lfs else file.blob_id or "-")


def _has_digest(path: Path, file: Any) -> bool:
    """Whether a file has the Hub's checksum: SHA-256 in Git LFS, else that of a Git blob."""
    import hashlib  # takes a noticeable part of the time of --help

    if file.lfs:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return bool(digest == file.lfs.sha256)
    data = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return file.blob_id in {None, blob.hexdigest()}


def _bar_class(hub: Any, report: Callable[[int], None]) -> type:
    """A class of progress bars for huggingface_hub that shows nothing and reports the bytes.

    It makes a bar for received bytes and one for written bytes; the furthest is reported.
    """
    furthest = 0

    class Bar(hub.utils.tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            self.counts_bytes = settings.get("unit") == "B"
            super().__init__(*args, **settings | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            nonlocal furthest
            self.n += n or 0
            if self.counts_bytes and self.n > furthest:
                furthest = int(self.n)
                report(furthest)

    return Bar
