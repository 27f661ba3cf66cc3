"""The cores that qemu emulates, and what Linux says about them.

Libraries choose their kernels by the processor's features, and some read them in /proc/cpuinfo.
Under qemu 7.2 that is this machine's file, so each core gets one of its own.
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CORES", "DEFAULT_CORES", "Core"]

_A72 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_A76 = f"{_A72} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
_X3 = (
    f"{_A76} jscvt fcma sha3 sm3 sm4 sha512 asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg "
    "dcpodp flagm2 frint i8mm bf16 bti"
)
_SVE2 = "sve sve2 sveaes svepmull svebitperm svesha3 svesm4 svei8mm svebf16"


@dataclass(frozen=True)
class Core:
    """One processor core."""

    qemu: str  # the argument of -cpu
    part: int  # ARM's number of the design
    features: str  # as in /proc/cpuinfo
    phones: str

    def write(self, root: Path) -> None:
        """Write the files about the processor, a single core, below the folder `root`."""
        files = {f"sys/devices/system/cpu/{name}": "0\n" for name in _LISTS}
        for name, text in {**files, "proc/cpuinfo": self._cpuinfo}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="ascii")

    @property
    def _cpuinfo(self) -> str:
        lines = {
            "processor": "0",
            "BogoMIPS": "38.40",
            "Features": self.features,
            "CPU implementer": "0x41",  # ARM
            "CPU architecture": "8",
            "CPU variant": "0x1",
            "CPU part": f"{self.part:#x}",
            "CPU revision": "1",
        }
        return "".join(f"{name}\t: {value}\n" for name, value in lines.items()) + "\n"


_LISTS = ("possible", "present", "online")

# qemu's max has SME and SVE of 512 bits, which no phone had before 2025: both are turned off.
CORES = {
    "cortex-a76": Core("cortex-a76", 0xD0B, _A76, "int8 dot products, as in Pixel 4 to 7"),
    "i8mm": Core("max,sve=off,sme=off", 0xD4E, _X3, "int8 matrix products"),
    "sve2": Core(
        "max,sme=off,sve-default-vector-length=16",
        0xD4E,
        f"{_X3} {_SVE2}",
        "int8 matrix products and SVE2 of 128 bits, as in Pixel 8 and later",
    ),
    "cortex-a72": Core("cortex-a72", 0xD08, _A72, "no int8 dot products"),
}
DEFAULT_CORES = ("cortex-a76", "i8mm", "sve2")
