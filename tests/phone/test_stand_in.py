"""The stand-in for a phone, seen by a real adb server and adbutils."""

import json
import os
import shlex
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import adbutils
import pytest
from phone_stand_in import PHONES, PRETEND_RUNNER, AdbServer, StandIn
from phone_stand_in.app_process import SHORT

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        sys.platform == "win32", reason="the stand-in's commands need a POSIX shell"
    ),
]

TMP = "/data/local/tmp"
ODD = "a 'b' \"c\" $(touch x) `touch y`;\\\n*"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb")) as server:
        yield server


@pytest.fixture
def phone(server: AdbServer, tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path, "pixel 8", runner_command=PRETEND_RUNNER) as phone:
        server.connect(phone)
        yield phone
        server.disconnect(phone)


@pytest.fixture
def device(server: AdbServer, phone: StandIn) -> adbutils.AdbDevice:
    return server.client.device(phone.serial)


class Talk:
    """A program on the phone that is talked to."""

    def __init__(self, device: adbutils.AdbDevice, command: str) -> None:
        self._connection = device.open_transport(timeout=20)
        self._connection.send_command(f"shell,v2,raw:{command}")
        self._connection.check_okay()
        self.code: int | None = None
        self.err = b""
        self._rest = b""

    def line(self) -> bytes:
        """The next line; b"" when it has ended."""
        while b"\n" not in self._rest:
            if not self._more():
                last, self._rest = self._rest, b""
                return last
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _more(self) -> bool:
        try:
            kind, size = struct.unpack("<BI", self._connection.read_exact(5))
        except EOFError:
            return False
        data = self._connection.read_exact(size)
        if kind == 1:
            self._rest += data
        elif kind == 2:
            self.err += data
        elif kind == 3:
            self.code = data[0]
        return kind != 3

    def send(self, data: bytes, kind: int = 0) -> None:
        self._connection.conn.sendall(struct.pack("<BI", kind, len(data)) + data)

    def close_stdin(self) -> None:
        self.send(b"", kind=4)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in iter(self.line, b"")]

    def close(self) -> None:
        self._connection.close()


# The connection -----------------------------------------------------------------------------


def test_it_is_listed_with_its_model(server, phone):
    told = server.run("devices", "-l").stdout
    assert f"{phone.serial}" in told
    assert "device product:shiba model:Pixel_8 device:shiba" in told
    assert server.states() == {phone.serial: "device"}


def test_the_users_keys_are_not_touched(server, phone):
    assert server.environment["ANDROID_USER_HOME"] != os.path.expanduser("~/.android")
    assert (Path(server.environment["ANDROID_USER_HOME"]) / "adbkey").exists()


def test_two_at_once(server, phone, tmp_path):
    with StandIn(tmp_path / "second", "pixel 3", serialno='odd one: "1"') as other:
        server.connect(other)
        models = [
            server.client.device(each.serial).shell("getprop ro.product.model")
            for each in (phone, other)
        ]
        assert models == ["Pixel 8", "Pixel 3"]
        assert server.client.device(other.serial).shell("getprop ro.serialno") == 'odd one: "1"'
        server.disconnect(other)


def test_unknown_services_are_refused(device):
    connection = device.open_transport()
    connection.send_command("framebuffer:")
    with pytest.raises(adbutils.AdbError, match="closed"):
        connection.check_okay()
    connection.close()


# Commands -----------------------------------------------------------------------------------


def test_output_errors_and_exit_status_are_told_apart(device):
    found = device.shell2("echo out; echo err >&2; exit 7", v2=True)
    assert (found.stdout, found.stderr, found.returncode) == ("out\n", "err\n", 7)
    assert device.shell("echo out; echo err >&2") == "out\nerr"
    assert device.shell2("kill -9 $$", v2=True).returncode == 137


def test_paths_are_those_of_the_device(device, phone):
    device.shell(f"mkdir {TMP}/here; echo text > {TMP}/here/file")
    assert (phone.home / "here/file").read_text() == "text\n"
    assert device.shell(f"ls {TMP}/here/*; cd {TMP}/here; pwd") == f"{TMP}/here/file\n{TMP}/here"
    assert str(phone.root) not in device.shell(f"ls {TMP}/none")


def test_it_answers_while_it_runs(device):
    talk = Talk(device, 'while read -r word; do echo "got $word"; done; echo end')
    for word in (b"one", b"two"):
        talk.send(word + b"\n")
        assert talk.line() == b"got " + word
    talk.close_stdin()
    assert (talk.line(), talk.line(), talk.code) == (b"end", b"", 0)
    talk.close()


def test_a_closed_stream_ends_the_process(device, phone):
    talk = Talk(device, f"echo $$ > {TMP}/pid; echo started; sleep 50 & wait; sleep 50")
    assert talk.line() == b"started"
    talk.close()
    _wait_until(lambda: not _lives(int((phone.home / "pid").read_text())))


def test_much_output(device):
    found = device.shell2("seq 100000", v2=True, timeout=20)
    assert found.stdout == "".join(f"{number}\n" for number in range(1, 100_001))


# Files --------------------------------------------------------------------------------------


def test_a_file_with_an_odd_name(device, phone, tmp_path):
    content = os.urandom(200_000)
    remote = f"{TMP}/{ODD}/{ODD}"
    device.sync.push(content, remote, mode=0o444)
    assert (phone.home / ODD / ODD).read_bytes() == content
    facts = device.sync.stat(remote)
    assert (facts.mode, facts.size) == (0o100444, len(content))
    device.sync.pull(remote, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert [each.path for each in device.sync.list(f"{TMP}/{ODD}")] == [ODD]
    told = device.shell2(shlex.join(["cat", remote]) + " | sha256sum", v2=True).stdout
    assert told[:64] == sha256(content).hexdigest()
    device.sync.push(b"again", remote, mode=0o444)  # a file that is read-only is replaced
    assert device.sync.read_bytes(remote) == b"again"
    assert not [path for path in phone.root.rglob("[xy]") if path.is_file()]


def test_adb_itself_pushes_and_pulls(server, phone, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("one", "two words"):
        (folder / name).write_bytes(name.encode() * 50_000)
    for arguments in (("push", str(folder), f"{TMP}/"), ("pull", f"{TMP}/many", f"{folder}2")):
        done = server.run("-s", phone.serial, *arguments)
        assert done.returncode == 0, done.stderr + done.stdout
    assert (tmp_path / "many2/two words").read_bytes() == b"two words" * 50_000
    done = server.run("-s", phone.serial, "pull", f"{TMP}/none", str(tmp_path))
    assert done.returncode and "none" in done.stderr


def test_no_space(server, phone, device, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(3_000_000))
    for room in (0, 100_000):
        phone.faults.no_space_after = room
        done = server.run("-s", phone.serial, "push", str(file), f"{TMP}/file")
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert device.shell(f"ls -A {TMP}") == ""
    phone.faults.clear()
    assert server.run("-s", phone.serial, "push", str(file), f"{TMP}/file").returncode == 0
    phone.faults.free_kb = 1000
    assert device.shell(f"df -k {TMP}").splitlines()[1].split()[3] == "1000"


def test_a_folder_that_is_denied(server, phone, device, tmp_path):
    phone.faults.denied = f"{TMP}/ours"
    (tmp_path / "file").write_bytes(b"1")
    done = server.run("-s", phone.serial, "push", str(tmp_path / "file"), f"{TMP}/ours/file")
    assert "Permission denied" in done.stderr
    made = device.shell2(f"mkdir -p {TMP}/ours", v2=True)
    assert (made.returncode, made.stderr) == (1, f"mkdir: '{TMP}/ours': Permission denied\n")
    assert device.shell2(f"mkdir -p {TMP}/others", v2=True).returncode == 0


# What the phones answer ---------------------------------------------------------------------


@pytest.mark.parametrize("name", PHONES)
def test_what_a_phone_answers(server, tmp_path, name):
    with StandIn(tmp_path, name) as phone:
        server.connect(phone)
        told = server.client.device(phone.serial).shell
        every = told("getprop")
        assert "[ro.squeezebertmobile.stand_in]: [1]" in every
        assert f"[ro.product.model]: [{phone.data.properties['ro.product.model']}]" in every
        assert ("ro.soc.model" in every) == (phone.data.sdk >= 31)
        assert told("getprop ro.build.version.sdk") == str(phone.data.sdk)
        assert told("getprop no.such.name") == ""
        heat = told("dumpsys thermalservice")
        assert "Thermal Status: 0" in heat
        assert "Temperature{mValue=" in heat and "mType=3" in heat
        assert "\r\n" in heat if name == "pixel 2" else "\r" not in heat
        assert "  level: 83" in told("dumpsys battery")
        cpus = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq"
        clocks = told(f"grep -s . {cpus}/cpuinfo_max_freq").splitlines()
        assert len(clocks) == sum(each.count for each in phone.data.cores)
        assert clocks[0].startswith("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq:")
        assert told("cat /proc/meminfo").startswith("MemTotal:")
        assert told("cat /proc/loadavg").startswith("1.42 ")
        server.disconnect(phone)


def test_answers_change_while_it_runs(phone, device):
    (phone.root / "proc/loadavg").write_text("9.00 8.00 7.00 1/2 3\n")
    assert device.shell("cat /proc/loadavg").startswith("9.00")
    phone.set_properties(**{"ro.product.model": "Other"})
    assert device.shell("getprop ro.product.model") == "Other"
    phone.set_battery(level=7, USB_powered="false")
    assert "  USB powered: false" in device.shell("dumpsys battery")
    phone.set_thermal(2, warmer=9)
    assert "Thermal Status: 2" in device.shell("dumpsys thermalservice")


def test_one_that_throttles(server, phone, device):
    phone.set_throttling(2, 3)
    text = device.shell("for i in 1 2 3 4 5 6 7; do dumpsys thermalservice | grep Status: ; done")
    assert [line[-1] for line in text.splitlines() if line.startswith("Thermal S")] == list(
        "0033300"
    )


# Faults of the connection -------------------------------------------------------------------


def test_unauthorized_until_the_user_allows_it(server, tmp_path):
    with StandIn(tmp_path) as phone:
        phone.faults.unauthorized = True
        assert "failed to authenticate" in server.connect(phone, state="unauthorized")
        assert "unauthorized" in server.run("-s", phone.serial, "shell", "echo").stderr
        phone.faults.unauthorized = False
        server.wait_for(phone, "device")
        assert server.client.device(phone.serial).shell("echo yes") == "yes"
        server.disconnect(phone)


@pytest.mark.parametrize("direction", ["to host", "from host"])
def test_the_connection_breaks_off(server, phone, tmp_path, direction):
    phone.faults.drop_after(300_000, direction)
    (tmp_path / "file").write_bytes(bytes(2_000_000))
    (phone.home / "other").write_bytes(bytes(2_000_000))
    pull = ("pull", f"{TMP}/other", str(tmp_path / "back"))
    push = ("push", str(tmp_path / "file"), f"{TMP}/file")
    done = server.run("-s", phone.serial, *(pull if direction == "to host" else push))
    assert done.returncode
    assert _eventually(server, phone.serial, "echo back") == "back\n"


def test_a_delay(phone, device):
    phone.faults.delay_ms = 30
    begin = time.monotonic()
    assert device.shell("echo slow") == "slow"
    assert time.monotonic() - begin > 0.1


def test_it_restarts(server, phone, device):
    talk = Talk(device, f"echo $$ > {TMP}/pid; echo started; exec sleep 50")
    assert talk.line() == b"started"
    pid = int((phone.home / "pid").read_text())
    phone.reboot(0.3)
    assert (talk.line(), talk.code) == (b"", None)
    talk.close()
    _wait_until(lambda: not _lives(pid))
    assert int(_eventually(server, phone.serial, f"cat {TMP}/pid")) == pid


def test_refused(server, phone):
    phone.refuse()
    assert "refused" in server.client.connect("127.0.0.1:1") + server.client.connect(phone.serial)
    phone.accept()
    server.connect(phone)


# The runner ---------------------------------------------------------------------------------

COMMAND = (
    f"CLASSPATH={TMP}/r/runner.jar {{}}app_process -Djava.library.path={TMP}/r/libraries / "
    f"squeezebertmobile.runner.Main {TMP}/r/job.json"
)
BLOCK = {"do": "block", "input": "128", "lead_in": 1, "samples": 5, "seconds": 0}


def _prepare(device: adbutils.AdbDevice, **changes: Any) -> None:
    model = b"model"
    facts = {"sha256": sha256(model).hexdigest(), "bytes": len(model)}
    manifest = {
        "task": "text-classification",
        "format": "onnx",
        "precision": "int8",
        "weights": "random",
        "source": {"name": "tiny"},
        "files": {"model.onnx": facts},
    }
    text = {"outputs": {"logits": {"top": [0]}}}
    golden = {"tolerance": {"logits": 0.01}, "texts": [text] * 8}
    job = {
        "protocol": 1,
        "artifact": f"{TMP}/r/artifact",
        "format": "onnx",
        "threads": 1,
        "libraries": f"{TMP}/r/libraries",
        "checksums": True,
        "golden": True,
        "inputs": {"128": [[1] * 128]},
        "commands": [],
        **changes,
    }
    for name, data in {
        "artifact/model.onnx": model,
        "artifact/manifest.json": json.dumps(manifest).encode(),
        "artifact/golden.json": json.dumps(golden).encode(),
        "libraries/libonnxruntime.so": b"",
        "runner.jar": b"",
        "job.json": json.dumps(job).encode(),
    }.items():
        device.sync.push(data, f"{TMP}/r/{name}", mode=0o444)


def _ask(talk: Talk, **command: Any) -> dict[str, Any]:
    talk.send(json.dumps(command).encode() + b"\n")
    return json.loads(talk.line())


def _until_ready(talk: Talk) -> list[dict[str, Any]]:
    events = []
    while not events or events[-1]["event"] not in ("ready", "error"):
        events.append(json.loads(talk.line()))
    return events


def test_the_pretended_runner(phone, device):
    _prepare(device)
    phone.pretend(latency_ms={"*": 10})
    talk = Talk(device, COMMAND.format("taskset f0 "))
    events = _until_ready(talk)
    told = [each["event"] for each in events if each["event"] != "progress"]
    assert told == ["hello", "artifact", "load", "golden", "ready"]
    stages = [each["stage"] for each in events if each["event"] == "progress"]
    assert stages == ["checksums", "checksums", "load", "golden", "golden"]
    warm_up = _ask(talk, do="warm_up", id="1", input="128", most_runs=30, most_seconds=5)
    assert (warm_up["id"], warm_up["stable"]) == ("1", True)
    block = _ask(talk, id="2", **BLOCK)
    assert len(block["samples_ns"]) == 5
    assert all(10e6 <= sample < 11e6 for sample in block["samples_ns"])
    between = block["after"]["at_ns"] - block["before"]["at_ns"]
    assert sum(block["samples_ns"]) <= between
    assert block["before"]["cpus_allowed"] == "4-7"
    assert block["before"]["cpu_khz"]["cpu8"] == 500_000
    phone.pretend(slowdown=2.0)
    assert min(_ask(talk, id="3", **BLOCK)["samples_ns"]) >= 20e6
    assert len(_ask(talk, do="probe", id="4")["samples_ns"]) == 5
    assert "at_ns" in _ask(talk, do="context", id="5")["context"]
    assert _ask(talk, do="end", id="6")["why"] == "asked"
    assert (talk.line(), talk.code, phone.masks) == (b"", 0, ["f0"])
    talk.close()


def test_a_runner_whose_input_is_closed(device):
    _prepare(device, golden=False)
    talk = Talk(device, COMMAND.format(""))
    assert _until_ready(talk)[-1]["event"] == "ready"
    talk.close_stdin()
    assert [each["why"] for each in talk.events()] == ["the input was closed"]
    assert talk.code == 0
    talk.close()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"protocol": 3}, "protocol"),
        ({"surplus": 1}, "job"),
        ({"artifact": f"{TMP}/none"}, "artifact"),
        ({"libraries": f"{TMP}/none"}, "library"),
        ({"format": "executorch"}, "job"),
    ],
)
def test_what_a_runner_refuses(device, phone, changes, kind):
    _prepare(device, **changes)
    talk = Talk(device, COMMAND.format(""))
    last = talk.events()[-1]
    assert (last["event"], last["kind"], talk.code) == ("error", kind, 1)
    assert str(phone.root) not in last["message"]
    talk.close()


def test_golden_texts_that_fail(phone, device):
    _prepare(device)
    phone.pretend(golden_holds=False)
    talk = Talk(device, COMMAND.format(""))
    *_, golden, error = talk.events()
    assert (golden["outputs"]["logits"]["holds"], error["kind"]) == (False, "golden")
    talk.close()


def test_a_runner_that_is_killed(phone, device):
    _prepare(device)
    phone.faults.kill_runner(block=2)
    talk = Talk(device, COMMAND.format(""))
    _until_ready(talk)
    assert _ask(talk, id="1", **BLOCK)["event"] == "block"
    talk.send(json.dumps({"id": "2", **BLOCK}).encode() + b"\n")
    assert (talk.line(), talk.code) == (b"", 137)
    talk.close()
    phone.faults.kill_runner(lines=3)
    talk = Talk(device, COMMAND.format(""))
    assert (len(talk.events()), talk.code) == (3, 137)
    talk.close()


def test_garbage_between_the_lines(phone, device):
    _prepare(device)
    phone.faults.garbage(after=1, text=b"garbage\n")
    talk = Talk(device, COMMAND.format(""))
    assert [json.loads(talk.line())["event"], talk.line()] == ["hello", b"garbage"]
    assert json.loads(talk.line())["event"] == "progress"
    talk.close()
    phone.faults.garbage(after=2, half=True)
    talk = Talk(device, COMMAND.format(""))
    lines = list(iter(talk.line, b""))
    assert len(lines) == 3 and talk.code == 137
    with pytest.raises(ValueError):
        json.loads(lines[-1])
    talk.close()


def test_what_android_14_does_not_run(device):
    _prepare(device)
    device.shell(f"chmod 644 {TMP}/r/runner.jar")
    found = device.shell2(COMMAND.format(""), v2=True)
    assert found.returncode == 1 and "Writable dex file" in found.stderr


def test_no_runner(server, tmp_path, monkeypatch):
    monkeypatch.delenv("STAND_IN_RUNNER_CLASSPATH", raising=False)
    with StandIn(tmp_path) as phone:
        server.connect(phone)
        device = server.client.device(phone.serial)
        _prepare(device)
        found = device.shell2(COMMAND.format(""), v2=True)
        assert (found.returncode, found.stderr) == (1, "app_process: no runner class path\n")
        server.disconnect(phone)


def test_java_gets_the_class_path_and_a_job_of_this_machine(server, tmp_path, monkeypatch):
    """A `java` that tells how it was called: the real one is run with the real runner."""
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text('#!/bin/sh\nfor each; do echo "$each"; done; eval cat \\"\\$$#\\"\n')
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{java.parent}:{os.environ['PATH']}")
    with StandIn(tmp_path / "phone", runner_classpath="a.jar:b.jar") as phone:
        server.connect(phone)
        device = server.client.device(phone.serial)
        _prepare(device)
        *arguments, _, job = device.shell(COMMAND.format("")).splitlines()
        expected = [*SHORT, "-cp", "a.jar:b.jar", "squeezebertmobile.runner.Main"]
        assert arguments == expected
        assert json.loads(job)["libraries"] is None
        server.disconnect(phone)


# The sample app -----------------------------------------------------------------------------

APP = "squeezebertmobile.app"


@pytest.mark.parametrize(
    ("kind", "path", "said"),
    [
        (None, "", f"run-as: unknown package: {APP}\n"),
        (
            "release",
            f"package:/data/app/{APP}-1/base.apk\n",
            f"run-as: package not debuggable: {APP}\n",
        ),
    ],
)
def test_an_app_that_is_not_to_be_entered(phone, device, kind, path, said):
    if kind:
        phone.install(kind)
    told = device.shell2(f"pm path {APP}", v2=True)
    assert (told.stdout, told.returncode) == (path, 0 if kind else 1)
    told = device.shell2(f"run-as {APP} ls", v2=True)
    assert (told.stdout, told.stderr, told.returncode) == ("", said, 1)


def test_an_app_lives_until_it_is_stopped(phone, device):
    started = device.shell2(f"am start -W -n {APP}/.HomeActivity", v2=True)
    assert "Error type 3" in started.stderr and "does not exist" in started.stderr
    phone.install()
    assert device.shell2(f"pidof -s {APP}", v2=True).returncode == 1
    assert "Status: ok" in device.shell(f"am start -W -n {APP}/.HomeActivity")
    pid = int(device.shell(f"pidof -s {APP}"))
    assert _lives(pid) and phone.app.started == ["HomeActivity"]
    assert device.shell(f"am force-stop {APP}") == ""
    assert not _lives(pid) and device.shell2(f"pidof -s {APP}", v2=True).returncode == 1
    assert device.shell(f"run-as {APP} mkdir -p files/x; run-as {APP} ls files") == "x"
    assert (phone.root / "data/data" / APP / "files/x").is_dir()


def test_a_runner_in_the_app_speaks_through_files(phone, device):
    phone.install()
    _prepare(device, libraries=None)
    device.shell(f"touch {TMP}/r/commands")
    start = f"am start -W -n {APP}/.MeasureFromAdb --es job {TMP}/r/job.json --es commands"
    device.shell(f"{start} {TMP}/r/commands --es lines one")
    _wait_until((phone.app.folder / "files/measure/one.jsonl").exists)
    talk = Talk(device, f"run-as {APP} tail -c +1 -f files/measure/one.jsonl")
    assert _until_ready(talk)[-1]["event"] == "ready"
    command = json.dumps({"id": "1", **BLOCK})
    device.shell(f"printf %s {shlex.quote(command[:20])} >> {TMP}/r/commands")  # half a line
    device.shell(f"printf '%s\\n' {shlex.quote(command[20:])} >> {TMP}/r/commands")
    assert json.loads(talk.line())["event"] == "block"
    end = shlex.quote(json.dumps({"do": "end", "id": "2"}))
    device.shell(f"printf '%s\\n' {end} >> {TMP}/r/commands")
    assert json.loads(talk.line())["why"] == "asked"
    pid = int(device.shell(f"pidof -s {APP}"))
    assert _lives(pid)  # a runner that ends leaves the app
    phone.kill_app()
    assert not _lives(pid)
    talk.close()


# By hand ------------------------------------------------------------------------------------


def test_it_can_be_started_by_hand(server, tmp_path):
    helpers = Path(__file__).parents[1] / "helpers"
    process = subprocess.Popen(
        [sys.executable, "-m", "phone_stand_in", str(tmp_path / "phone"), "--pretend"],
        env={**os.environ, "PYTHONPATH": str(helpers)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        serial = process.stdout.readline().split()[-1]
        server.client.connect(serial, timeout=10)
        assert _eventually(server, serial, "echo here") == "here\n"
        server.client.disconnect(serial)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until(condition: Any) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def _eventually(server: AdbServer, serial: str, command: str) -> str:
    """What a command prints, once the device has come back."""
    limit = time.monotonic() + 20
    while (done := server.run("-s", serial, "shell", command)).returncode:
        assert time.monotonic() < limit, done.stderr
        time.sleep(0.05)
    return done.stdout
