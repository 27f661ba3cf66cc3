"""A file of counts, to which each count is written as soon as it is known."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from squeezebert_mobile.benchmarks.arm64.counting import Count
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.files import atomic_write, check_writable, is_stream

__all__ = ["CountsFile", "read_counts"]

_COUNTS = TypeAdapter(tuple[Count, ...])


def read_counts(path: Path) -> tuple[Count, ...]:
    """The counts in a file.

    Raises:
        BenchmarkError: there is no such file, or it has something else in it.
    """
    try:
        return _COUNTS.validate_json(path.read_bytes())
    except OSError as error:
        raise BenchmarkError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except ValidationError:
        raise BenchmarkError(
            f"{str(path)!r} has no counts; give a file that benchmarks.arm64 has written"
        ) from None


class CountsFile:
    """The counts of a run, and of the run that it continues."""

    def __init__(self, path: Path | None, *, resume: bool) -> None:
        """Read the counts to keep; without a path nothing is written.

        Raises:
            BenchmarkError: there is nothing to continue, or the file cannot be written.
        """
        self._path = path
        if path:
            check_writable(path, what="the counts")
            if is_stream(path):  # it would get all counts again with each
                raise BenchmarkError(f"{str(path)!r} is no regular file; choose another with -o")
        self._counts = {_key(each): each for each in read_counts(path)} if path and resume else {}

    def find(self, model: str, cpu: str, runtime: str, length: int) -> Count | None:
        """The count of an earlier run."""
        return self._counts.get((model, cpu, runtime, length))

    def add(self, count: Count) -> None:
        """Write a count, beside those that are there.

        Raises:
            BenchmarkError: the file cannot be written.
        """
        self._counts[_key(count)] = count
        if self._path:
            text = _COUNTS.dump_json(tuple(self._counts.values()), indent=1).decode()
            atomic_write(self._path, f"{text}\n", what="the counts")


def _key(count: Count) -> tuple[str, str, str, int]:
    return count.model, count.cpu, count.runtime, count.sequence_length
