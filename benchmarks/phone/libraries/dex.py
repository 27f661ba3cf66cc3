"""Dex files: Java classes converted for Android by D8, which needs Java."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.programs import JAVA

__all__ = ["MIN_API", "make_dex"]

#: The oldest supported Android API level, as in the runner's own dex file (android_demo/pom.xml).
MIN_API = 26
_MAX_SECONDS = 300


def make_dex(r8: Path, jars: Sequence[Path], output: Path, *, runtime: str) -> None:
    """Convert the classes of `jars` to a classes.dex, and write it in a new jar.

    Args:
        r8: The jar of R8, which contains D8.
        jars: The classes; each must be in one jar only.
        output: The jar to write; its name must end with .jar.
        runtime: Whose classes they are, for messages.

    Raises:
        PhoneError: Java is not installed, or D8 fails.
    """
    java = shutil.which("java")
    if java is None:
        raise PhoneError(
            f"Java is not installed, and D8 needs it to convert {runtime}'s classes for Android; "
            f"{JAVA.remedy}"
        )
    d8 = [java, "-cp", os.fspath(r8), "com.android.tools.r8.D8", "--release"]
    command = [*d8, "--min-api", str(MIN_API), "--output", os.fspath(output), *map(os.fspath, jars)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise PhoneError(f"D8 did not finish within {_MAX_SECONDS} seconds; run again") from None
    except OSError as error:
        raise PhoneError(f"cannot start {java!r}: {error.strerror}") from error
    if done.returncode:
        reason = _error_message(done.stderr + done.stdout)
        raise PhoneError(
            f"D8 failed (exit status {done.returncode}) on {runtime}'s classes: {reason}"
        )
    if not _contains_dex(output):
        raise PhoneError(f"D8 wrote no classes.dex for: {', '.join(jar.name for jar in jars)}")


def _error_message(text: str) -> str:
    """The first error and, if that line only gives the location, the next line; skips warnings."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if line.lower().startswith("error")), 0)
    location_and_reason = lines[first : first + 2] or ["no error message"]
    if not location_and_reason[0].endswith(":"):
        del location_and_reason[1:]
    return " ".join(location_and_reason)


def _contains_dex(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as jar:
            return "classes.dex" in jar.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
