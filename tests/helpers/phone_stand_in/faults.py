"""What can go wrong with a phone, switched on by a test while it runs."""

import json
import threading
from dataclasses import dataclass
from typing import Literal

Direction = Literal["to host", "from host", "both"]


@dataclass
class _Drop:
    """The connection breaks off after so many more bytes."""

    left: int
    direction: Direction


@dataclass
class _Kill:
    """A runner is killed: in its block number `block`, or after it has told `lines` lines."""

    block: int | None
    lines: int | None
    only: str
    always: bool


@dataclass
class _Garbage:
    """What a runner says is disturbed after so many lines."""

    after: int
    text: bytes
    half: bool


class Faults:
    """The switches; every one may be turned from the test's thread at any time.

    Attributes:
        delay_ms: How long each packet takes, in either direction.
        unauthorized: Nobody has allowed this computer yet; set to False, somebody does.
        no_space_after: How many bytes may still be pushed; None for as many as there are.
        free_kb: What `df` says is free.
        denied: The folder that the shell may not write to; "" for none.
        app_full: There is no room in the app's folder.
        am_says: What `am start` says in place of starting anything; "" for nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """All is well again."""
        self.delay_ms = 0.0
        self.unauthorized = False
        self.no_space_after: int | None = None
        self.free_kb = 72_215_417
        self.denied = ""
        self.app_full = False
        self.am_says = ""
        self._drop: _Drop | None = None
        self._kill: _Kill | None = None
        self._garbage: _Garbage | None = None
        self._blocks = 0

    def drop_after(self, count: int, direction: Direction = "both") -> None:
        """Break the connection off once, after `count` more bytes."""
        self._drop = _Drop(count, direction)

    def kill_runner(
        self,
        *,
        block: int | None = None,
        lines: int | None = None,
        only: str = "",
        always: bool = False,
    ) -> None:
        """Kill a runner with SIGKILL, as Android does where memory is short.

        Args:
            block: In which block, counted from 1 over all runners from now on; its answer is lost.
            lines: After how many lines of one runner.
            only: A text that the runner's command must hold, such as the name of its job.
            always: Every runner, not only the first (`block` is then counted within each).
        """
        self._blocks = 0
        self._kill = _Kill(block, lines, only, always)

    def garbage(
        self, *, after: int, text: bytes = b"W/linker: unused DT entry\n", half: bool = False
    ) -> None:
        """Disturb what the next runner says, once.

        Args:
            after: How many of its lines come before.
            text: What is put in.
            half: Cut the following line in half instead, and end the runner.
        """
        self._garbage = _Garbage(after, text, half)

    # What the stand-in asks -------------------------------------------------------------------

    def passing(self, direction: Direction, size: int) -> int:
        """How many of the next bytes pass before the connection breaks off."""
        drop = self._drop
        if drop is None or drop.direction not in (direction, "both"):
            return size
        passing = min(drop.left, size)
        drop.left -= passing
        if passing < size:
            self._drop = None
        return passing

    def room(self, size: int) -> bool:
        """Whether so many bytes can still be written."""
        if self.no_space_after is None:
            return True
        self.no_space_after -= size
        if self.no_space_after < 0:
            self.no_space_after = 0
            return False
        return True

    def denies(self, path: str) -> bool:
        return bool(self.denied) and f"{path}/".startswith(f"{self.denied.rstrip('/')}/")

    def environment(self) -> dict[str, str]:
        """For the commands in ROOT/system/bin, which see no files that are full or denied."""
        return {
            "STAND_IN_DENIED": self.denied,
            "STAND_IN_FREE_KB": str(self.free_kb),
            "STAND_IN_APP_FULL": "1" if self.app_full else "",
            "STAND_IN_AM_SAYS": self.am_says,
        }

    def watch(self, command: str) -> "Watch":
        """What is done to the lines of a runner."""
        return Watch(self, command)


class Watch:
    """The lines of one runner, on their way to the host."""

    def __init__(self, faults: Faults, command: str) -> None:
        self._faults, self._command = faults, command
        self._lines = self._blocks = 0

    def line(self, line: bytes) -> tuple[bytes, bool]:
        """What is passed on in place of a line, and whether the runner is killed then."""
        garbage = self._faults._garbage
        if garbage and self._lines == garbage.after:
            self._faults._garbage = None
            if garbage.half:
                return line[: len(line) // 2], True
            line = garbage.text + line
        killed, lost = self._killed(line)
        self._lines += 1
        return b"" if lost else line, killed

    def _killed(self, line: bytes) -> tuple[bool, bool]:
        with self._faults._lock:
            kill = self._faults._kill
            if kill is None or kill.only not in self._command:
                return False, False
            in_block = False
            if kill.block is not None and _event(line) == "block":
                self._blocks += 1
                self._faults._blocks += 1
                count = self._blocks if kill.always else self._faults._blocks
                in_block = count == kill.block
            after_line = kill.lines is not None and self._lines + 1 == kill.lines
            if (in_block or after_line) and not kill.always:
                self._faults._kill = None
            return in_block or after_line, in_block


def _event(line: bytes) -> object:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found.get("event") if isinstance(found, dict) else None
