"""Why a checkpoint could not be had from the Hub, in one line with the remedy."""

import contextlib
import difflib
import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from squeezebert_mobile.errors import CheckpointError, first_line, require

__all__ = ["hub_error", "is_final", "named_errors", "unknown_revision"]

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_LISTED = 10  # branches and tags in a message


def is_final(error: Exception) -> bool:
    """Whether the Hub has answered that there is no such revision, or the id is invalid.

    After any other error a copy in the cache may be used.
    """
    errors = require("huggingface_hub.errors", "export")
    return isinstance(error, errors.RevisionNotFoundError | errors.HFValidationError)


def hub_error(error: BaseException, name: str, revision: str | None) -> CheckpointError:
    """The error to show for an exception of huggingface_hub.

    Args:
        error: What was raised.
        name: The Hub id.
        revision: The branch, tag or commit; None is the default branch.
    """
    errors = require("huggingface_hub.errors", "export")
    while isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    what = f"{name!r} at revision {revision!r}" if revision else repr(name)
    if isinstance(error, errors.HfHubHTTPError) and hasattr(error, "response"):
        return CheckpointError(_refusal(error, name, what))
    return CheckpointError(_failure(error, name, what))


def _refusal(error: Any, name: str, what: str) -> str:
    """The message for an answer of the Hub with an error status."""
    hub, errors = require("huggingface_hub", "export"), require("huggingface_hub.errors", "export")
    endpoint, has_token = hub.constants.ENDPOINT, hub.get_token() is not None
    status = error.response.status_code
    log_in = "run: hf auth login, or set HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        account = "with the account of your token" if has_token else f"and {log_in}"
        return (
            f"the Hub repository {name!r} is gated: its files are for users who have been granted "
            f"access; ask for it at {endpoint}/{name} {account}, then repeat the command"
        )
    rejected = "Invalid credentials" in error.response.headers.get("X-Error-Message", "")
    # Without a token the Hub does not tell whether a repository exists.
    if isinstance(error, errors.RepositoryNotFoundError) or (status == 401 and not rejected):
        if has_token:
            seen, remedy = "your token can read", "use the token of an account that has access"
        else:
            seen, remedy = "can be read without a token", log_in
        return (
            f"{name!r} is neither a folder nor a Hub repository that {seen}; check the spelling; "
            f"if the repository is private, {remedy}"
        )
    if isinstance(error, errors.DisabledRepoError):
        return f"the Hub repository {name!r} is disabled there; use another checkpoint"
    if status == 401:
        return (
            f"the Hub does not accept your token, which {name!r} was asked for with; run: hf auth "
            "login, or correct HF_TOKEN, or remove it for public repositories"
        )
    if status == 403:
        if not has_token:
            return f"the Hub does not let users without a token read {name!r}; {log_in}"
        return (
            f"the Hub does not let your token read {name!r}; give the token the permission to read "
            f"it, at {endpoint}/settings/tokens, or {log_in} with another one"
        )
    if status == 429:
        wait = error.response.headers.get("Retry-After", "")
        when = f"{wait} seconds" if wait.isdecimal() else "a few minutes"
        return (
            f"the Hub refuses further requests for now (429), so {what} was not downloaded; repeat "
            f"the command in {when}{'' if has_token else f', or for a higher limit {log_in}'}"
        )
    if status >= 500:
        return (
            f"the Hub ({endpoint}) is out of order (status {status}), so {what} was not "
            "downloaded; repeat the command later, or give the folder of a copy"
        )
    return (
        f"the Hub ({endpoint}) answers with status {status} for {what}; check the id, or download "
        "the checkpoint and give its folder"
    )


def _failure(error: BaseException, name: str, what: str) -> str:
    """The message where the Hub has not answered, or not with what was asked for."""
    hub, errors = require("huggingface_hub", "export"), require("huggingface_hub.errors", "export")
    constants, reason = hub.constants, first_line(error)
    if isinstance(error, errors.HFValidationError):
        return (
            f"{name!r} is neither a folder nor a valid Hub id; check the path, or give an id like "
            "'squeezebert/squeezebert-uncased'"
        )
    if isinstance(error, errors.OfflineModeIsEnabled):
        return (
            f"no folder {name!r}, and the Hub is not asked because HF_HUB_OFFLINE is set; the "
            f"cache {constants.HF_HUB_CACHE!r} does not have {what}; unset HF_HUB_OFFLINE for the "
            "first download, or give a folder"
        )
    if isinstance(error, OSError) and error.errno in _DISK:
        return (
            f"{what} cannot be written to the cache {constants.HF_HUB_CACHE!r}: {reason}; make "
            "room there, or set HF_HOME to another folder"
        )
    if isinstance(error, OSError) and "Consistency check" in reason:
        return (
            f"a file of {what} has arrived with another size than the Hub states; repeat the "
            "command, or download the checkpoint and give its folder"
        )
    if isinstance(error, errors.FileMetadataError | ValueError | KeyError):
        return (
            f"the answer of {constants.ENDPOINT} for {what} is not the Hub's; check the proxy or "
            "the login page of your network, and HF_ENDPOINT if it is set"
        )
    return (
        f"no folder {name!r}, and the Hub ({constants.ENDPOINT}) cannot be reached: {reason}; "
        "check the name and the network, or download the checkpoint and give its folder"
    )


def unknown_revision(name: str, revision: str, known: Sequence[str]) -> CheckpointError:
    """The error for a revision that a Hub repository does not have; `known` are those it has."""
    near = difflib.get_close_matches(revision, known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    listed = f" ({', '.join(known[:_LISTED])}{more})" if known else ""
    return CheckpointError(
        f"the Hub repository {name!r} has no revision {revision!r}; {guess}give one of its "
        f"branches or tags{listed}, or all 40 digits of a commit"
    )


@contextlib.contextmanager
def named_errors(name: str | Path, folder: Path) -> Iterator[None]:
    """Errors about the files of a checkpoint show its Hub id instead of its folder in the cache."""
    try:
        yield
    except CheckpointError as error:
        message = str(error).replace(str(folder), str(name))
        if message == str(error):
            raise
        raise CheckpointError(message) from error
