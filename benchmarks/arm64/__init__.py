"""Counts the ARM64 instructions of one inference in ONNX Runtime, without a phone.

    python -m squeezebert_mobile.benchmarks.arm64 [MODEL ...] [--cpu cortex-a76] [-o counts.json]

qemu emulates a phone's core and a plugin counts its instructions, so the count is reproducible to
0.1 % on any machine. It is a count and not a time: instructions take different numbers of cycles,
and memory is not modelled.

    userland.py            installs an arm64 Debian with numpy and ONNX Runtime, and the plugin
    count_instructions.c   the plugin
    guest.py               the program that runs under emulation
    counting.py            runs it and parses its output
"""

from squeezebert_mobile.benchmarks.arm64.counting import CPUS, Count, count
from squeezebert_mobile.benchmarks.arm64.userland import prepare

__all__ = ["CPUS", "Count", "count", "prepare"]
