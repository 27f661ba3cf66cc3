import importlib.util
import sys

import pytest

from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.benchmarks.measure import machine
from squeezebert_mobile.benchmarks.measure.machine import load_average, machine_facts

XEON = """processor\t: 0
model name\t: Intel(R) Xeon(R)   Processor @ 2.50GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu avx2 fma avx512_vnni hypervisor

processor\t: 1
model name\t: Intel(R) Xeon(R)   Processor @ 2.50GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu avx2 fma hypervisor
"""
PIXEL = """processor\t: 0
Features\t: fp asimd asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd05

processor\t: 1
Features\t: fp asimd asimddp i8mm
CPU implementer\t: 0x41
CPU part\t: 0xd44
"""


@pytest.fixture
def root(tmp_path):
    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write.path = tmp_path
    return write


def test_an_x86_machine(root):
    root("proc/cpuinfo", XEON)
    root("proc/meminfo", "MemFree:  1 kB\nMemTotal:       24576000 kB\n")
    root("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n")
    root("sys/fs/cgroup/cpu.max", "150000 100000\n")
    facts = machine_facts(root.path)
    assert facts.cpu == "Intel(R) Xeon(R) Processor @ 2.50GHz"
    assert facts.features == ("avx2", "fma")  # only what every core has
    assert facts.physical_cores == 1
    assert facts.cpu_quota == 1.5
    assert facts.memory_bytes == 24576000 * 1024
    assert facts.governor == "powersave"
    assert facts.virtual is True


def test_an_arm_machine_with_two_kinds_of_cores(root):
    root("proc/cpuinfo", PIXEL)
    facts = machine_facts(root.path)
    assert facts.cpu == "implementer 0x41 part 0xd05, implementer 0x41 part 0xd44"
    assert facts.features == ("asimd", "asimddp")
    assert facts.virtual is False
    assert facts.physical_cores is None


def test_a_machine_that_tells_nothing(root):
    root("sys/fs/cgroup/cpu.max", "max 100000\n")
    facts = machine_facts(root.path)
    assert facts.cpu
    assert facts.features == ()
    assert (facts.cpu_quota, facts.memory_bytes, facts.governor, facts.virtual) == (None,) * 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_machine():
    facts = machine_facts()
    assert facts.features
    assert facts.memory_bytes > 1 << 28
    assert 1 <= facts.usable_cores <= facts.logical_cores
    assert {"squeezebert-mobile", "onnxruntime", "numpy"} <= facts.versions.keys()


def test_load_average(monkeypatch):
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (1.234, 0.5, 0.25))
    assert load_average() == (1.23, 0.5, 0.25)
    monkeypatch.delattr(machine.os, "getloadavg")
    assert load_average() is None


def test_the_versions_of_all_installed_runtimes_are_recorded():
    versions = machine_facts().versions
    for facts in FORMATS.values():
        if importlib.util.find_spec(facts.library):
            assert facts.library in versions
