"""Names and labels from others: shown as they are, and nothing in them controls the terminal."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from commands import Cli, without_steps
from labelled import write
from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.phone.doctor import Check, DeviceStatus
from squeezebert_mobile.benchmarks.report import print_table
from squeezebert_mobile.cli.printing.phones import print_checks, print_devices
from squeezebert_mobile.cli.printing.training import print_training
from squeezebert_mobile.streams import Console, print_json, print_line

#: What a terminal, Rich or a reader could take for something else, and how it is shown.
HOSTILE = {
    "\x1b[31mred": r"\x1b[31mred",
    "a\x1b]0;title\x07": r"a\x1b]0;title\x07",
    "a\rb": r"a\rb",
    "a\nwritten to b": r"a\nwritten to b",
    "\x9b2J": r"\x9b2J",
    "a\x7f\x08": r"a\x7f\x08",
    "\u202etxt.exe": r"\u202etxt.exe",
    "a\u2028b\u0085": r"a\u2028b\x85",
    "[/x]": "[/x]",
    "[bold]b[/bold]": "[bold]b[/bold]",
    "[link=file:///]": "[link=file:///]",
    ":smile:": ":smile:",
    "می\u200cخواهم": "می\u200cخواهم",  # a word of Persian
    "1\u00a0000": "1\u00a0000",
}
LABELS = list(HOSTILE)
#: A folder cannot have all of them in its name.
FOLDER = "[x] \x1b[31m:smile:\u202e\r"
SHOWN_FOLDER = r"[x] \x1b[31m:smile:\u202e\r"
ALLOWED = {"\n", "\u200c", "\u00a0"}


def _check(*texts: str) -> None:
    for text in texts:
        assert {c for c in text if not c.isprintable()} <= ALLOWED, repr(text)


def _joined(text: str) -> str:
    """Without the breaks of lines and columns."""
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    folder = place / f"c{FOLDER}"
    tiny.write_checkpoint(
        folder,
        task="text-classification",
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
    )
    card = "---\nlicense: [/x]\x1b[7m\n---\n"
    (folder / "README.md").write_text(card, encoding="utf-8")
    rows = [{"text": f"wake me {label} [/x]", "label": label} for label in LABELS]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    write(place, f"d{FOLDER}.jsonl", lines)
    return place


@pytest.fixture(scope="module")
def artifact(place: Path) -> Path:
    from squeezebert_mobile.export import export_checkpoint

    export_checkpoint(place / f"c{FOLDER}", place / f"a{FOLDER}", precision="fp32")
    return place / f"a{FOLDER}"


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(place)
    yield


@pytest.mark.parametrize(
    ("output", "shown"),
    [(f"new{FOLDER}", f"new{SHOWN_FOLDER}"), ("new/[/x]", "new/[/x]"), ("new/[/]", "new/[/]")],
    ids=str,
)
def test_export(cli: Cli, place: Path, output: str, shown: str) -> None:
    code, out, err = cli("export", f"c{FOLDER}", "-o", output, "--precision", "fp32")
    _check(out, err)
    assert (code, without_steps(err)) == (0, "")
    assert f"written to {shown}\n" in out
    shutil.rmtree(place / output)


@pytest.mark.parametrize("name", ["c", "a"])
def test_inspect(cli: Cli, artifact: Path, name: str) -> None:
    code, out, err = cli("inspect", f"{name}{FOLDER}")
    _check(out, err)
    assert code == 0
    assert re.search(r"^license +\[/x\]\\x1b\[7m *$", out, re.MULTILINE)
    for shown in HOSTILE.values():
        assert _joined(shown) in _joined(out)
    code, out, err = cli("inspect", f"{name}{FOLDER}", "--json")
    _check(out)
    assert json.loads(out)["labels"] == LABELS


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_a_manifest(cli: Cli, artifact: Path, tmp_path: Path, text: str, shown: str) -> None:
    """Every text that `inspect` prints from it."""
    folder = shutil.copytree(artifact, tmp_path / "artifact")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["versions"] = {text: text}
    manifest["source"] |= {"name": text, "license": text}
    manifest["operators"] = {text: 1}
    manifest["parts"] = {text: next(iter(manifest["parts"].values()))}
    manifest["quantization"] = {
        **dict.fromkeys(("weights", "embeddings", "activations"), text),
        "kept": {text: text},
        "approximated": {text: text},
        "sensitivity": {text: 1.0},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, out, err = cli("inspect", folder)
    _check(out, err)
    assert code == 0, err
    assert _joined(out).count(_joined(shown)) >= 10


def test_run(cli: Cli, artifact: Path) -> None:
    text = "wake\tme \x1b[31m[/x]"
    count = str(len(LABELS))
    code, out, err = cli("run", artifact.name, text, "--top-k", count)
    _check(out.replace("\t", ""), err)
    assert code == 0
    first, answer = out.splitlines()
    assert first == "wake\tme \\x1b[31m[/x]"
    for shown in HOSTILE.values():
        assert shown in answer
    code, out, err = cli("run", artifact.name, text, "--json", "--top-k", count)
    _check(out)
    result = json.loads(out)
    assert result["text"] == text
    assert {label["label"] for label in result["labels"]} == set(LABELS)


def test_a_text_of_several_lines_stays_so(cli: Cli, artifact: Path) -> None:
    code, out, _ = cli("run", artifact.name, "wake me\nat six")
    assert code == 0 and out.splitlines()[:2] == ["wake me", "at six"]


@pytest.mark.parametrize("options", [(), ("--against", f"a{FOLDER}"), ("--json",)], ids=str)
def test_evaluate(cli: Cli, artifact: Path, options: tuple[str, ...]) -> None:
    code, out, err = cli("evaluate", artifact.name, f"d{FOLDER}.jsonl", *options)
    _check(out, err)
    assert code == 0, err


def test_verify_and_bench(cli: Cli, artifact: Path) -> None:
    code, out, err = cli("verify", artifact.name)
    _check(out, err)
    assert code == 0
    bench = "--baseline none --preset rapid --sequence-length 8 -o".split()
    code, out, err = cli("bench", artifact.name, *bench, f"r{FOLDER}.json")
    _check(out, err)
    assert code == 0
    assert _joined(f"a{SHOWN_FOLDER}") in _joined(out)
    for suffix in ("md", "html"):
        code, out, err = cli("report", f"r{FOLDER}.json", "-o", f"r{FOLDER}.{suffix}")
        _check(out, err)
        assert (code, err) == (0, f"written to r{SHOWN_FOLDER}.{suffix}\n")
        _check(Path(f"r{FOLDER}.{suffix}").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", f"none{FOLDER}", "text"), 1),
        (("export", f"c{FOLDER}", "-o", f"a{FOLDER}"), 1),
        (("inspect", "demo", f"--x{FOLDER}"), 2),
        (("inspect", "demo", f"more{FOLDER}"), 2),
        (("export", "demo", "-o", "x", "--precision", FOLDER), 2),
        (("export", "demo", "-o", "x", "--sequence-length", FOLDER), 2),
        ((f"--x{FOLDER}",), 2),
        ((f"x{FOLDER}",), 2),
    ],
    ids=str,
)
def test_errors(cli: Cli, artifact: Path, words: tuple[str, ...], code: int) -> None:
    found, out, err = cli(*words)
    _check(out, err)
    assert (found, out) == (code, "")
    assert r"\x1b[31m" in err


# What comes from phones and results files -----------------------------------------------------


def _printed(capfd: pytest.CaptureFixture[str]) -> str:
    out, err = capfd.readouterr()
    _check(out, err)
    return _joined(out + err)


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_phones(capfd: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    names = ("serial", "state", "model", "android", "abi", "soc", "connection", "remedy")
    device = DeviceStatus(**{name: f"{name} {text}" for name in names})
    print_devices([device], Console())
    output = _printed(capfd)
    assert all(_joined(f"{name}{shown}") in output for name in names)
    checks = [Check(text, text), Check(text, None, text), Check(text, None, text, needed=False)]
    print_checks(checks, Console())
    assert _printed(capfd).count(_joined(f"{shown}: {shown}")) == 3


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_the_table_of_a_bench(capfd: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    results = phone_results()
    names = {name: text for name in ("model", "manufacturer", "soc", "android", "serial")}
    phone = PHONE.model_copy(update=names)
    print_table(results.model_copy(update={"phone": phone}))
    assert _joined(shown) in _printed(capfd)


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_training(capfd: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    epoch = {"epoch": 1, "loss": 0.5}
    print_training({"best": epoch, "epochs": [epoch]}, Path(text), Console())
    shown = shown.replace("///", "/")  # as in any path
    assert _joined(f"written to {shown}") in _printed(capfd)


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_lines(capfd: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    print_line(text)
    print_line(text, stderr=True)
    out, err = capfd.readouterr()
    assert out == err == f"{shown}\n"
    print_json(json.dumps({text: text}, ensure_ascii=False, indent=1))
    out, _ = capfd.readouterr()
    _check(out)
    assert json.loads(out) == {text: text}


def test_a_terminal_still_has_styles() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system="truecolor")
    console.print("[/x] \x1b[2J", style="red", highlight=False)
    assert file.getvalue() == "\x1b[31m[/x] \\x1b[2J\x1b[0m\n"
