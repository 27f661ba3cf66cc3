"""Java classes as Android's virtual machine reads them: made by D8, which needs Java."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

from squeezebert_mobile.benchmarks.phone.errors import PhoneError

__all__ = ["MIN_API", "make_dex"]

#: The oldest Android that the code is for, as in the runner's own dex (android_demo/pom.xml).
MIN_API = 26
_MOST_SECONDS = 300


def make_dex(r8: Path, jars: Sequence[Path], output: Path) -> None:
    """Write `output`, a jar that holds `jars` as classes.dex.

    Args:
        r8: The jar of R8, which has D8 in it.
        jars: Classes; each once, in whichever jar.
        output: A new file that ends with .jar.

    Raises:
        PhoneError: there is no Java, or D8 does not take the classes.
    """
    java = shutil.which("java")
    if java is None:
        raise PhoneError(
            "ExecuTorch's classes must be made into Android's by D8, and there is no Java for it; "
            "run: apt-get install openjdk-17-jre-headless"
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
            timeout=_MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise PhoneError(f"D8 did not end within {_MOST_SECONDS} seconds; run it again") from None
    except OSError as error:
        raise PhoneError(f"{java!r} does not start: {error.strerror}") from error
    if done.returncode:
        said = _what_it_said(done.stderr + done.stdout)
        raise PhoneError(f"D8 failed (exit {done.returncode}) on ExecuTorch's classes: {said}")
    if not _holds_dex(output):
        raise PhoneError(f"D8 made no classes.dex of: {', '.join(jar.name for jar in jars)}")


def _what_it_said(text: str) -> str:
    """The first error, whose place is a line of its own; warnings stand before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if line.lower().startswith("error")), 0)
    place_and_reason = lines[first : first + 2] or ["it said nothing"]
    if not place_and_reason[0].endswith(":"):
        del place_and_reason[1:]
    return " ".join(place_and_reason)


def _holds_dex(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as jar:
            return "classes.dex" in jar.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
