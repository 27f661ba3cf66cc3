"""Prepares the emulation: a read-only arm64 Debian, runtimes for it, and the plugin.

It takes up to 600 MB in the user's cache and is made once, in a few minutes. Nothing is installed
on this machine, and nothing of it runs natively.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.benchmarks.arm64.cores import CORES
from squeezebert_mobile.benchmarks.arm64.runtimes import Runtime
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.partial_folders import partial_folder
from squeezebert_mobile.renames import rename

__all__ = ["Userland", "prepare"]

_HERE = Path(__file__).parent
#: Program -> the Debian package that provides it.
_PROGRAMS = {
    "qemu-aarch64": "qemu-user",
    "debootstrap": "debootstrap",
    "dpkg-deb": "dpkg",
    "gcc": "gcc",
}
_COMPILER = {"aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu"}  # for ExecuTorch alone
#: Folders of Debian that a guest reads. Of others, such as /tmp, it sees this machine's.
_SHARED = ("usr", "lib", "lib64", "bin", "etc")
_SUITE, _PACKAGES = "bookworm", "python3,libgomp1,libstdc++6"
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64")
_LIBRARIES = (
    "executorch",
    "executorch_backend_xnnpack",
    "executorch_kernels_optimized",
    "executorch_kernels_quantized",
    "executorch_threadpool",
)
_OPTIONS = ("-std=c++17", "-O1", "-DET_EVENT_TRACER_ENABLED", "-DC10_USING_CUSTOM_GENERATED_MACROS")


@dataclass(frozen=True)
class Userland:
    """A folder with everything that the emulation reads."""

    folder: Path

    def command(self, cpu: str, runtime: Runtime, model: Path) -> list[str]:
        """The command that runs a guest program on an emulated core."""
        plugin = self.folder / _plugin_name()
        root = self.folder / "cores" / cpu
        emulator = [
            "qemu-aarch64",
            "-cpu",
            CORES[cpu].qemu,
            "-plugin",
            str(plugin),
            "-L",
            str(root),
        ]
        packages = self._packages(runtime)
        if runtime.name == "executorch":
            emulator += ["-E", f"LD_LIBRARY_PATH={packages / 'executorch' / 'lib'}"]
            return [*emulator, str(packages / _guest_name()), str(model)]
        emulator += ["-E", f"PYTHONPATH={packages}"]
        python = str(self.folder / "root" / "usr" / "bin" / "python3.11")
        guest = f"{runtime.name} {runtime.variant}".rstrip()
        return [*emulator, python, str(_HERE / "guest.py"), guest, str(model)]

    def install(
        self, runtime: Runtime, progress: Callable[[str], object] = lambda step: None
    ) -> None:
        """Download a runtime for arm64, unless it is there.

        Raises:
            BenchmarkError: a program is missing, or a step fails.
        """
        target = self._packages(runtime)
        if not target.exists():
            progress(f"{runtime.label} for arm64")
            with _new_folder(target) as partial:
                _unpack_wheels(runtime, partial)
        if runtime.name == "executorch" and not (target / _guest_name()).exists():
            _check_programs(_COMPILER)
            progress("the guest program for executorch")
            _compile_guest(target / "executorch", target / _guest_name())

    def _packages(self, runtime: Runtime) -> Path:
        return self.folder / f"{runtime.name}-{runtime.version}"


def prepare(folder: Path, *, progress: Callable[[str], object] = lambda step: None) -> Userland:
    """The userland in `folder`, which is created if it does not exist, without runtimes.

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
    _check_programs(_PROGRAMS)
    if not (folder / "root").exists():
        if os.geteuid() != 0:
            raise BenchmarkError(
                "debootstrap needs root to unpack an arm64 Debian; run this once as root"
            )
        progress("Debian for arm64")
        with _new_folder(folder / "root") as partial:
            _unpack_debian(partial)
    plugin = folder / _plugin_name()
    if not plugin.exists():
        progress("the counting plugin")
        source = str(_HERE / "count_instructions.c")
        _compile("gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", source, to=plugin)
    _write_cores(folder)
    return Userland(folder)


def _check_programs(programs: dict[str, str]) -> None:
    if missing := sorted({p for name, p in programs.items() if shutil.which(name) is None}):
        raise BenchmarkError(
            f"{' and '.join(missing)} not found; run: apt-get install {' '.join(missing)}"
        )


def _unpack_debian(root: Path) -> None:
    options = "--arch=arm64", "--foreign", "--variant=minbase", f"--include={_PACKAGES}"
    _run("debootstrap", *options, _SUITE, str(root))
    for package in sorted((root / "var" / "cache" / "apt" / "archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(root))


def _write_cores(folder: Path) -> None:
    """A root for each core: links to Debian's folders, and files about the processor."""
    for core_name, core in CORES.items():
        root = folder / "cores" / core_name
        root.mkdir(parents=True, exist_ok=True)
        for name in _SHARED:
            if (folder / "root" / name).exists() and not (root / name).is_symlink():
                (root / name).symlink_to(Path("..", "..", "root", name))
        core.write(root)


def _unpack_wheels(runtime: Runtime, target: Path) -> None:
    """Unpack the wheels that a requirements file pins with their checksums."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    kind = ["--implementation", "cp", "--python-version", "3.11"]
    kind += [word for platform in _PLATFORMS for word in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as wheels:
        _run(*pip, *kind, "-d", wheels, "-r", str(runtime.requirements))
        for wheel in Path(wheels).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(target)


# Programs -----------------------------------------------------------------------------------


def _plugin_name() -> str:
    return f"count_instructions-{_version('count_instructions.c')}.so"


def _guest_name() -> str:
    return f"guest-{_version('guest.cpp')}"


def _version(source: str) -> str:
    """The beginning of a source's checksum: a changed source is compiled again."""
    return hashlib.sha256((_HERE / source).read_bytes()).hexdigest()[:12]


def _compile_guest(package: Path, target: Path, compiler: str = "aarch64-linux-gnu-g++") -> None:
    include = package / "include"
    c10 = include / "executorch" / "runtime" / "core" / "portable_type" / "c10"
    _compile(
        *(compiler, *_OPTIONS, str(_HERE / "guest.cpp")),
        *("-isystem", str(include), "-isystem", str(c10)),
        # Backends and kernels register themselves when they are loaded; nothing refers to them.
        *("-Wl,--no-as-needed", f"-L{package / 'lib'}", *(f"-l{name}" for name in _LIBRARIES)),
        "-Wl,--allow-shlib-undefined",
        to=target,
    )


def _compile(*command: str, to: Path) -> None:
    with partial_folder(to) as private:
        partial = private / to.name
        _run(*command, "-o", str(partial))
        rename(partial, to)


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder that becomes `target` once it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with partial_folder(target) as private:
        partial = private / target.name
        partial.mkdir()
        yield partial
        rename(partial, target)


def _run(*command: str) -> None:
    process = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if process.returncode:
        output = process.stderr.strip() or process.stdout.strip() or "no output"
        reason = output.splitlines()[-1]
        raise BenchmarkError(f"{command[0]} failed (exit {process.returncode}): {reason}")
