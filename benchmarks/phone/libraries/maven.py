"""Downloads with Maven, from the repositories that the user has configured."""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.libraries.archives import Archive, member_names
from squeezebert_mobile.benchmarks.phone.libraries.cache import (
    android_cache,
    cached,
    verified_checksums,
)
from squeezebert_mobile.benchmarks.phone.libraries.parts import Part

__all__ = ["MAVEN_PLUGIN", "download", "download_folder", "is_downloaded"]

MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_MAX_SECONDS = 900  # for one file

#: Used instead of a project in the current folder, which Maven would read otherwise.
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>squeezebertmobile</groupId>
  <artifactId>libraries</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
{repositories}</project>
"""
_REPOSITORIES = """\
  <repositories>
    <repository>
      <id>google</id>
      <url>{url}</url>
    </repository>
  </repositories>
"""


def download_folder(part: Part) -> Path:
    """The folder in the cache for a downloaded part."""
    return android_cache() / "maven" / part.group / f"{part.name}-{part.version}"


def is_downloaded(part: Part) -> bool:
    """Whether the part is in the cache, undamaged."""
    return part.file in (verified_checksums(download_folder(part)) or {})


def download(part: Part) -> Archive:
    """The part from the cache, or else from Maven.

    Raises:
        PhoneError: Maven cannot download it, or the cache cannot be written.
    """
    folder = download_folder(part)
    checksums = cached(folder, functools.partial(_run_maven, part))
    path = folder / part.file
    return Archive(part, path, checksums[part.file], part.coordinates, part.coordinates)


def _run_maven(part: Part, folder: Path) -> None:
    """Let Maven save the file in `folder`."""
    maven = shutil.which("mvn")
    assert maven is not None, "the caller has checked"
    with tempfile.TemporaryDirectory() as project:
        Path(project, "pom.xml").write_text(_pom(part), encoding="utf-8")
        command = [os.path.abspath(maven), "-q", "-B", MAVEN_PLUGIN]
        command.append(f"-Dartifact={part.coordinates}:{part.kind}")
        command.append(f"-DoutputDirectory={folder.absolute()}")
        try:
            done = subprocess.run(
                command,
                cwd=project,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_MAX_SECONDS,
            )
        except subprocess.TimeoutExpired:
            reason = f"it did not finish within {_MAX_SECONDS // 60} minutes"
        except OSError as error:
            reason = f"it cannot be started: {error.strerror}"
        else:
            reason = _error_message(done.stdout, done.stderr) if done.returncode else ""
    if not reason and not (folder / part.file).is_file():
        reason = f"it did not save {part.file}"
    if not reason and part.marker not in member_names(folder / part.file):
        reason = f"the downloaded file does not contain {part.marker}"
    if reason:
        raise PhoneError(
            f"Maven could not download {part.coordinates}: {reason}; run again with access to "
            f"Maven's repositories, or pass the file: {part.option}"
        )


def _pom(part: Part) -> str:
    """A project that has the part's repository beside those of the user."""
    url = part.repository
    return _POM.format(repositories=_REPOSITORIES.format(url=url) if url else "")


def _error_message(out: str, err: str) -> str:
    """The last line with a message; Maven's advice on its own options follows it."""
    lines = [
        re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in (err + "\n" + out).splitlines()
    ]
    errors = [line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")]
    advice = (
        "To see the full",
        "Re-run Maven",
        "For more information",
        "After correcting",
        "[Help",
    )
    errors = [line for line in errors if line and not line.startswith(advice)]
    last = (errors or [line for line in lines if line] or ["no error message"])[-1]
    last = re.sub(r"^Failed to execute goal \S+ \(.*?\) on project [^:\s]+: ", "", last)
    return re.sub(r" -> \[Help \d+\]$", "", last)
