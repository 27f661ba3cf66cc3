"""The commands for phones, as typed, with the runner's own code and real int8 inference.

The stand-in runs android_demo's classes on this machine's Java; `make test-phone` has built them,
and says where by STAND_IN_RUNNER_CLASSPATH.
"""

import json
import os
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Cli
from phone_run import Run
from phone_stand_in import AdbServer, StandIn

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.measure.schedule import PRESETS
from squeezebert_mobile.benchmarks.phone.adb.files import HOME, FileSet, push

pytestmark = [pytest.mark.phone, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def class_path() -> str:
    return os.environ["STAND_IN_RUNNER_CLASSPATH"]


@pytest.fixture
def phones(adb_server: AdbServer, tmp_path: Path, class_path: str) -> Iterator[list[StandIn]]:
    """A Pixel 3 and a Pixel 8; the second one calls itself something odd."""
    odd = "R58 $(touch x) 'q' \"d\""
    with (
        StandIn(tmp_path / "one", "pixel 3", runner_classpath=class_path) as one,
        StandIn(tmp_path / "two", "pixel 8", runner_classpath=class_path, serialno=odd) as two,
    ):
        adb_server.connect(one)
        adb_server.connect(two)
        yield [one, two]
        adb_server.disconnect(one)
        adb_server.disconnect(two)


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """An AAR by its form; a stand-in's runner has the desktop's ONNX Runtime."""
    path = tmp_path / "onnxruntime-android.aar"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("libonnxruntime.so", "libonnxruntime4j_jni.so"):
            archive.writestr(f"jni/arm64-v8a/{name}", name.encode() * 1000)
        archive.writestr("classes.jar", b"")
    return path


def _shorten(monkeypatch: pytest.MonkeyPatch, starts: int) -> None:
    """As many blocks and runs as `--preset rapid` has, and no longer than these take."""
    monkeypatch.setitem(PRESETS, "rapid", replace(PRESETS["rapid"], seconds=0, starts=starts))


@pytest.fixture(autouse=True)
def _shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    _shorten(monkeypatch, starts=1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_from_an_artifact_to_a_report(
    cli: Cli, adb_server: AdbServer, phones: list[StandIn], assistant: Path, runtime: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _shorten(monkeypatch, starts=3)
    server = ("--adb-server", adb_server.address)
    one = phones[0].serial

    code, out, _ = cli("devices", "--json", *server)
    seen = {each["serial"]: each for each in json.loads(out)}
    assert code == 0 and seen.keys() == {each.serial for each in phones}
    assert (seen[one]["model"], seen[one]["soc"], seen[one]["remedy"]) == (
        "Pixel 3",
        "SDM845",
        None,
    )
    code, out, _ = cli("doctor", *server)
    assert code == 0 and f"ok  device {one}: Pixel 3, Android 12, arm64-v8a" in out

    # Names that a shell would take for something else.
    folder = tmp_path / "odd $(touch y) 'q' \"d\"\nline"
    folder.mkdir()
    ours, other = folder / "ours $(reboot)", folder / "theirs"
    shutil.copytree(assistant, ours)
    shutil.copytree(assistant, other)
    target = folder / "phone 'q'.json"
    words = (
        *("bench", ours, "--target", "adb", "--baseline", other, "--android-runtime", runtime),
        *("--preset", "rapid", "--sequence-length", 16, "-o", target, *server),
    )
    code, _, err = cli(*words)
    assert code == 1 and err.startswith("error: 2 phones are connected (")
    code, out, err = cli(*words, "--serial", one, "--profile", "--from-text")
    assert code == 0, err
    assert "measured on a stand-in" in out and one in out and "Pixel 3" not in out
    assert out.count("the stand-in computed the right answers: 8 golden texts") == 2
    assert all(len(line) <= 80 for line in out.splitlines())
    found = json.loads(target.read_text(encoding="utf-8"))
    assert (found["target"], found["complete"], found["phone"]["stand_in"]) == ("adb", True, True)
    assert set(found["phone"]["libraries"]) == {"libonnxruntime.so", "libonnxruntime4j_jni.so"}
    assert all(each["latency"]["runs"] >= 64 for each in found["measurements"])
    for answers in found["answers"].values():  # the same model: int8 answers alike on this machine
        assert answers["texts"] == 8 and answers["same_answers"]
        assert answers["max_abs_diff"]["logits"] <= answers["tolerance"]["logits"]
    assert not target.with_name(f"{target.name}.journal").exists()
    assert len(found["from_text"]) == len(found["first_answers"]) == 2
    for whole, alone in zip(found["from_text"], found["measurements"], strict=True):
        assert whole["contender"] == alone["contender"] and whole["latency"]["runs"] >= 64
        first = found["first_answers"][whole["contender"]]
        assert len(first) == 3 and min(first) > whole["latency"]["median_ms"]
    assert len(found["profiles"]) == 2 and not found["not_profiled"]
    for profile in found["profiles"]:  # by ONNX Runtime itself
        times = sum(share["ms"] for share in profile["operators"])
        assert 0 < times <= profile["run_ms"]
        assert "encoder.0.attention" in {share["name"] for share in profile["layers"]}
    trace = json.loads(target.with_suffix(".trace.json").read_text(encoding="utf-8"))
    assert sum(each["name"] == "run" for each in trace["traceEvents"]) == 40

    page, text = tmp_path / "report.html", tmp_path / "report.md"
    assert cli("report", target, "-o", page)[0] == cli("report", target, "-o", text)[0] == 0
    assert "No phone" in page.read_text(encoding="utf-8") and "stand-in" in text.read_text("utf-8")

    _shorten(monkeypatch, starts=1)
    code, _, err = cli(*words, "--serial", one, "--fail-if-slower", 1000)
    assert code == 1 and "exists; replace it with --force" in err
    code, _, err = cli(*words, "--serial", one, "--fail-if-slower", 1000, "--force")
    assert code == 1
    assert re.search(r"error: 'ours \$\(reboot\)' is \d\.\d\d times as fast as 'theirs' .* and "
                     r"--fail-if-slower requires 1000\n", err)  # fmt: skip

    code, out, _ = cli("clean", "--serial", one, *server)
    assert code == 0 and re.fullmatch(rf"{re.escape(one)}: {HOME} removed, \d\.\d MB\n", out)
    assert not (phones[0].root / HOME.lstrip("/")).exists()
    assert not list(tmp_path.rglob("x")) and not list(tmp_path.rglob("y"))


def test_nothing_is_exported_without_a_phone(
    cli: Cli, adb_server: AdbServer, assistant: Path, tmp_path: Path
) -> None:
    """BERT-base takes minutes; without a phone nobody waits for it."""
    code, _, err = cli("bench", assistant, "--target", "adb", "--adb-server", adb_server.address)
    assert code == 1 and err.startswith("error: no phone is connected; connect one by cable")
    assert not (tmp_path / "cache").exists()


def test_two_phones_at_once(
    cli: Cli, adb_server: AdbServer, phones: list[StandIn], assistant: Path, runtime: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    code, out, err = cli(
        *("bench", assistant, "--target", "adb", "--baseline", "none", "--all-devices"),
        *("--android-runtime", runtime, "--preset", "rapid", "--sequence-length", 16),
        *("-o", tmp_path / "all.json", "--adb-server", adb_server.address),
    )
    assert code == 0, err
    written = sorted(tmp_path.glob("all-*.json"))
    models = {json.loads(path.read_text())["phone"]["model"] for path in written}
    assert len(written) == 2 and models == {"Pixel 3", "Pixel 8"}
    assert out.count("measured on a stand-in") == 2


def test_in_the_app(
    cli: Cli, adb_server: AdbServer, phones: list[StandIn], assistant: Path, tmp_path: Path
) -> None:
    """The runner's own code through files: what the sample app runs in its process."""
    phones[0].install()
    other = tmp_path / "theirs"
    shutil.copytree(assistant, other)
    target = tmp_path / "app.json"
    code, out, err = cli(
        *("bench", assistant, "--target", "app", "--baseline", other, "--preset", "rapid"),
        *("--from-text", "--sequence-length", 16, "--serial", phones[0].serial, "-o", target),
        *("--adb-server", adb_server.address),
    )
    assert code == 0, err
    assert "Measured by the sample app" in out and "golden texts" in out
    found = json.loads(target.read_text(encoding="utf-8"))
    assert (found["target"], found["complete"], found["phone"]["libraries"]) == ("app", True, {})
    assert all(each["latency"]["runs"] >= 64 for each in found["measurements"])
    assert all(each["same_answers"] for each in found["answers"].values())
    labels = {"assistant", "theirs"}
    assert {each["contender"] for each in found["from_text"]} == labels
    assert all(each["latency"]["median_ms"] > 0 for each in found["from_text"])
    assert found["first_answers"].keys() == labels
    assert all(0 < ms < 60_000 for each in found["first_answers"].values() for ms in each)
    assert "From text to answer" in out and "since the app's process was started" in " ".join(
        out.split()
    )


def test_500_mb_are_pushed_with_a_progress_bar(run: Run) -> None:
    size = 500_000_000
    path = run.folder / "large"
    with path.open("wb") as file:
        file.truncate(size)
    done: list[tuple[int, int]] = []
    files = FileSet(f"{HOME}/large", {"model.onnx": (path, sha256_of(path))})
    push(run.device, [files], lambda sent, total: done.append((sent, total)))
    assert done[-1] == (size, size) and len(done) > 1000
    assert [sent for sent, _ in done] == sorted(sent for sent, _ in done)
    (pushed,) = run.phone.home.rglob("model.onnx")
    assert pushed.stat().st_size == size and sha256_of(pushed) == files.files["model.onnx"][1]


def test_a_small_file_is_pushed_without_waiting(run: Run) -> None:
    """Small packets are sent at once, not when the one before is acknowledged, 40 ms later."""
    path = run.folder / "small"
    path.write_bytes(b"x" * 100)
    times = []
    for _ in range(20):
        begin = time.monotonic()
        run.device.push(path, f"{HOME}/small", mode=0o644)
        times.append(time.monotonic() - begin)
    assert min(times) < 0.035, times


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--serial", "x"),
            "--serial only applies to phones; add --target adb, or remove --serial",
        ),
        (
            ("--resume",),
            "--resume needs the results file of the interrupted run; name it with -o, "
            "or remove --resume",
        ),
        (("--wait", "60"), "--wait only applies to phones; add --target adb, or remove --wait"),
        (("--energy",), "--energy only applies to phones; add --target adb, or remove --energy"),
        (
            ("--energy", "--target", "app"),
            "--energy only applies to --target adb; remove --energy, or measure with --target adb",
        ),
        (("--cores", "big"), "--cores only applies to phones; add --target adb, or remove --cores"),
    ],
)
def test_options_for_phones_alone(
    cli: Cli, assistant: Path, words: tuple[str, ...], message: str
) -> None:
    code, _, err = cli("bench", assistant, "--baseline", "none", *words)
    assert (code, err) == (1, f"error: {message}\n")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("farm", "--adb-server 'farm' is not a valid address; use HOST:PORT, e.g. farm:5037"),
        (
            "farm:port",
            "--adb-server 'farm:port' is not a valid address; use HOST:PORT, e.g. farm:5037",
        ),
        (
            "farm:99999",
            "--adb-server 'farm:99999' is not a valid address; use HOST:PORT, e.g. farm:5037",
        ),
    ],
)
def test_an_invalid_server_address(cli: Cli, address: str, message: str) -> None:
    code, _, err = cli("devices", "--adb-server", address)
    assert (code, err) == (1, f"error: {message}\n")


def test_no_server_at_the_address(cli: Cli) -> None:
    code, _, err = cli("devices", "--adb-server", "127.0.0.1:9")
    assert code == 1
    assert re.fullmatch(
        r"error: no adb server answers at 127\.0\.0\.1:9 \(.*\); start one there with: adb -a "
        r"nodaemon server start, or remove --adb-server\n",
        err,
    )


def test_doctor_and_devices_without_a_phone(cli: Cli, adb_server: AdbServer) -> None:
    code, out, _ = cli("doctor", "--adb-server", adb_server.address)
    assert code == 1
    assert "ok  Python packages: squeezebert-mobile[bench]\n" in out
    assert re.search(r"^ok  adb program: \S", out, re.MULTILINE)
    assert f"ok  adb server: {adb_server.address}, version 41\n" in out
    assert "no  phone: connect one by cable with USB debugging enabled" in out
    code, out, _ = cli("devices", "--adb-server", adb_server.address)
    assert (code, out) == (
        0,
        "No devices found; to see what is missing, run: squeezebert-mobile doctor\n",
    )


@pytest.mark.parametrize(
    ("properties", "remedy"),
    [
        (
            {"ro.build.version.sdk": "25", "ro.build.version.release": "7.1"},
            "Pixel 8 has Android 7.1 (API 25); measuring requires Android 8 (API 26) or later; use "
            "another phone",
        ),
        (
            {"ro.product.cpu.abi": "armeabi-v7a"},
            "the phone's ABI is armeabi-v7a, 32-bit ARM, where int8 is up to four times slower "
            "(ONNX Runtime's issue 16426: 1925 ms instead of 491); use a phone with 64-bit "
            "Android: arm64-v8a or x86_64",
        ),
    ],
)
def test_a_phone_that_is_too_old(
    cli: Cli, run: Run, assistant: Path, properties: dict[str, str], remedy: str
) -> None:
    run.phone.set_properties(**properties)
    server = ("--adb-server", run.server.address)
    code, out, _ = cli("devices", "--json", *server)
    assert code == 0 and [each["remedy"] for each in json.loads(out)] == [remedy]
    code, _, err = cli("bench", assistant, "--target", "adb", "--baseline", "none", *server)
    assert (code, err) == (1, f"error: {remedy}\n")


def test_a_phone_that_has_not_allowed_it(cli: Cli, run: Run) -> None:
    run.phone.faults.unauthorized = True
    run.server.disconnect(run.phone)
    run.server.connect(run.phone, state="unauthorized")
    code, out, _ = cli("devices", "--adb-server", run.server.address)
    assert code == 0
    assert f"{run.phone.serial}  unauthorized" in out
    assert "unlock the phone and allow USB debugging in the dialog that it shows" in " ".join(
        out.split()
    )
