"""A userland that emulates nothing: it runs a guest program on this machine, or a fake of one."""

import sys
from pathlib import Path

from squeezebert_mobile.benchmarks import arm64
from squeezebert_mobile.benchmarks.arm64.runtimes import Runtime
from squeezebert_mobile.benchmarks.arm64.userland import Userland

GUEST = Path(arm64.__file__).parent / "guest.py"
#: What the plugin prints: a plain run of 100 instructions; a profiled one with a Gemm of 30, a Gelu
#: of 5 and a Gemm of 40.
LINES = """\
clock 1
mark 1000
mark 1100
clock 1500
mark 2000
clock 2001
clock 2002
clock 2003
clock 2010
clock 2040
clock 2041
clock 2046
clock 2050
clock 2090
clock 2091
clock 2092
clock 2093
clock 2094
clock 2095
clock 2096
mark 2100
clock 9999
""".splitlines()
EVENTS = ["skip 3", *("begin Gemm", "end", "begin Gelu", "end", "begin Gemm", "end"), "rest 5 6"]


class Fake(Userland):
    """Runs the guest program with a model that answers every text the same, and prints LINES."""

    def __init__(self, logits: tuple[float, ...] = (0.0, 1.0), code: str = "") -> None:
        super().__init__(Path("."))
        object.__setattr__(self, "answer", (logits, code))

    def install(self, runtime: Runtime, progress: object = None) -> None:
        pass

    def command(self, cpu: str, runtime: Runtime, model: Path) -> list[str]:
        logits, code = self.answer  # type: ignore[attr-defined]
        program = f"""
import sys
sys.path.insert(0, {str(GUEST.parent)!r})
import guest, numpy
from numpy import nan
{code}
class Model:
    def set_inputs(self, arrays): self.rows = len(next(iter(arrays.values())))
    def run(self): return [("-", numpy.array([{list(logits)!r}] * self.rows))]
    def profiled(self, run_marked): return {chr(10).join(EVENTS)!r}
print({chr(10).join(LINES)!r}, file=sys.stderr)
guest.serve(Model(), sys.stdin.buffer, sys.stdout.buffer)
"""
        return [sys.executable, "-c", program]


class Native(Userland):
    """Runs guest.py on this machine, without the plugin."""

    def __init__(self) -> None:
        super().__init__(Path("."))

    def install(self, runtime: Runtime, progress: object = None) -> None:
        pass

    def command(self, cpu: str, runtime: Runtime, model: Path) -> list[str]:
        return [sys.executable, str(GUEST), runtime.name, str(model)]
