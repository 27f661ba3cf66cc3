"""Faults of a phone that a test can switch on while it runs."""

import json
import threading
from dataclasses import dataclass
from typing import Literal

Direction = Literal["to host", "from host", "both"]


@dataclass
class _Drop:
    """The connection is dropped after `left` more bytes."""

    left: int
    direction: Direction


@dataclass
class _Kill:
    """A runner is killed in block number `block`, or after `lines` lines of output."""

    block: int | None
    lines: int | None
    only: str
    always: bool


@dataclass
class _Garbage:
    """The output of a runner is disturbed after `after` lines."""

    after: int
    text: bytes
    half: bool


class Faults:
    """The faults; the test's thread may change them at any time.

    Attributes:
        delay_ms: Delay of each packet, in both directions.
        unauthorized: USB debugging is not allowed for this computer; False allows it.
        no_space_after: How many more bytes can be pushed; None for any number.
        free_kb: Free space that `df` reports.
        denied: The folder that the shell may not write to; "" for none.
        app_full: There is no space in the app's folder.
        am_says: Error of `am start`, which then starts nothing; "" for no error.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Remove all faults."""
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
        """Drop the connection once, after `count` more bytes."""
        self._drop = _Drop(count, direction)

    def kill_runner(
        self,
        *,
        block: int | None = None,
        lines: int | None = None,
        only: str = "",
        always: bool = False,
    ) -> None:
        """Kill a runner with SIGKILL, as Android does when memory is low.

        Args:
            block: In this block, counted from 1 over all runners from now on; its answer is lost.
            lines: After this number of lines of one runner.
            only: A text that the runner's command must contain, such as the name of its job.
            always: Kill every runner, not only the first; `block` is then counted for each.
        """
        self._blocks = 0
        self._kill = _Kill(block, lines, only, always)

    def garbage(
        self, *, after: int, text: bytes = b"W/linker: unused DT entry\n", half: bool = False
    ) -> None:
        """Disturb the output of the next runner, once.

        Args:
            after: After this number of lines.
            text: What is inserted.
            half: Cut the next line in half instead, and end the runner.
        """
        self._garbage = _Garbage(after, text, half)

    # For the stand-in -------------------------------------------------------------------------

    def passing(self, direction: Direction, size: int) -> int:
        """How many of the next bytes pass before the connection is dropped."""
        drop = self._drop
        if drop is None or drop.direction not in (direction, "both"):
            return size
        passing = min(drop.left, size)
        drop.left -= passing
        if passing < size:
            self._drop = None
        return passing

    def room(self, size: int) -> bool:
        """Whether `size` more bytes can be written."""
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
        """Environment of the commands in ROOT/system/bin, which simulate these faults by it."""
        return {
            "STAND_IN_DENIED": self.denied,
            "STAND_IN_FREE_KB": str(self.free_kb),
            "STAND_IN_APP_FULL": "1" if self.app_full else "",
            "STAND_IN_AM_SAYS": self.am_says,
        }

    def watch(self, command: str) -> "Watch":
        """The faults for the lines of a runner."""
        return Watch(self, command)


class Watch:
    """Applies faults to the lines of one runner on their way to the host."""

    def __init__(self, faults: Faults, command: str) -> None:
        self._faults, self._command = faults, command
        self._lines = self._blocks = 0

    def line(self, line: bytes) -> tuple[bytes, bool]:
        """What is passed on instead of a line, and whether the runner is then killed."""
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
