"""Everything that a user may get wrong: one line, the right exit code, and no file touched.

The parts have tests of their own for every way to be wrong; here each kind goes through the
command line once.
"""

import hashlib
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from commands import Cli
from safetensors.torch import load_file, save_file

from squeezebert_mobile.artifact import file_facts, read_artifact

TASK = "text-classification"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound checkpoint and the artifact made of it."""
    folder = tmp_path_factory.mktemp("sound")
    tiny.write_checkpoint(folder / "checkpoint", task=TASK)
    command = "export checkpoint -o artifact --precision fp32".split()
    subprocess.run(
        [sys.executable, "-m", "squeezebert_mobile", *command],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def here(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to break, and the working directory."""
    shutil.copytree(shipped, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def _contents(folder: Path) -> dict[str, str]:
    """Every path below `folder`, with a checksum, a link's target, or nothing for a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_dir():
            found[name] = ""
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _refused(cli: Cli, folder: Path, command: str, message: str) -> None:
    """`command` ends with exit code 1 and one line with `message`; `folder` stays as it was."""
    before = _contents(folder)
    code, out, err = cli(*command.split())
    assert (code, out) == (1, ""), err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert message in err
    assert _contents(folder) == before


# Checkpoints --------------------------------------------------------------------------------


def _config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        data = json.loads(path.read_text(encoding="utf-8")) | changes
        path.write_text(json.dumps(data), encoding="utf-8")

    return change


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def _remove(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def _weights(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return changed


def _lying_header(data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    next(iter(header[key] for key in header if key != "__metadata__"))["shape"] = [2**40, 2**20]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _filled(value: float) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        weights["transformer.pooler.dense.bias"][3] = value
        save_file(weights, folder / "model.safetensors")

    return change


class _Opened:
    """What a hostile pickle would do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("opened",)


def _hostile_bin(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"weight": _Opened()}, file)


def _bin_of_a_model(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(torch.nn.Linear(2, 2), folder / "pytorch_model.bin")


_VOCABULARIES = ("vocab.txt", "tokenizer.json")


def _vocabulary(content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "tokenizer.json").unlink()
        (folder / "vocab.txt").write_bytes(content)

    return change


BAD_CHECKPOINTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no such folder": (shutil.rmtree, "no such folder: 'checkpoint'; give a folder with config.js"),
    "no config.json": (_remove("config.json"), "'checkpoint' is not a checkpoint: it has no conf"),
    "broken JSON": (_write("config.json", b'{"model_type": '), "config.json' cannot be read as JS"),
    "JSON of another kind": (_write("config.json", b"[]"), "config.json' must hold a JSON object"),
    "no UTF-8": (_write("config.json", b'{"a": "\xff"}'), "config.json' cannot be read as JSON: "),
    "another model_type": (_config(model_type="gpt2"), "model_type is 'gpt2'; this package reads "),
    "no model_type": (_config(model_type=None), "model_type is None; this package reads 'squeeze"),
    "negative size": (_config(hidden_size=-24), "hidden_size is -24; it must be a whole number f"),
    "size zero": (_config(num_hidden_layers=0), "num_hidden_layers is 0; it must be a whole numb"),
    "absurd size": (_config(intermediate_size=10**30), "intermediate_size is 1000000000000000000"),
    "absurd layers": (_config(num_hidden_layers=10**6), "num_hidden_layers is 1000000; it must b"),
    "larger than the file": (_config(vocab_size=2**20), "has shape [64, 24], not [1048576, 24]"),
    "size that is text": (_config(hidden_size="24"), "hidden_size is '24'; it must be a whole nu"),
    "fewer layers": (_config(num_hidden_layers=3), "it has 2 layers, config.json says num_hidden"),
    "more layers": (_config(num_hidden_layers=1), "it has 2 layers, config.json says num_hidden_"),
    "heads": (_config(num_attention_heads=5), "hidden_size is 24; it must be a multiple of num_a"),
    "groups": (_config(q_groups=5), "hidden_size is 24; it must be a multiple of q_groups, 5"),
    "no weights": (_remove("model.safetensors"), "'checkpoint' has no weights: no model.safetens"),
    "truncated weights": (_weights(lambda data: data[:-9]), "model.safetensors' is damaged, or n"),
    "truncated header": (_weights(lambda data: data[:99]), "model.safetensors' is damaged, or no"),
    "header without end": (
        _weights(lambda data: (2**62).to_bytes(8, "little") + data[8:]),
        "model.safetensors' is damaged, or not a safetensors file: ",
    ),
    "lying header": (
        _weights(_lying_header),
        "model.safetensors' is damaged, or not a safetensors ",
    ),
    "NaN": (_filled(float("nan")), "weights that are not finite (NaN or infinite): transformer.p"),
    "infinite": (_filled(float("inf")), "weights that are not finite (NaN or infinite): transfor"),
    "hostile pickle": (_hostile_bin, "holds more than tensors, which could run code and is not o"),
    "pickled model": (_bin_of_a_model, "holds more than tensors, which could run code and is not"),
    "no vocabulary": (_remove(*_VOCABULARIES), "'checkpoint' has no vocabulary: it needs vocab.t"),
    "empty vocabulary": (_vocabulary(b""), "vocab.txt' is empty; it needs one token a line"),
    "vocabulary without [SEP]": (_vocabulary(b"[PAD]\n[UNK]\n[CLS]\n"), "has no '[SEP]' (sep_to"),
    "vocabulary too large": (
        _vocabulary("\n".join([*tiny.VOCABULARY, "more"]).encode()),
        "is too large: token 'more' has id 64, but vocab_size in config.json is 64",
    ),
    "vocabulary of bytes": (_vocabulary(b"[PAD]\n\xff"), "vocab.txt' is not UTF-8 text (byte 6)"),
}


@pytest.mark.parametrize("case", BAD_CHECKPOINTS)
def test_a_bad_checkpoint(cli: Cli, here: Path, case: str) -> None:
    change, message = BAD_CHECKPOINTS[case]
    change(here / "checkpoint")
    _refused(cli, here, "export checkpoint -o new", message)


@pytest.mark.parametrize("case", ["no config.json", "fewer layers", "truncated weights", "heads"])
def test_a_bad_checkpoint_is_not_inspected_either(cli: Cli, here: Path, case: str) -> None:
    change, message = BAD_CHECKPOINTS[case]
    change(here / "checkpoint")
    _refused(cli, here, "inspect checkpoint", message)


def test_an_absurd_size_is_refused_before_memory_is_taken(here: Path) -> None:
    """Three quarters of a gigabyte more than at the start would end it."""
    sizes = {"vocab_size": 2**20, "hidden_size": 2**14, "intermediate_size": 2**16}
    _config(num_attention_heads=4, embedding_size=2**14, **sizes)(here / "checkpoint")
    script = (
        "import resource, sys, torch\n"
        "from squeezebert_mobile.export import convert\n"
        "from squeezebert_mobile.cli import main\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**28,) * 2)\n"
        "sys.argv = ['squeezebert-mobile', 'export', 'checkpoint', '-o', 'new']\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the weights in 'checkpoint' are not those of its config")


def test_a_hub_id_without_a_network(here: Path) -> None:
    before = _contents(here)
    command = [sys.executable, "-m", "squeezebert_mobile", "export", "some/one", "-o", "new"]
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(here.parent / "hub")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | nobody
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no folder 'some/one' here, and the Hub gave no such che")
    assert done.stderr.count("\n") == 1 and "check the name and the network" in done.stderr
    assert _contents(here) == before


# Options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--sequence-length 0", "--sequence-length 0 is out of range; the model reads up to 40"),
        ("--sequence-length 41", "--sequence-length 41 is out of range; the model reads up to 40"),
        ("--max-sequence-length 41", "--max-sequence-length 41 is out of range; the model reads"),
        ("--max-sequence-length -1", "--max-sequence-length -1 is out of range; the model reads"),
        ("--sequence-length 16 --max-sequence-length 32", "contradicts --sequence-length 16; giv"),
        ("--texts nowhere.txt", "--texts 'nowhere.txt' cannot be read: "),
        ("--task fill-mask", "has no weights for fill-mask: cls.predictions.transform.dense"),
        ("--task token-classification", "has a head for text-classification, by its config.json"),
        ("--task question-answering", "has no weights for question-answering: qa_outputs.weight"),
    ],
)
def test_an_option_that_does_not_fit(cli: Cli, here: Path, options: str, message: str) -> None:
    _refused(cli, here, f"export checkpoint -o new {options}", message)


@pytest.mark.parametrize("content", [b"", b"\n  \n"])
def test_texts_without_text(cli: Cli, here: Path, content: bytes) -> None:
    (here / "texts.txt").write_bytes(content)
    message = "--texts 'texts.txt' holds no text; write one a line"
    _refused(cli, here, "export checkpoint -o new --texts texts.txt", message)


def test_texts_that_are_not_utf_8(cli: Cli, here: Path) -> None:
    (here / "texts.txt").write_bytes(b"caf\xe9\n")
    _refused(cli, here, "export checkpoint -o new --texts texts.txt", "'texts.txt' cannot be read")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--task classify", "'classify' is not one of 'feature-extraction'"),
        ("--format onx", "'onx' is not"),
        ("--precision int9", "'int9' is not one of 'fp32', 'fp16', 'int8'"),
        ("--sequence-length long", "'long' is neither a number of tokens nor 'dynamic'"),
        (
            "--max-sequence-length long",
            "Invalid value for '--max-sequence-length': Input should be a valid integer",
        ),
    ],
)
def test_an_unknown_choice(cli: Cli, here: Path, options: str, message: str) -> None:
    before = _contents(here)
    code, out, err = cli(*f"export checkpoint -o new {options}".split())
    assert (code, out) == (2, "")
    assert message in " ".join(err.replace("│", " ").split())
    assert _contents(here) == before


# The folder to write ------------------------------------------------------------------------


def test_a_folder_that_exists(cli: Cli, here: Path) -> None:
    message = "'artifact' exists; replace it with --force, or choose another folder with -o"
    _refused(cli, here, "export checkpoint -o artifact", message)
    before = _contents(here)
    code, *_ = cli(*"export checkpoint -o artifact --precision fp32 --force".split())
    assert code == 0
    assert _contents(here) == before  # another one with the same bytes


def test_a_folder_that_is_none(cli: Cli, here: Path) -> None:
    (here / "file").write_text("a letter", encoding="utf-8")
    _refused(cli, here, "export checkpoint -o file --force", "'file' is not a folder; choose ano")
    _refused(cli, here, "export checkpoint -o checkpoint --force", "holds something else than an")


def test_an_artifact_is_no_checkpoint(cli: Cli, here: Path) -> None:
    message = "'artifact' is an artifact, and no checkpoint: it has no config.json; give a folder"
    _refused(cli, here, "export artifact -o new", message)


@pytest.mark.parametrize("target", ["new", "artifact"])
def test_a_full_disk(here: Path, target: str) -> None:
    """A limit on the size of files: the system refuses to write on, as it does on a full disk."""
    before = _contents(here)
    command = f"export checkpoint -o {target} --force --precision fp32".split()
    done = subprocess.run(
        [sys.executable, "-m", "squeezebert_mobile", *command],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: cannot write {target!r}: File too large; nothing was written; "
        "free some space, or choose another folder with -o\n"
    )
    assert _contents(here) == before


# Artifacts ----------------------------------------------------------------------------------


def _flip(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


def _list_outside(folder: Path) -> None:
    _manifest(lambda data: data["files"].update({"../checkpoint/config.json": _facts(folder)}))(
        folder
    )


def _facts(folder: Path) -> dict[str, Any]:
    return file_facts(folder.parent / "checkpoint" / "config.json").model_dump()


def _manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / "manifest.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        change(data)
        path.write_text(json.dumps(data), encoding="utf-8")

    return changed


def _link(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.parent / "model.onnx")
    (folder / "model.onnx").symlink_to("../model.onnx")


BAD_ARTIFACTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no such folder": (shutil.rmtree, "no such artifact folder: 'artifact'; make one with: squ"),
    "no manifest": (_remove("manifest.json"), "'artifact' is not an artifact: it has no manifest"),
    "broken manifest": (_write("manifest.json", b"{"), "manifest.json' cannot be read as JSON: "),
    "newer schema": (_manifest(lambda d: d.update(schema_version=2)), "has schema_version 2, this"),
    "damaged": (_manifest(lambda d: d.update(max_sequence_length=-1)), "damaged at max_sequence_l"),
    "changed byte": (_flip, "model.onnx' has changed since the export (its SHA-256 is not the ma"),
    "missing file": (_remove("tokenizer.json"), "tokenizer.json' is missing; copy or export it a"),
    "path outside": (_list_outside, "artifact file '../checkpoint/config.json' points outside its"),
    "link outside": (_link, "artifact file 'model.onnx' points outside its folder 'artifact'"),
}


@pytest.mark.parametrize("command", ["run artifact hello", "verify artifact", "bench artifact"])
@pytest.mark.parametrize("case", BAD_ARTIFACTS)
def test_a_bad_artifact(cli: Cli, here: Path, case: str, command: str) -> None:
    change, message = BAD_ARTIFACTS[case]
    change(here / "artifact")
    _refused(cli, here, command, message)


@pytest.mark.parametrize("case", [c for c in BAD_ARTIFACTS if c.split()[0] != "no"])
def test_a_bad_artifact_is_not_inspected_either(cli: Cli, here: Path, case: str) -> None:
    change, message = BAD_ARTIFACTS[case]
    change(here / "artifact")
    _refused(cli, here, "inspect artifact", message)


# Texts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_text(cli: Cli, here: Path, text: str) -> None:
    code, out, err = cli("run", "artifact", text)
    assert (code, out) == (1, "")
    assert err.endswith("error: the text is empty; give at least one word\n")


def test_a_text_longer_than_the_model(cli: Cli, here: Path) -> None:
    code, out, err = cli("run", "artifact", "wake me at seven " * 40)
    assert code == 0 and "LABEL_" in out
    notice = "note: the input is longer than this model takes"
    assert any(line.startswith(notice) for line in err.splitlines())


def test_bytes_that_are_not_utf_8(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "squeezebert_mobile", "run", "artifact"],
        input=b"wake me\ncaf\xe9\nplay music\n",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"wake me" in done.stdout and b"play music" not in done.stdout
    assert done.stderr.endswith(
        b"error: the text is not UTF-8 (byte 3 is 0xe9); convert it to UTF-8\n"
    )


def test_the_sound_ones_are_sound(cli: Cli, here: Path) -> None:
    """Without this every test above could pass for another reason."""
    assert read_artifact(here / "artifact").task == TASK
    for command in ("inspect checkpoint", "run artifact hello", "verify artifact"):
        assert cli(*command.split())[0] == 0
