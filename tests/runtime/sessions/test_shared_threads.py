"""The thread count of a runtime that has one for the process."""

import pytest

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.sessions.shared_threads import SharedThreads


class Runtime:
    """A runtime with four threads by default."""

    def __init__(self) -> None:
        self.count, self.shared = 4, SharedThreads("torch")

    def claim(self, count: int | None) -> None:
        self.shared.claim(count, lambda: self.count, self._set)

    def _set(self, count: int) -> None:
        self.count = count


def test_none_is_the_default_again_when_no_session_is_open() -> None:
    runtime = Runtime()
    for count in (1, 2):
        runtime.claim(count)
        assert runtime.count == count
        runtime.shared.release()
    runtime.claim(None)
    assert runtime.count == 4
    runtime.shared.release()


def test_none_accepts_the_count_of_an_open_session() -> None:
    runtime = Runtime()
    runtime.claim(2)
    runtime.claim(None)
    assert runtime.count == 2
    with pytest.raises(InputError, match="threads=3 is not possible: torch has one thread pool"):
        runtime.claim(3)


def test_another_count_beside_a_session_with_the_default() -> None:
    runtime = Runtime()
    runtime.claim(None)
    with pytest.raises(InputError, match="a session with the default number is open"):
        runtime.claim(1)
    runtime.shared.release()
    runtime.claim(1)
    assert runtime.count == 1
