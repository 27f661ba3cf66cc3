"""What a run keeps in its output folder until it is complete: the built models, and the journal."""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from squeezebert_mobile.artifact.schema import Record
from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.machine import machine_facts
from squeezebert_mobile.benchmarks.peers.families import LENGTHS
from squeezebert_mobile.benchmarks.peers.models import SurveyModel
from squeezebert_mobile.benchmarks.records.journal import Journal, check_not_in_use
from squeezebert_mobile.errors import BenchmarkError, SqueezeBertMobileError
from squeezebert_mobile.files import atomic_write

__all__ = ["RunFiles", "kept", "run_files"]

_MODELS = "models"
_JOURNAL = "results.json.journal"
_RECORD = "built.json"
#: The folders of the package: installed, the last three are in the first; in a clone beside it.
_PACKAGES = ("", ".export", ".runtime", ".benchmarks")
#: The code, and the texts and requirements that models are built with.
_SUFFIXES = {".py", ".txt"}


class _Record(Record):
    """The file that says which models are complete, and what they were built with."""

    built_with: dict[str, str]  # name -> version
    built: dict[str, str]  # label of a model -> SHA-256 of its file


_READER = TypeAdapter(_Record)


class RunFiles:
    """The files of a run.

    Args:
        folder: The folder of its models.
        journal: The open journal.
        lengths: Lengths of the inputs in tokens, for which the models are built.
    """

    def __init__(self, folder: Path, journal: Journal, lengths: Sequence[int]) -> None:  # noqa: D107
        self.folder = folder
        self.journal = journal
        self.lengths = lengths
        self.built: dict[str, Contender] = {}  # complete models by label
        self._built_with: dict[str, str] | None = None

    def continue_with(self, models: Sequence[SurveyModel]) -> None:
        """Find the complete models, and remove what is there of the others.

        Raises:
            BenchmarkError: the record is damaged; or models are to be built beside those that were
                built with other versions.
        """
        with _errors_named(self.folder):
            record = _READER.validate_json((self.folder / _RECORD).read_bytes())
        if not self.journal.events:
            self._built_with = _built_with(self.lengths)
            if difference := _difference(record.built_with, self._built_with):
                raise BenchmarkError(
                    f"cannot resume with the models in {str(self.folder)!r}: {difference}; remove "
                    "the folder, and run again without --resume"
                )
        for model in models:
            if contender := _complete(model, self.folder, record.built.get(model.label)):
                self.built[model.label] = contender
            else:
                _remove(model.path(self.folder))

    def add(self, model: SurveyModel) -> None:
        """Record that a model was built.

        Raises:
            BenchmarkError: the record cannot be written.
        """
        self.built[model.label] = model.contender(self.folder)
        if self.journal.path:
            self._built_with = self._built_with or _built_with(self.lengths)
            checksums = {label: contender.sha256 for label, contender in self.built.items()}
            record = _Record(built_with=self._built_with, built=checksums)
            text = record.model_dump_json(indent=1)
            atomic_write(self.folder / _RECORD, text, what="record of the built models")

    @property
    def has_parts(self) -> bool:
        """Whether anything that takes long is complete."""
        return bool(self.built or self.journal.events)

    def remove(self) -> None:
        """Remove the models and the journal, once the results are written."""
        is_kept = self.journal.path is not None
        self.journal.remove()
        if is_kept:
            _remove(self.folder)


def _complete(model: SurveyModel, folder: Path, sha256: str | None) -> Contender | None:
    """A model that was built, if its files are still as they were."""
    if sha256 is None:
        return None
    try:
        contender = model.contender(folder)
    except SqueezeBertMobileError:
        return None
    return contender if contender.sha256 == sha256 else None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


# Opening ------------------------------------------------------------------------------------


@contextlib.contextmanager
def run_files(
    output: Path | None, lengths: Sequence[int] = LENGTHS, *, resume: bool
) -> Iterator[RunFiles]:
    """The files of a new run, or of the one that was interrupted.

    After an error they are kept if any part of the run is complete.

    Args:
        output: The folder of the run; without it, its models are in a temporary folder.
        lengths: Lengths of the inputs in tokens.
        resume: Continue the run in `output`.

    Raises:
        BenchmarkError: there is nothing to continue; or without `resume`, there is; or the folder
            of the models has other files.
    """
    with contextlib.ExitStack() as stack:
        if output is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="squeezebert-peers-"))
            files = RunFiles(Path(folder), Journal(), lengths)
        else:
            files = RunFiles(output / _MODELS, _opened(output, resume=resume), lengths)
            files.folder.mkdir(exist_ok=True)
        stack.enter_context(files.journal)
        try:
            yield files
        except (SqueezeBertMobileError, KeyboardInterrupt) as error:
            if not (resume or files.has_parts):
                files.remove()
            elif output and files.has_parts:
                error.add_note(kept(output))
            raise


def kept(output: Path) -> str:
    """The note about a run that has ended early."""
    return (
        f"what is finished is kept in {str(output)!r}; to continue, run the same command with "
        "--resume"
    )


def _opened(output: Path, *, resume: bool) -> Journal:
    journal, record = output / _JOURNAL, output / _MODELS / _RECORD
    if journal.exists():
        check_not_in_use(journal)
    is_begun = journal.exists() and b"\n" in journal.read_bytes()
    if resume and not record.exists():
        reason = (
            f"the models in {str(record.parent)!r} are gone, without which it cannot be continued"
            if is_begun
            else f"there is no interrupted run in {str(output)!r}"
        )
        raise BenchmarkError(f"{reason}; remove --resume and run again, or name its folder with -o")
    if not resume and (is_begun or record.exists()):
        raise BenchmarkError(
            f"{str(output)!r} has the finished parts of an interrupted run; continue it with "
            f"--resume, or remove {str(journal)!r} and {str(record.parent)!r} and run again"
        )
    if not resume:
        _check_ours(record.parent, journal)
        _remove(record.parent)
    if not is_begun:
        journal.unlink(missing_ok=True)
    return Journal(journal, resume=is_begun)


def _check_ours(models: Path, journal: Path) -> None:
    """Check that nothing but the models of an earlier run would be removed."""
    if journal.exists():  # a run that was killed before its first model was complete
        return
    try:
        is_free = not any(models.iterdir())
    except FileNotFoundError:
        is_free = not models.is_symlink()
    except OSError:  # a file, or a folder that cannot be read
        is_free = False
    if not is_free:
        raise BenchmarkError(
            f"{str(models)!r} is not of an earlier run, and the models would be built there; "
            "choose another folder with -o, or move it away"
        )


@contextlib.contextmanager
def _errors_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise BenchmarkError(
            f"cannot read {str(folder / _RECORD)!r}: {reason}; remove the folder, and run again "
            "without --resume"
        ) from None


# What models are built with ------------------------------------------------------------------


def _built_with(lengths: Sequence[int]) -> dict[str, str]:
    """The versions of all packages, of Python and of the machine, and a digest of the code."""
    versions = {each.name: each.version for each in importlib.metadata.distributions() if each.name}
    machine = machine_facts()
    features = " ".join(machine.features)
    return versions | {
        "Python": platform.python_version(),
        "the machine": f"{machine.cpu} ({features})",
        "the list of lengths": " ".join(map(str, sorted(set(lengths)))),
        "the code of squeezebert-mobile": _code_digest(_code_files()),
    }


def _code_files() -> dict[str, Path]:
    """The files of the package that decide what is built, by their names in it."""
    files: dict[str, Path] = {}
    for package in _PACKAGES:
        spec = importlib.util.find_spec(f"squeezebert_mobile{package}")  # does not import torch
        for folder in (spec and spec.submodule_search_locations) or ():
            for path in Path(folder).rglob("*"):
                if path.suffix in _SUFFIXES:
                    place = Path(package.removeprefix("."), path.relative_to(folder))
                    files[place.as_posix()] = path
    return files


def _code_digest(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:12]


def _difference(then: dict[str, str], now: dict[str, str]) -> str | None:
    for name in sorted(then.keys() | now.keys()):
        earlier, here = then.get(name, "not installed"), now.get(name, "not installed")
        if earlier != here:
            return f"{name} is {here}, and was {earlier} when they were built"
    return None
