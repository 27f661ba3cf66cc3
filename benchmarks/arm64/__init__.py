"""Counts the ARM64 instructions of one inference on the cores of phones, without a phone.

    python -m squeezebert_mobile.benchmarks.arm64 [MODEL ...] [--cpu cortex-a76] [-o counts.json]

qemu emulates a phone's core and a plugin counts its instructions, so the count is reproducible to
0.1 % on any machine. It is a count and not a time: instructions take different numbers of cycles,
and memory is not modelled.

    cores.py               the cores
    runtimes.py            the runtimes, in pinned versions; requirements/ has their checksums
    userland.py            installs an arm64 Debian, runtimes for it, and the plugin
    count_instructions.c   the plugin
    guest.py, guest.cpp    the programs that run under emulation: Python's runtimes, and ExecuTorch
    emulation.py           a model that runs in one of them, as a session
    reading.py             reads what the plugin prints
    counting.py            counts a model and checks its golden outputs
    which_format.py        writes the table of docs/which-format.md
"""

from squeezebert_mobile.benchmarks.arm64.counting import Count, count, countable
from squeezebert_mobile.benchmarks.arm64.userland import prepare

__all__ = ["Count", "count", "countable", "prepare"]
