"""Facts about a machine with macOS or Windows, which have no /proc and /sys."""

import importlib
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

__all__ = ["SystemFacts", "peak_bytes", "system_facts"]

#: Names that sysctl prints on macOS -> names in Linux's /proc/cpuinfo.
_SYSCTL_FEATURES = {
    "hw.optional.sse4_2": "sse4_2",
    "hw.optional.avx1_0": "avx",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.fma": "fma",
    "hw.optional.avx512f": "avx512f",
    "hw.optional.avx512vnni": "avx512_vnni",
    "hw.optional.AdvSIMD": "asimd",
    "hw.optional.arm.AdvSIMD": "asimd",
    "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.arm.FEAT_DotProd": "asimddp",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_SME": "sme",
}
_SYSCTL = ("/usr/sbin/sysctl", "hw.optional", "machdep.cpu.brand_string", "kern.hv_vmm_present")
#: Where Windows' registry has the name of the processor.
_REGISTRY_KEY = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class SystemFacts:
    """Facts that Linux has in /proc; None where they are unknown."""

    cpu: str | None = None
    physical_cores: int | None = None
    usable_cores: int | None = None
    memory_bytes: int | None = None
    features: frozenset[str] = frozenset()
    virtual: bool | None = None


def system_facts() -> SystemFacts:
    """What macOS and Windows say; nothing on other systems."""
    if sys.platform == "darwin":
        return _macos(_sysctl(), _psutil())
    if sys.platform == "win32":
        return _windows(_psutil())
    return SystemFacts()


def peak_bytes() -> int | None:
    """The largest resident memory that this process has had; None on other systems."""
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes, on Linux in KiB
    if sys.platform == "win32" and (psutil := _psutil()):
        return int(psutil.Process().memory_info().peak_wset)
    return None


def _psutil() -> ModuleType | None:
    try:
        return importlib.import_module("psutil")
    except ImportError:  # of the extra bench
        return None


def _macos(values: Mapping[str, str], psutil: ModuleType | None) -> SystemFacts:
    present = values.get("kern.hv_vmm_present")
    return SystemFacts(
        cpu=values.get("machdep.cpu.brand_string"),
        physical_cores=psutil.cpu_count(logical=False) if psutil else None,
        memory_bytes=psutil.virtual_memory().total if psutil else None,
        features=frozenset(
            name for key, name in _SYSCTL_FEATURES.items() if values.get(key) == "1"
        ),
        virtual=None if present is None else present == "1",
    )


def _sysctl() -> dict[str, str]:
    try:
        # A name that this version of macOS does not know is left out of the output.
        done = subprocess.run(
            _SYSCTL,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (line.partition(": ") for line in done.stdout.splitlines())
    return {name: value.strip() for name, _, value in pairs if value.strip()}


def _windows(psutil: ModuleType | None) -> SystemFacts:
    return SystemFacts(
        cpu=_registry_cpu() or platform.processor() or None,
        physical_cores=psutil.cpu_count(logical=False) if psutil else None,
        usable_cores=len(psutil.Process().cpu_affinity()) if psutil else None,
        memory_bytes=psutil.virtual_memory().total if psutil else None,
    )


def _registry_cpu() -> str | None:
    try:
        winreg = importlib.import_module("winreg")
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _REGISTRY_KEY) as key:
            return " ".join(str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).split())
    except (ImportError, OSError):
        return None
