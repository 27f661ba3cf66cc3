"""Instructions of one inference by ONNX Runtime's ARM64 kernels, without a phone.

    python -m squeezebert_mobile.benchmarks.arm64 [MODEL ...] [--cpu cortex-a76] [-o counts.json]

qemu emulates the instructions of a phone's core and a plugin counts them, so the figure is steady
to a tenth of a percent on any machine. It is a count and not a time: instructions differ in what
they take, and memory has no part in it.

    userland.py            an arm64 Debian, numpy and ONNX Runtime for it, and the plugin
    count_instructions.c   the plugin
    guest.py               what runs under emulation
    counting.py            starts it, and reads what it says
"""

from squeezebert_mobile.benchmarks.arm64.counting import CPUS, Count, count
from squeezebert_mobile.benchmarks.arm64.userland import prepare

__all__ = ["CPUS", "Count", "count", "prepare"]
