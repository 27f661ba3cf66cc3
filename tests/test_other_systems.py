"""macOS and Windows, as far as Linux can show: their names, and what they lack."""

import errno
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from small_artifact import write_small_artifact

from squeezebert_mobile import files, programs, renames
from squeezebert_mobile.benchmarks.arm64.userland import prepare
from squeezebert_mobile.benchmarks.measure import cold_start, machine, system_facts
from squeezebert_mobile.errors import BenchmarkError, ExportError
from squeezebert_mobile.files import atomic_folder, atomic_write

#: Imports modules as on another system, whose modules and functions are others. All are imported
#: before: the libraries that they need must be those of this system.
IMPORT = """
import importlib, os, pkgutil, signal, sys

ABSENT = {
    "win32": ["fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "posix", "syslog"],
    "darwin": ["winreg", "msvcrt"],
}
FUNCTIONS = {
    "win32": [
        "sched_getaffinity", "sched_setaffinity", "geteuid", "getuid", "getgid", "getloadavg",
        "fork", "mkfifo", "killpg", "setsid", "statvfs", "uname", "getpgid", "chown", "O_NONBLOCK",
        "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "posix_fadvise", "memfd_create", "pread",
    ],
    "darwin": ["sched_getaffinity", "sched_setaffinity", "memfd_create", "posix_fadvise"],
}
SIGNALS = ["SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGQUIT", "alarm", "setitimer"]


def all_modules():
    for root in ("", ".export", ".runtime", ".benchmarks"):
        package = importlib.import_module("squeezebert_mobile" + root)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            # Others are programs, or need a library that takes minutes to import.
            if not module.name.endswith(("__main__", "arm64.guest")):
                if "executorch" not in module.name:
                    yield module.name


system, *names = sys.argv[1:]
names = names or sorted(set(all_modules()))
for name in names:
    importlib.import_module(name)
for name in [name for name in sys.modules if name.startswith("squeezebert_mobile")]:
    # These register operators, which torch allows once.
    if not name.endswith(("xnnpack", "executorch.operators")):
        del sys.modules[name]
for name in ABSENT[system]:
    sys.modules[name] = None
for name in FUNCTIONS[system]:
    vars(os).pop(name, None)
if system == "win32":
    for name in SIGNALS:
        vars(signal).pop(name)
sys.platform = system
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def _imported(system: str, *names: str) -> int:
    """How many modules were imported."""
    command = [sys.executable, "-c", IMPORT, system, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_every_module_can_be_imported(system: str) -> None:
    assert _imported(system) > 200


@pytest.mark.parametrize("system", ["win32", pytest.param("darwin", marks=pytest.mark.slow)])
def test_the_command_line_and_the_runtime_can_be_imported(system: str) -> None:
    names = ("cli", "runtime", "files", "runtime.sessions.onnx", "benchmarks.measure.host")
    names += ("benchmarks.phone.doctor", "benchmarks.phone.commands", "evaluation")
    assert _imported(system, *(f"squeezebert_mobile.{name}" for name in names)) == len(names)


@pytest.fixture
def as_system(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setattr(sys, "platform", name)


# Renaming --------------------------------------------------------------------------------------


class _OpenElsewhere:
    """`os.replace` while another program has a file open, for some calls."""

    def __init__(self, calls: int, fails: Callable[[Path], bool] = lambda target: True) -> None:
        self.left, self.fails, self.real, self.waits = calls, fails, os.replace, list[float]()

    def __call__(self, source: Path, target: Path) -> None:
        if self.left and self.fails(Path(target)):
            self.left -= 1
            raise PermissionError(errno.EACCES, "Access is denied", str(target))
        self.real(source, target)


@pytest.fixture
def open_elsewhere(
    monkeypatch: pytest.MonkeyPatch, as_system: Callable[[str], None]
) -> Callable[..., _OpenElsewhere]:
    def start(*arguments: object, system: str = "win32") -> _OpenElsewhere:
        replace = _OpenElsewhere(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(renames.time, "sleep", replace.waits.append)
        as_system(system)
        return replace

    return start


@pytest.mark.parametrize("calls", [0, 1, 3, 6])
def test_a_file_that_is_open_for_a_moment(
    tmp_path: Path, open_elsewhere: Callable[..., _OpenElsewhere], calls: int
) -> None:
    replace = open_elsewhere(calls)
    atomic_write(tmp_path / "results.json", "{}", what="results")
    assert (tmp_path / "results.json").read_text() == "{}"
    assert len(replace.waits) == calls and sum(replace.waits) < 3


def test_a_file_that_stays_open(
    tmp_path: Path, open_elsewhere: Callable[..., _OpenElsewhere]
) -> None:
    (tmp_path / "results.json").write_text("older")
    open_elsewhere(100)
    with pytest.raises(BenchmarkError) as caught:
        atomic_write(tmp_path / "results.json", "{}", what="results")
    assert str(caught.value) == (
        f"cannot write the results to {str(tmp_path / 'results.json')!r}: Access is denied; close "
        "the programs that have it open; choose another file with -o"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == "older"


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_other_systems_do_not_wait(
    tmp_path: Path, open_elsewhere: Callable[..., _OpenElsewhere], system: str
) -> None:
    replace = open_elsewhere(1, system=system)
    with pytest.raises(BenchmarkError, match=": Access is denied; choose another file with -o$"):
        atomic_write(tmp_path / "results.json", "{}", what="results")
    assert replace.waits == []


@pytest.mark.parametrize("system", ["win32", "freebsd14"])
def test_folders_without_an_exchange(
    tmp_path: Path, as_system: Callable[[str], None], system: str
) -> None:
    as_system(system)
    for content in ("first", "second"):
        with atomic_folder(tmp_path / "artifact", force=True) as partial:
            (partial / "manifest.json").write_text(content)
        assert (tmp_path / "artifact" / "manifest.json").read_text() == content
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as partial:
        (partial / "manifest.json").write_text("{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifact", "empty"]


def test_an_older_folder_survives_a_rename_that_fails(
    tmp_path: Path, open_elsewhere: Callable[..., _OpenElsewhere]
) -> None:
    write_small_artifact(tmp_path / "artifact")
    before = sorted(path.name for path in (tmp_path / "artifact").iterdir())
    # The older one can be moved aside; moving the new one there fails as often as it is tried.
    replace = open_elsewhere(7, lambda target: target == tmp_path / "artifact")
    with pytest.raises(ExportError, match="Access is denied; close the programs that have it open"):
        with atomic_folder(tmp_path / "artifact", force=True) as partial:
            (partial / "new").write_text("new")
    assert replace.left == 0
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]
    assert sorted(path.name for path in (tmp_path / "artifact").iterdir()) == before


def test_a_folder_that_another_export_has_written_meanwhile(
    tmp_path: Path, as_system: Callable[[str], None]
) -> None:
    as_system("win32")
    with pytest.raises(ExportError, match="exists; replace it with --force"):
        with atomic_folder(tmp_path / "artifact") as partial:
            (partial / "manifest.json").write_text("{}")
            write_small_artifact(tmp_path / "artifact")
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


# Facts about the machine -----------------------------------------------------------------------


def _psutil(**changes: object) -> types.SimpleNamespace:
    process = types.SimpleNamespace(
        cpu_affinity=lambda: [0, 2, 4],
        memory_info=lambda: types.SimpleNamespace(rss=5 << 20, peak_wset=7 << 20),
    )
    facts = {
        "cpu_count": lambda logical: 8 if logical else 4,
        "virtual_memory": lambda: types.SimpleNamespace(total=16 << 30),
        "Process": lambda: process,
    }
    return types.SimpleNamespace(**(facts | changes))


SYSCTL = """\
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 1
hw.optional.arm.FEAT_SME: 0
hw.optional.AdvSIMD: 1
hw.optional.floatingpoint: 1
machdep.cpu.brand_string: Apple M2
kern.hv_vmm_present: 0
"""


def _fake_sysctl(monkeypatch: pytest.MonkeyPatch, output: str | None) -> None:
    def run(command: tuple[str, ...], **options: object) -> types.SimpleNamespace:
        assert command[0] == "/usr/sbin/sysctl"
        if output is None:
            raise FileNotFoundError(command[0])
        return types.SimpleNamespace(stdout=output)

    fake = types.SimpleNamespace(
        run=run, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired
    )
    monkeypatch.setattr(system_facts, "subprocess", fake)  # `platform` also runs programs


def test_macos(
    monkeypatch: pytest.MonkeyPatch, as_system: Callable[[str], None], tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setitem(sys.modules, "psutil", _psutil())  # type: ignore[arg-type]
    _fake_sysctl(monkeypatch, SYSCTL)
    as_system("darwin")
    facts = machine.machine_facts(tmp_path)
    assert (facts.cpu, facts.physical_cores, facts.memory_bytes) == ("Apple M2", 4, 16 << 30)
    assert facts.features == ("asimd", "asimddp", "i8mm")
    assert facts.usable_cores == facts.logical_cores
    assert facts.virtual is False and facts.governor is None and facts.cpu_quota is None


def test_macos_in_a_virtual_machine_with_intel(
    monkeypatch: pytest.MonkeyPatch, as_system: Callable[[str], None], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    text = "hw.optional.avx2_0: 1\nmachdep.cpu.brand_string: Intel(R) Core(TM) i7\n"
    _fake_sysctl(monkeypatch, f"{text}kern.hv_vmm_present: 1\n")
    as_system("darwin")
    facts = machine.machine_facts(tmp_path)
    assert (facts.cpu, facts.features, facts.virtual) == ("Intel(R) Core(TM) i7", ("avx2",), True)
    assert facts.physical_cores is None and facts.memory_bytes is None


@pytest.mark.parametrize("output", ["", None, "sysctl: unknown oid\n"])
def test_a_sysctl_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
    as_system: Callable[[str], None],
    tmp_path: Path,
    output: str | None,
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    _fake_sysctl(monkeypatch, output)
    as_system("darwin")
    facts = machine.machine_facts(tmp_path)
    assert (facts.cpu, facts.features, facts.virtual) == ("unknown", (), None)


class _Key:
    def __enter__(self) -> "_Key":
        return self

    def __exit__(self, *error: object) -> None: ...


@pytest.mark.parametrize("has_registry", [True, False])
def test_windows(
    monkeypatch: pytest.MonkeyPatch,
    as_system: Callable[[str], None],
    tmp_path: Path,
    has_registry: bool,
) -> None:
    winreg = types.SimpleNamespace(
        HKEY_LOCAL_MACHINE=0,
        OpenKey=lambda root, path: _Key(),
        QueryValueEx=lambda key, name: ("AMD  Ryzen 7 ", 1),
    )
    monkeypatch.setitem(sys.modules, "winreg", winreg if has_registry else None)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "psutil", _psutil())  # type: ignore[arg-type]
    monkeypatch.setattr(machine.platform, "processor", lambda: "AMD64 Family 25")
    for name in ("sched_getaffinity", "getloadavg"):
        monkeypatch.delattr(os, name)
    as_system("win32")
    facts = machine.machine_facts(tmp_path)
    assert facts.cpu == ("AMD Ryzen 7" if has_registry else "AMD64 Family 25")
    assert (facts.physical_cores, facts.usable_cores, facts.memory_bytes) == (4, 3, 16 << 30)
    assert machine.load_average() is None


def test_linux_is_not_asked_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What /proc does not have stays unknown, as before."""
    monkeypatch.setitem(sys.modules, "psutil", _psutil())  # type: ignore[arg-type]
    facts = machine.machine_facts(tmp_path)
    assert facts.physical_cores is None and facts.memory_bytes is None and facts.virtual is None


def test_memory_of_a_process(
    monkeypatch: pytest.MonkeyPatch, as_system: Callable[[str], None], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", _psutil())  # type: ignore[arg-type]
    monkeypatch.setattr(cold_start, "_STATUS", tmp_path / "none")
    assert cold_start._peak_bytes() is None
    as_system("win32")
    assert (cold_start._resident_bytes(), cold_start._peak_bytes()) == (5 << 20, 7 << 20)
    usage = types.SimpleNamespace(ru_maxrss=9 << 20)
    resource = types.SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: usage)
    monkeypatch.setitem(sys.modules, "resource", resource)  # type: ignore[arg-type]
    as_system("darwin")
    assert cold_start._peak_bytes() == 9 << 20


# Advice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ADB", "MAVEN", "JAVA"])
@pytest.mark.parametrize(
    ("system", "manager"),
    [("linux", "apt-get"), ("darwin", "brew"), ("win32", "winget"), ("freebsd14", None)],
)
def test_how_a_program_is_installed(
    as_system: Callable[[str], None], name: str, system: str, manager: str | None
) -> None:
    as_system(system)
    installation: programs.Installation = getattr(programs, name)
    if manager is None or (name, system) == ("MAVEN", "win32"):
        assert installation.remedy == f"install it from {installation.page}"
    else:
        assert installation.remedy.startswith(f"run: {manager} install ")


def test_emulation_needs_linux(tmp_path: Path, as_system: Callable[[str], None]) -> None:
    as_system("darwin")
    with pytest.raises(BenchmarkError, match="^counting instructions needs Linux, where qemu"):
        prepare(tmp_path / "userland")


def test_a_plain_file_is_read_without_unix_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_NONBLOCK")
    (tmp_path / "file").write_bytes(b"text\r\n")
    assert files.read_regular(tmp_path / "file") == b"text\r\n"
