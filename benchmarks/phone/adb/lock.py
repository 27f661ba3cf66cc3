"""The lock on a phone: one program at a time measures on it or changes its files.

A shell on the phone holds the lock, by `flock` on a file, until it reads a line, or its stdin ends.
The latter happens however this program ends, and when the connection is lost: the kernel then frees
the lock. Android has had `flock` since version 7.
"""

import contextlib
import getpass
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from squeezebert_mobile.benchmarks.phone.adb.client import Device, Program
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.files import HOME

__all__ = ["WAIT_SECONDS", "Note", "locked"]

WAIT_SECONDS = 600.0  # by default; a run with the preset quick takes a few minutes

Note = Callable[[str], None]

_LOCK = f"{HOME}/.lock"
_POLL_S = 3.0  # between two tries; each starts three short programs on the phone
_SILENCE_S = 30.0  # of the script, until the phone is given up
_FREE_S = 5.0  # for the script to end; it takes a few milliseconds

#: Prints "locked" once it holds the lock, "busy SINCE NOW HOLDER" after each try without success,
#: and "unlocked REASON" if the phone has no working flock. Its arguments are $1 and $2.
#: - Each further try is asked for by a line, so that a script whose program has given up tries no
#:   more: it would hold the lock for a moment.
#: - The braces, and not `exec 9>>`, open the file: Android's shell does not pass on to programs
#:   what its `exec` has opened.
#: - A file that was removed since it was opened, by `clean`, is not the lock any more.
_HOLD = """
lock=$1 holder=$2
while mkdir -p "${lock%/*}"; do
  {
    if why=$(flock -n 9 2>&1); then
      if [ "/proc/$$/fd/9" -ef "$lock" ]; then
        echo "$(date +%s) $holder" >"$lock"
        echo locked
        read -r end
        exit
      fi
    elif [ -n "$why" ]; then
      echo "unlocked $why"
      read -r end
      exit
    else
      read -r since who <"$lock"
      echo "busy $since $(date +%s) $who"
      read -r again || exit
    fi
  } 9>>"$lock" || exit
done
exit 1
"""


@contextmanager
def locked(
    device: Device,
    *,
    wait_s: float = 0.0,
    remedy: str = "run again when that has ended",
    note: Note = lambda text: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the lock on a phone within the block.

    Args:
        device: The phone.
        wait_s: How long to wait, in seconds, while another program holds it.
        remedy: What the message advises when that was not long enough.
        note: Called once if the lock has to be waited for, and if the phone cannot lock files.
        stopped: Called between two tries; if it returns True the wait ends as with Ctrl-C.

    Raises:
        PhoneError: another program holds the lock for longer than `wait_s`, or its file cannot be
            written.
        PhoneUnreachable: the phone does not answer.
    """
    words = ["sh", "-c", _HOLD, "sh", _LOCK, _own_name()]
    with device.start(words, {}, timeout=_SILENCE_S) as program:
        begun = time.monotonic()
        told = False
        for holder in _busy(program, note, device.serial):
            if stopped():
                raise KeyboardInterrupt
            use = f"the phone {device.serial!r} is in use by {holder}"
            if time.monotonic() - begun >= wait_s:
                raise PhoneError(f"{use}; {remedy}")
            if not told:
                note(f"{use}; waiting for up to {wait_s:g} s")
            told = True
        try:
            yield
        finally:
            _free(program)


def _free(program: Program) -> None:
    """End the script and wait for its end, so that the next program finds the phone free.

    A script whose connection is lost ends by itself, a moment later.
    """
    program.write(b"\n")
    program.set_timeout(_FREE_S, _FREE_S)
    with contextlib.suppress(PhoneError):
        for _ in program.output():
            pass


def _busy(program: Program, note: Note, serial: str) -> Iterator[str]:
    """Who holds the lock, after each try of the script; ends once the script holds it."""
    for line in program.lines():
        answer, _, rest = line.decode("utf-8", "replace").partition(" ")
        if answer == "busy":
            yield _holder(rest)
            time.sleep(_POLL_S)
            program.write(b"\n")
        elif answer == "locked":
            return
        elif answer == "unlocked":
            note(
                f"the phone {serial!r} cannot lock files ({rest.strip()}); let no other program "
                "use it meanwhile"
            )
            return
    raise PhoneError(
        f"the phone cannot lock {_LOCK!r}: {program.errors.strip() or program.code}; remove the "
        "file, or restart the phone"
    )


def _holder(text: str) -> str:
    """Who holds the lock and for how long, from "SINCE NOW HOLDER"."""
    since, now, name = [*text.split(" ", 2), "", ""][:3]
    name = name.strip() or "another program"
    try:
        seconds = int(now) - int(since)
    except ValueError:
        return name
    if seconds < 0:  # the phone's clock was changed
        return name
    return f"{name} for {seconds // 60} min" if seconds >= 60 else f"{name} for {seconds} s"


def _own_name() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name
        user = "a user"
    name = f"{user} on {platform.node() or 'a computer'} (process {os.getpid()})"
    return "".join(char if char.isprintable() else "?" for char in name)
