"""Facts about this machine that affect latency."""

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.benchmarks.measure.system_facts import system_facts
from squeezebert_mobile.benchmarks.records.results import LoadAverage, Machine

__all__ = ["load_average", "machine_facts"]

#: CPU features that decide which kernels run, by their names in /proc/cpuinfo.
_FEATURES = (
    *("sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16"),
    *("amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
#: Packages whose versions are recorded.
_LIBRARIES = (
    *(facts.library for facts in FORMATS.values()),
    "numpy",
    "transformers",
    "ai-edge-litert",
)
_ROOT = Path("/")


def machine_facts(root: Path = _ROOT) -> Machine:
    """Facts that can be read without privileges; on Linux `root` contains proc and sys."""
    cpus = _cpuinfo(_text(root / "proc/cpuinfo"))
    system = system_facts()  # of macOS and Windows
    flags = _flags(cpus) | system.features
    logical = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else system.usable_cores
    return Machine(
        cpu=_cpu_name(cpus) or system.cpu or platform.processor() or "unknown",
        architecture=platform.machine(),
        logical_cores=logical,
        physical_cores=_physical_cores(cpus) or system.physical_cores,
        usable_cores=usable or logical,
        cpu_quota=_cpu_quota(_text(root / "sys/fs/cgroup/cpu.max")),
        features=tuple(name for name in _FEATURES if name in flags),
        memory_bytes=_memory_bytes(_text(root / "proc/meminfo")) or system.memory_bytes,
        governor=_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
        or None,
        virtual="hypervisor" in flags if cpus and flags else system.virtual,
        os=platform.platform(),
        python=platform.python_version(),
        versions=_versions(),
    )


def load_average() -> LoadAverage | None:
    """Load average over 1, 5 and 15 minutes; None on systems without one."""
    try:
        one, five, fifteen = os.getloadavg()
    except (AttributeError, OSError):  # Windows
        return None
    return round(one, 2), round(five, 2), round(fifteen, 2)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cpuinfo(text: str) -> list[dict[str, str]]:
    """One mapping for each paragraph of /proc/cpuinfo: a logical core."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        pairs = (line.partition(":") for line in paragraph.splitlines() if ":" in line)
        if fields := {key.strip(): value.strip() for key, _, value in pairs}:
            paragraphs.append(fields)
    return paragraphs


def _flags(cpus: list[dict[str, str]]) -> set[str]:
    """Features that all cores have; the field is called flags on x86, Features on ARM."""
    per_core = [
        set(text.split()) for cpu in cpus if (text := cpu.get("flags") or cpu.get("Features"))
    ]
    return set.intersection(*per_core) if per_core else set()


def _cpu_name(cpus: list[dict[str, str]]) -> str:
    return ", ".join(sorted({name for cpu in cpus if (name := _core_name(cpu))}))


def _core_name(cpu: dict[str, str]) -> str:
    if name := cpu.get("model name"):
        return re.sub(r"\s+", " ", name)
    if part := cpu.get("CPU part"):  # ARM kernels report numbers only
        return f"implementer {cpu.get('CPU implementer', '?')} part {part}"
    return ""


def _physical_cores(cpus: list[dict[str, str]]) -> int | None:
    cores = {(cpu.get("physical id"), cpu["core id"]) for cpu in cpus if "core id" in cpu}
    return len(cores) or None


def _cpu_quota(text: str) -> float | None:
    """A container's limit in cores, from the "QUOTA PERIOD" of cgroup v2, in microseconds."""
    match text.split():
        case [quota, period] if re.fullmatch("[0-9]{1,15} [0-9]{1,15}", f"{quota} {period}"):
            return int(quota) / int(period) if int(period) else None
    return None


def _memory_bytes(text: str) -> int | None:
    total = re.search(r"^MemTotal:\s+(\d+) kB$", text, re.MULTILINE)
    return int(total[1]) * 1024 if total else None


def _versions() -> dict[str, str]:
    versions = {"squeezebert-mobile": __version__}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
