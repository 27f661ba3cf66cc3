"""`push`: an artifact as a zip file, and sending it to the sample app on a stand-in for a phone."""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from commands import Cli
from phone_run import Run
from phone_stand_in import StandIn
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import read_artifact
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, PhoneUnreachable
from squeezebert_mobile.benchmarks.phone.adb.files import HOME
from squeezebert_mobile.benchmarks.phone.app import inbox

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        sys.platform == "win32", reason="the stand-in's commands need a POSIX shell"
    ),
]

APP = "squeezebertmobile.app"
INSTALL = "install the debug build of android_demo/app with: adb install -r APK"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    write_small_artifact(tmp_path / "ours")
    return tmp_path / "ours"


def _zips(phone: StandIn) -> list[str]:
    """Every zip file on the phone, whole or not, by its path there."""
    found = (path for path in phone.root.rglob("*") if ".zip" in path.name or "push-" in path.name)
    return sorted(str(path.relative_to(phone.root)) for path in found)


# The zip file -------------------------------------------------------------------------------


def test_a_zip_holds_the_artifact_and_nothing_else(cli: Cli, ours: Path, tmp_path: Path) -> None:
    (ours / "notes.txt").write_text("not of the artifact")
    path = tmp_path / "new folder/intents-int8.zip"
    code, out, err = cli("push", ours, "--zip", path)
    size = path.stat().st_size
    assert (code, err) == (0, "")
    assert out == f"intents-int8: written to {path}, {size / 1e6:.1f} MB\n"
    manifest = read_artifact(ours)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["manifest.json", *sorted(manifest.files)]
        assert archive.testzip() is None
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert archive.read(info) == (ours / info.filename).read_bytes()
    assert sorted(path.parent.iterdir()) == [path]


def test_the_same_artifact_gives_the_same_bytes(cli: Cli, ours: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ours, copy)
    for file in copy.iterdir():
        os.utime(file, (1, 1_000_000_000))
        file.chmod(0o600)
    for folder, name in ((ours, "one.zip"), (copy, "two.zip")):
        assert cli("push", folder, "--zip", tmp_path / name)[0] == 0
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_an_older_zip_is_replaced_only_by_a_whole_one(
    cli: Cli, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ours.zip"
    path.write_bytes(b"an older one")

    def fails(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(inbox.shutil, "copyfileobj", fails)
        code, _, err = cli("push", ours, "--zip", path, "--force")
    assert (code, err) == (
        1,
        f"error: cannot write the zip file to {str(path)!r}: No space left on device; choose "
        "another file with --zip\n",
    )
    assert path.read_bytes() == b"an older one"
    assert not list(tmp_path.glob(".*"))
    code, _, err = cli("push", ours, "--zip", path)
    assert (code, err) == (
        1,
        f"error: {str(path)!r} exists; replace it with --force, or choose another file "
        "with --zip\n",
    )
    assert path.read_bytes() == b"an older one"
    assert cli("push", ours, "--zip", path, "--force")[0] == 0
    assert zipfile.is_zipfile(path)


def test_json(cli: Cli, ours: Path, tmp_path: Path) -> None:
    path = tmp_path / "ours.zip"
    code, out, _ = cli("push", ours, "--zip", path, "--json")
    told = {"name": "ours", "bytes": path.stat().st_size, "to": str(path)}
    assert (code, json.loads(out)) == (0, [told])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--zip", "a.tar"), "--zip 'a.tar' does not end with .zip; use a name that does"),
        (
            ("--zip", "my model.zip"),
            "--zip 'my model.zip': the app accepts names of at most 64 letters, digits, '.', '_' "
            "and '-' that start with a letter or digit; use e.g. 'my_model.zip'",
        ),
        (
            ("--zip", "..zip.zip"),
            "--zip '..zip.zip': the app accepts names of at most 64 letters, digits, '.', '_' "
            "and '-' that start with a letter or digit; use e.g. 'zip.zip'",
        ),
        (
            ("--zip", f"{'a' * 65}.zip"),
            f"--zip '{'a' * 65}.zip': the app accepts names of at most 64 letters, digits, '.', "
            f"'_' and '-' that start with a letter or digit; use e.g. '{'a' * 64}.zip'",
        ),
        (
            ("--zip", "a.zip", "--serial", "x"),
            "--serial only applies to phones; remove --zip, or remove --serial",
        ),
        (
            ("--zip", "a.zip", "--adb-server", "farm:1"),
            "--adb-server only applies to phones; remove --zip, or remove --adb-server",
        ),
    ],
)
def test_refused_options_of_a_zip(
    cli: Cli, ours: Path, words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ours.parent)
    before = sorted(ours.parent.iterdir())
    code, _, err = cli("push", ours, *words)
    assert (code, err) == (1, f"error: {message}\n")
    assert sorted(ours.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("ours", "ours"),
        ("my model (2)", "my_model__2_"),
        (".hidden", "hidden"),
        ("$(reboot)", "reboot_"),
        ("日本語", "artifact"),
        ("a" * 80, "a" * 64),
    ],
)
def test_the_name_in_the_app(tmp_path: Path, folder: str, name: str) -> None:
    assert inbox.name_in_app(tmp_path / folder) == name


# To the app ---------------------------------------------------------------------------------


def test_it_is_whole_before_it_has_its_name(cli: Cli, run: Run, ours: Path, tmp_path: Path) -> None:
    run.phone.install()
    code, out, err = cli("push", ours, "--adb-server", run.server.address)
    assert (code, err) == (0, "")
    assert out == f"ours: copied into the app on {run.phone.serial}, 0.0 MB\n"
    assert _zips(run.phone) == [f"data/data/{APP}/files/inbox/ours.zip"]
    assert cli("push", ours, "--zip", tmp_path / "ours.zip")[0] == 0
    arrived = run.phone.app.folder / "files/inbox/ours.zip"
    assert arrived.read_bytes() == (tmp_path / "ours.zip").read_bytes()
    assert run.phone.app.started == ["HomeActivity"]
    ordered = ("pm ", "run-as ", "am ", "rm -rf ")
    assert [each for each in run.phone.commands if each.startswith(ordered)] == [
        f"pm path {APP}",
        f"run-as {APP} ls -d .",
        f"run-as {APP} mkdir -p files/inbox",
        f"run-as {APP} cp {HOME}/inbox-ours/ours.zip files/inbox/ours.zip.part",
        f"run-as {APP} mv -f files/inbox/ours.zip.part files/inbox/ours.zip",
        f"rm -rf {HOME}/inbox-ours",
        f"am start -W -n {APP}/.HomeActivity",
    ]


def test_an_odd_folder(cli: Cli, run: Run, ours: Path, tmp_path: Path) -> None:
    odd = ours.rename(tmp_path / "a 'b' $(touch x)")
    run.phone.install()
    code, out, err = cli("push", odd, "--adb-server", run.server.address)
    assert (code, err) == (0, "") and out.startswith("a__b____touch_x_: copied into the app")
    assert _zips(run.phone) == [f"data/data/{APP}/files/inbox/a__b____touch_x_.zip"]
    assert not list(tmp_path.rglob("x"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (None, f"the sample app ({APP}) is not installed on the phone; {INSTALL}"),
        (
            "release",
            f"the sample app ({APP}) on the phone is a release build, whose folder adb may not "
            f"read; run: adb uninstall {APP}, then {INSTALL}",
        ),
    ],
)
def test_no_app_to_push_to(cli: Cli, run: Run, ours: Path, kind: str | None, message: str) -> None:
    if kind:
        run.phone.install(kind)
    code, _, err = cli("push", ours, "--adb-server", run.server.address)
    assert (code, err) == (1, f"error: {message}\n")
    assert _zips(run.phone) == [] and run.phone.app.started == []
    assert not (run.phone.root / HOME.lstrip("/")).exists()


@pytest.mark.parametrize(
    ("fault", "value", "message"),
    [
        (
            "app_full",
            True,
            "access to the app's folder on the phone failed: cp: xwrite: No space left on device; "
            "free some space on the phone, and run again",
        ),
        (
            "free_kb",
            1000,
            "the phone has 1 MB free, but 17 MB are needed; free some space on it, or run: "
            "squeezebert-mobile clean",
        ),
        (
            "no_space_after",
            100,
            f"the phone rejected the file '{HOME}/inbox-ours/ours.zip': write failed: No space "
            "left on device; free some space on it, or run: squeezebert-mobile clean",
        ),
    ],
)
def test_no_room(cli: Cli, run: Run, ours: Path, fault: str, value: object, message: str) -> None:
    run.phone.install()
    setattr(run.phone.faults, fault, value)
    code, _, err = cli("push", ours, "--adb-server", run.server.address)
    assert (code, err) == (1, f"error: {message}\n")
    assert _zips(run.phone) == [] and run.phone.app.started == []


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (
            "Exception occurred while executing 'start':\njava.lang.SecurityException: Permission "
            "Denial: starting Intent { cmp=x } from null\n\tat android.app.x(y.java:1)",
            f"the phone did not start {APP}/.HomeActivity: java.lang.SecurityException: "
            "Permission Denial: starting Intent { cmp=x } from null; allow it in the developer "
            "options (some manufacturers call it USB debugging with security settings)",
        ),
        (
            f"Error type 3\nError: Activity class {{{APP}/{APP}.HomeActivity}} does not exist.",
            f"the phone did not start {APP}/.HomeActivity: Activity class "
            f"{{{APP}/{APP}.HomeActivity}} does not exist; the app has another version; "
            f"{INSTALL}",
        ),
    ],
)
def test_an_app_that_does_not_start_has_it_in_its_inbox(
    cli: Cli, run: Run, ours: Path, says: str, message: str
) -> None:
    run.phone.install()
    run.phone.faults.am_says = says
    code, _, err = cli("push", ours, "--adb-server", run.server.address)
    note = "ours is in the app's inbox; open the app to import it"
    assert (code, err) == (1, f"error: {message}\n{note}\n")
    assert _zips(run.phone) == [f"data/data/{APP}/files/inbox/ours.zip"]


def test_ctrl_c_leaves_nothing(run: Run, ours: Path, tmp_path: Path) -> None:
    run.phone.install()
    archive = tmp_path / "ours.zip"
    inbox.write_zip(ours, read_artifact(ours), archive)

    def interrupt(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inbox.push_to_app(run.device, archive, "ours", interrupt)
    assert _zips(run.phone) == [] and run.phone.app.started == []


def test_a_cable_that_is_pulled(run: Run, ours: Path, tmp_path: Path) -> None:
    run.phone.install()
    archive = tmp_path / "ours.zip"
    inbox.write_zip(ours, read_artifact(ours), archive)
    with pytest.raises(PhoneUnreachable):
        inbox.push_to_app(run.device, archive, "ours", lambda done, of: run.phone.drop())
    assert not (run.phone.app.folder / "files/inbox").exists()
    run.server.disconnect(run.phone)
    run.server.connect(run.phone)
    inbox.push_to_app(run.device, archive, "ours", lambda done, of: None)
    assert _zips(run.phone) == [f"data/data/{APP}/files/inbox/ours.zip"]


def test_an_artifact_is_checked_first(cli: Cli, run: Run, ours: Path) -> None:
    run.phone.install()
    (ours / "vocab.txt").write_text("another")
    code, _, err = cli("push", ours, "--adb-server", run.server.address)
    assert code == 1 and "has changed since the export" in err
    assert run.phone.commands == []


def test_formats_that_phones_do_not_run(cli: Cli, ours: Path, tmp_path: Path) -> None:
    manifest = json.loads((ours / "manifest.json").read_text())
    model = ours / "model.onnx"
    manifest["files"]["model.pt"] = manifest["files"].pop("model.onnx")
    model.rename(ours / "model.pt")
    (ours / "manifest.json").write_text(json.dumps(manifest | {"format": "torchscript"}))
    code, _, err = cli("push", ours, "--zip", tmp_path / "ours.zip")
    assert (code, err) == (
        1,
        "error: TorchScript artifacts cannot be measured on phones: PyTorch Mobile, which ran them "
        "there, is no longer supported; export with --format onnx, executorch or litert\n",
    )
    assert not (tmp_path / "ours.zip").exists()


def test_doctor_reports_the_app(cli: Cli, run: Run) -> None:
    server = ("--adb-server", run.server.address)
    _, out, _ = cli("doctor", *server)
    assert f"-   sample app on {run.phone.serial}: the sample app" in out
    run.phone.install()
    _, out, _ = cli("doctor", *server)
    assert f"ok  sample app on {run.phone.serial}: {APP}, a debug build" in out


def test_messages_of_an_older_android(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to Android 7 run-as said it otherwise; some makers' later ones do."""
    run.phone.install()
    script = run.phone.root / "system/bin/run-as"
    said = f"run-as: Package '{APP}' is not debuggable"
    script.write_text(f'#!/bin/sh\necho "{said}" >&2; exit 1\n')
    with pytest.raises(PhoneError, match="is a release build"):
        inbox.push_to_app(run.device, script, "ours", lambda done, of: None)
