"""Preparing the emulation: missing programs, failing steps, and what a command reads."""

from collections.abc import Callable
from pathlib import Path

import pytest

from squeezebert_mobile.benchmarks.arm64 import userland
from squeezebert_mobile.benchmarks.arm64.runtimes import RUNTIMES
from squeezebert_mobile.benchmarks.arm64.userland import Userland, prepare
from squeezebert_mobile.errors import BenchmarkError

EXECUTORCH = next(each for each in RUNTIMES if each.name == "executorch")


def _which(missing: set[str]) -> Callable[[str], str | None]:
    return lambda name: None if name in missing else f"/usr/bin/{name}"


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(userland.shutil, "which", _which({"qemu-aarch64", "gcc"}))
    with pytest.raises(BenchmarkError, match="run: apt-get install gcc qemu-user"):
        prepare(tmp_path / "arm64")
    monkeypatch.setattr(userland.shutil, "which", _which({"aarch64-linux-gnu-g++"}))
    (tmp_path / "arm64" / f"executorch-{EXECUTORCH.version}").mkdir(parents=True)
    with pytest.raises(BenchmarkError, match=r"run: apt-get install g\+\+-aarch64-linux-gnu"):
        Userland(tmp_path / "arm64").install(EXECUTORCH)
    monkeypatch.setattr(userland.shutil, "which", _which(set()))
    monkeypatch.setattr(userland.os, "geteuid", lambda: 1000)
    with pytest.raises(BenchmarkError, match="run this once as root"):
        prepare(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_failed_step_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(userland.shutil, "which", lambda name: name)
    monkeypatch.setattr(userland.os, "geteuid", lambda: 0)
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "debootstrap"
    fake.write_text("#!/bin/sh\necho 'no mirror' >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(BenchmarkError, match=r"debootstrap failed \(exit 3\): no mirror"):
        prepare(tmp_path / "arm64")
    assert list((tmp_path / "arm64").iterdir()) == []


def test_a_runtime_that_cannot_be_downloaded_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(userland.sys, "executable", "/bin/false")
    with pytest.raises(BenchmarkError, match="/bin/false failed"):
        Userland(tmp_path).install(EXECUTORCH)
    assert list(tmp_path.iterdir()) == []


def test_every_package_is_pinned_with_a_checksum() -> None:
    for runtime in RUNTIMES:
        lines = runtime.requirements.read_text(encoding="utf-8").splitlines()
        assert f"=={runtime.version} " in lines[0] and runtime.name in lines[0]
        assert all(" --hash=sha256:" in line for line in lines)


def test_each_core_has_its_own_files_and_shares_debian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(userland.shutil, "which", lambda name: name)
    (tmp_path / "root" / "usr").mkdir(parents=True)
    (tmp_path / "root" / "tmp").mkdir()
    (tmp_path / userland._plugin_name()).touch()
    for _ in range(2):
        prepared = prepare(tmp_path)
    for runtime in RUNTIMES:
        command = prepared.command("sve2", runtime, Path("model"))
        assert command[:3] == ["qemu-aarch64", "-cpu", "max,sme=off,sve-default-vector-length=16"]
        root = Path(command[command.index("-L") + 1])
        assert (root / "usr").resolve() == (tmp_path / "root" / "usr").resolve()
        assert not (root / "tmp").exists()  # models may be there
        assert "sve2" in (root / "proc" / "cpuinfo").read_text(encoding="ascii")
        assert any(runtime.version in word for word in command)
