"""Phones whose tools are missing or report nonsense: a message about that phone, and no other."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Cli
from phone_run import Run
from phone_stand_in import PRETEND_RUNNER, StandIn

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.files import HOME, FileSet, push
from squeezebert_mobile.benchmarks.records.reading import read_events

pytestmark = [pytest.mark.phone, pytest.mark.timeout(120)]

CPUS = "sys/devices/system/cpu"


@pytest.fixture
def other(run: Run, tmp_path: Path) -> Iterator[StandIn]:
    """A second phone, which is as it should be."""
    with StandIn(tmp_path / "other", "pixel 3", runner_command=PRETEND_RUNNER) as phone:
        run.server.connect(phone)
        yield phone
        run.server.disconnect(phone)


def _program(phone: StandIn, name: str, script: str) -> None:
    path = phone.root / "system/bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("value", ["0", "-1", "<unknown>", "²", "nan", "9" * 5000, ""])
def test_a_clock_that_is_none_hides_no_phone(
    cli: Cli, run: Run, other: StandIn, value: str
) -> None:
    for path in (run.phone.root / CPUS).glob("cpu*/cpufreq/cpuinfo_max_freq"):
        path.write_text(f"{value}\n", encoding="utf-8")
    server = ("--adb-server", run.server.address)
    code, out, err = cli("devices", "--json", *server)
    assert code == 0, err
    seen = {each["serial"]: each["remedy"] for each in json.loads(out)}
    assert seen == {run.phone.serial: None, other.serial: None}
    out = cli("doctor", *server)[1]
    assert out.count("ok  device ") == 2


@pytest.mark.parametrize("text", [None, "", "Processor\t: x\x1b[31m\nCPU part\t: -1\n" * 99])
def test_the_cores_are_in_the_results(run: Run, text: str | None) -> None:
    cpuinfo = run.phone.root / "proc/cpuinfo"
    if text == "":
        cpuinfo.unlink()
    elif text:
        cpuinfo.write_text(text, encoding="utf-8")
    phone = run.measure().phone
    assert phone is not None
    if text is None:
        assert phone.designs == {"Cortex-A510": 4, "Cortex-A715": 4, "Cortex-X3": 1}
        assert phone.features == ("asimddp", "fphp", "asimdhp", "i8mm", "bf16", "sve", "sve2")
    else:
        assert (phone.designs, phone.features) == ({}, ())


def test_a_core_that_is_off_is_measured_with(run: Run) -> None:
    (run.phone.root / CPUS / "cpu0/cpufreq/cpuinfo_max_freq").write_text("0\n")
    results = run.measure()
    assert results.phone is not None
    assert [(each.cores, each.max_khz) for each in results.phone.clusters][-1] == ((0,), None)
    assert len(read_events(run.journal)) > 1
    run.journal.unlink()
    with pytest.raises(PhoneError, match="does not report which cores are big; use --cores MASK"):
        run.measure(cores="big")


@pytest.mark.parametrize("script", ["exit 0", "echo 'error: closed'", "echo getprop >&2; exit 127"])
def test_a_phone_that_does_not_answer_getprop(
    cli: Cli, run: Run, other: StandIn, script: str
) -> None:
    _program(run.phone, "getprop", script)
    code, out, _ = cli("devices", "--json", "--adb-server", run.server.address)
    seen = {each["serial"]: each["remedy"] for each in json.loads(out)}
    assert code == 0 and seen[other.serial] is None
    assert re.fullmatch(
        rf"the phone '{run.phone.serial}' did not answer getprop \(.+\); wait until it has "
        "started, or restart it, then run again", seen[run.phone.serial]
    ), seen  # fmt: skip
    with pytest.raises(PhoneError, match="did not answer getprop"):
        run.measure()


def test_a_phone_that_does_not_report_its_abi(cli: Cli, run: Run) -> None:
    run.phone.set_properties(**{"ro.product.cpu.abi": ""})
    (seen,) = json.loads(cli("devices", "--json", "--adb-server", run.server.address)[1])
    assert seen["remedy"] == (
        "the phone does not report its ABI (ro.product.cpu.abi); restart it, then run again"
    )


@pytest.mark.parametrize("sdk", ["²", "9" * 5000, "-1", "", "34.1"])
def test_a_version_that_is_no_number_is_unknown(cli: Cli, run: Run, sdk: str) -> None:
    run.phone.set_properties(**{"ro.build.version.sdk": sdk})
    (seen,) = json.loads(cli("devices", "--json", "--adb-server", run.server.address)[1])
    assert seen["remedy"] is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'sh: sha256sum: inaccessible or not found' >&2; exit 127",
         "sh: sha256sum: inaccessible or not found"),
        ("echo 'toybox: Unknown command sha256sum' >&2; exit 1",
         "toybox: Unknown command sha256sum"),
        ("exit 0", "exit status 0"),
        ("exit 137", "exit status 137"),
    ],
)  # fmt: skip
def test_a_phone_without_sha256sum_has_not_damaged_the_file(
    run: Run, script: str, why: str
) -> None:
    _program(run.phone, "sha256sum", script)
    with pytest.raises(PhoneError) as caught:
        run.measure()
    assert re.fullmatch(
        rf"the phone cannot compute the SHA-256 of '{HOME}/\S+': {why}; measuring requires the "
        "sha256sum that Android has had since version 8: restart the phone, or use another one",
        str(caught.value),
    ), str(caught.value)


def test_a_file_that_is_damaged_on_its_way_is(run: Run) -> None:
    _program(run.phone, "sha256sum", f"echo {'0' * 64} $1")
    with pytest.raises(PhoneError, match="is damaged on the phone"):
        run.measure()


@pytest.mark.parametrize(
    ("changed", "kept"),
    [(-1, 0), (-(2**33), 0), (0, 0), (2**32 - 1, 2**32 - 1), (2**32, 2**32 - 1),
     (2**33, 2**32 - 1), (1_700_000_000.9, 1_700_000_000)],
)  # fmt: skip
def test_files_of_any_date_are_pushed(run: Run, changed: float, kept: int) -> None:
    file = run.folder / "old"
    file.write_bytes(b"x")
    os.utime(file, (changed, changed))
    files = FileSet(f"{HOME}/dates", {"old": (file, sha256_of(file))})
    push(run.device, [files], lambda sent, total: None)
    assert (run.phone.root / HOME.lstrip("/") / "dates/old").stat().st_mtime == kept


@pytest.mark.parametrize("value", ["9" * 5000, "²", "-", "nan", "inf", "1e999"])
def test_odd_conditions_leave_a_journal_that_can_be_read(run: Run, value: str) -> None:
    run.phone.set_battery(level=value, temperature=value)
    thermal = run.phone.root / "stand_in/thermalservice"
    thermal.write_text(thermal.read_text("utf-8").replace("mValue=", f"mValue={value}.."), "utf-8")
    results = run.measure()
    assert len(read_events(run.journal)) > 10
    for each in results.conditions:
        assert (each.battery_percent, each.battery_celsius, each.celsius) == (None, None, {})


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'sh: taskset: inaccessible or not found' >&2; exit 127",
         "sh: taskset: inaccessible or not found"),
        ("echo 'taskset: bad mask 1f0' >&2; exit 1", "taskset: bad mask 1f0"),
    ],
)  # fmt: skip
def test_a_phone_that_cannot_choose_cores(run: Run, script: str, why: str) -> None:
    _program(run.phone, "taskset", script)
    with pytest.raises(PhoneError) as caught:
        run.measure(cores="big")
    assert str(caught.value) == f"the phone cannot choose cores ({why}); remove --cores"
    assert not run.journal.exists()
    assert run.measure().complete


def test_the_phones_clock_jumps(run: Run) -> None:
    """No time of a run is the phone's; only the holder of its lock is shown with one."""
    jumps = "[ -f clock ] && { rm clock; echo 4102444800; } || { touch clock; echo 1; }"
    _program(run.phone, "date", jumps)
    results = run.measure()
    times = [each.at_s for each in results.conditions]
    assert results.complete and times == sorted(times)
