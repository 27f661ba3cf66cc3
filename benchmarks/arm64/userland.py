"""Prepares the emulation: a read-only arm64 Debian, Python packages for it, and the plugin.

It takes 300 MB in the user's cache and is made once, in about a minute. Nothing is installed on
this machine, and nothing of it runs natively.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.errors import BenchmarkError

__all__ = ["Userland", "prepare"]

_HERE = Path(__file__).parent
#: Program -> the Debian package that provides it.
_PROGRAMS = {
    "qemu-aarch64": "qemu-user",
    "debootstrap": "debootstrap",
    "dpkg-deb": "dpkg",
    "gcc": "gcc",
}
_SUITE, _PACKAGES = "bookworm", "python3,libgomp1,libstdc++6"
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64")


@dataclass(frozen=True)
class Userland:
    """A folder with everything that the emulation reads."""

    folder: Path

    def command(self, cpu: str, *arguments: str) -> list[str]:
        """The command that runs guest.py on an emulated core."""
        root = self.folder / "root"
        plugin = str(self.folder / "count_instructions.so")
        python = str(root / "usr" / "bin" / "python3.11")
        emulator = ["qemu-aarch64", "-cpu", cpu, "-plugin", plugin, "-L", str(root)]
        return [*emulator, python, str(_HERE / "guest.py"), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the emulated Python."""
        return {**os.environ, "PYTHONPATH": str(self.folder / "site")}


def prepare(folder: Path, *, progress: Callable[[str], object] = lambda step: None) -> Userland:
    """The userland in `folder`, which is created if it does not exist.

    Args:
        folder: The folder of the userland.
        progress: Called with the name of each step.

    Raises:
        BenchmarkError: a program is missing, this is not root, or a step fails.
    """
    if sys.platform != "linux":
        raise BenchmarkError(
            "counting instructions needs Linux, where qemu emulates single programs; run it in a "
            "virtual machine or a container with Debian"
        )
    if missing := sorted({p for name, p in _PROGRAMS.items() if shutil.which(name) is None}):
        raise BenchmarkError(
            f"{' and '.join(missing)} not found; run: apt-get install {' '.join(missing)}"
        )
    if (folder / "count_instructions.so").exists():
        return Userland(folder)
    if os.geteuid() != 0:
        raise BenchmarkError(
            "debootstrap needs root to unpack an arm64 Debian; run this once as root"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        partial = Path(name) / "userland"
        partial.mkdir()
        progress("Debian for arm64")
        _unpack_debian(partial / "root")
        progress("numpy and onnxruntime for arm64")
        _unpack_wheels(partial / "site", Path(name) / "wheels")
        progress("the counting plugin")
        source, plugin = _HERE / "count_instructions.c", partial / "count_instructions.so"
        _run("gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o", str(plugin), str(source))
        shutil.rmtree(folder, ignore_errors=True)  # an unfinished one
        partial.rename(folder)
    return Userland(folder)


def _unpack_debian(root: Path) -> None:
    options = "--arch=arm64", "--foreign", "--variant=minbase", f"--include={_PACKAGES}"
    _run("debootstrap", *options, _SUITE, str(root))
    for package in sorted((root / "var" / "cache" / "apt" / "archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(root))


def _unpack_wheels(site: Path, wheels: Path) -> None:
    """Unpack the wheels that requirements.txt pins with their checksums."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    kind = ["--implementation", "cp", "--python-version", "3.11"]
    kind += [word for platform in _PLATFORMS for word in ("--platform", platform)]
    _run(*pip, *kind, "-d", str(wheels), "-r", str(_HERE / "requirements.txt"))
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


def _run(*command: str) -> None:
    process = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if process.returncode:
        output = process.stderr.strip() or process.stdout.strip() or "no output"
        reason = output.splitlines()[-1]
        raise BenchmarkError(f"{command[0]} failed (exit {process.returncode}): {reason}")
