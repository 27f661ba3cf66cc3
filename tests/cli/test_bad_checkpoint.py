"""Rejected input of `export`: checkpoints, options and output folders, with one-line errors.

The modules that read checkpoints have their own tests of every error. Here each kind of error goes
through the command line once.
"""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from commands import Cli, without_steps
from forks import COMMAND, Forks
from rejections import Change, assert_rejected, change_json, folder_contents, remove, write
from safetensors.torch import load_file, save_file

# Checkpoints --------------------------------------------------------------------------------

_config = partial(change_json, "config.json")


def _weights(change: Callable[[bytes], bytes]) -> Change:
    def changed(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return changed


def _wrong_shape(data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    next(iter(header[key] for key in header if key != "__metadata__"))["shape"] = [2**40, 2**20]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _with_value(value: float) -> Change:
    def change(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        weights["transformer.pooler.dense.bias"][3] = value
        save_file(weights, folder / "model.safetensors")

    return change


class _MakesFolder:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("opened",)


def _hostile_bin(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"weight": _MakesFolder()}, file)


def _pickled_model(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(torch.nn.Linear(2, 2), folder / "pytorch_model.bin")


_VOCABULARIES = ("vocab.txt", "tokenizer.json")


def _vocabulary(content: bytes) -> Change:
    def change(folder: Path) -> None:
        (folder / "tokenizer.json").unlink()
        (folder / "vocab.txt").write_bytes(content)

    return change


BAD_CHECKPOINTS: dict[str, tuple[Change, str]] = {
    "no such folder": (shutil.rmtree, "no such folder: 'checkpoint'; give a folder with config.js"),
    "no config.json": (remove("config.json"), "'checkpoint' is not a checkpoint: it has no conf"),
    "broken JSON": (write("config.json", b'{"model_type": '), "config.json' cannot be read as JS"),
    "JSON of another kind": (write("config.json", b"[]"), "config.json' must hold a JSON object"),
    "no UTF-8": (write("config.json", b'{"a": "\xff"}'), "config.json' cannot be read as JSON: "),
    "another model_type": (_config(model_type="gpt2"), "model_type is 'gpt2'; this package reads "),
    "no model_type": (_config(model_type=None), "model_type is None; this package reads 'squeeze"),
    "negative size": (_config(hidden_size=-24), "hidden_size is -24; it must be a whole number f"),
    "size zero": (_config(num_hidden_layers=0), "num_hidden_layers is 0; it must be a whole numb"),
    "absurd size": (_config(intermediate_size=10**30), "intermediate_size is 1000000000000000000"),
    "absurd layers": (_config(num_hidden_layers=10**6), "num_hidden_layers is 1000000; it must b"),
    "larger than the file": (_config(vocab_size=2**20), "has shape [64, 24], not [1048576, 24]"),
    "size that is text": (_config(hidden_size="24"), "hidden_size is '24'; it must be a whole nu"),
    "fewer layers": (_config(num_hidden_layers=3), "it has 2 layers, but num_hidden_layers in c"),
    "more layers": (_config(num_hidden_layers=1), "it has 2 layers, but num_hidden_layers in co"),
    "heads": (_config(num_attention_heads=5), "hidden_size is 24; it must be a multiple of num_a"),
    "groups": (_config(q_groups=5), "hidden_size is 24; it must be a multiple of q_groups, 5"),
    "no weights": (remove("model.safetensors"), "'checkpoint' has no weights: neither model.s"),
    "truncated weights": (_weights(lambda data: data[:-9]), "model.safetensors' is damaged, or n"),
    "truncated header": (_weights(lambda data: data[:99]), "model.safetensors' is damaged, or no"),
    "header without end": (
        _weights(lambda data: (2**62).to_bytes(8, "little") + data[8:]),
        "model.safetensors' is damaged, or not a safetensors file: ",
    ),
    "wrong shape in the header": (
        _weights(_wrong_shape),
        "model.safetensors' is damaged, or not a safetensors ",
    ),
    "NaN": (
        _with_value(float("nan")),
        "weights that are not finite (NaN or infinite): transformer.p",
    ),
    "infinite": (
        _with_value(float("inf")),
        "weights that are not finite (NaN or infinite): transfor",
    ),
    "hostile pickle": (_hostile_bin, "holds more than tensors, which could run code and is not o"),
    "pickled model": (_pickled_model, "holds more than tensors, which could run code and is not"),
    "no vocabulary": (remove(*_VOCABULARIES), "'checkpoint' has no vocabulary: it needs vocab.t"),
    "empty vocabulary": (_vocabulary(b""), "vocab.txt' is empty; it needs one token per line"),
    "vocabulary without [SEP]": (_vocabulary(b"[PAD]\n[UNK]\n[CLS]\n"), "has no '[SEP]' (sep_to"),
    "vocabulary too large": (
        _vocabulary("\n".join([*tiny.VOCABULARY, "more"]).encode()),
        "is too large: token 'more' has id 64, but vocab_size in config.json is 64",
    ),
    "vocabulary of bytes": (_vocabulary(b"[PAD]\n\xff"), "vocab.txt' is not UTF-8 text (byte 6)"),
}


@pytest.mark.parametrize("case", BAD_CHECKPOINTS)
def test_export_rejects_a_bad_checkpoint(cli: Cli, workdir: Path, case: str) -> None:
    change, message = BAD_CHECKPOINTS[case]
    change(workdir / "checkpoint")
    assert_rejected(cli, workdir, "export checkpoint -o new", message)


@pytest.mark.parametrize("case", ["no config.json", "fewer layers", "truncated weights", "heads"])
def test_inspect_rejects_a_bad_checkpoint(cli: Cli, workdir: Path, case: str) -> None:
    change, message = BAD_CHECKPOINTS[case]
    change(workdir / "checkpoint")
    assert_rejected(cli, workdir, "inspect checkpoint", message)


@pytest.mark.slow
def test_an_absurd_size_is_rejected_before_memory_is_allocated(workdir: Path) -> None:
    """Allocating more than 768 MiB would fail."""
    sizes = {"vocab_size": 2**20, "hidden_size": 2**14, "intermediate_size": 2**16}
    _config(num_attention_heads=4, embedding_size=2**14, **sizes)(workdir / "checkpoint")
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
    assert done.stderr.startswith("error: the weights in 'checkpoint' do not match its config.json")


def test_a_hub_id_without_a_network(workdir: Path, forks: Forks) -> None:
    before = folder_contents(workdir)
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(workdir.parent / "hub")}
    program = f"import os; os.environ |= {offline}; {COMMAND}"
    done = forks.run(workdir, *"export some/one -o new".split(), program=program)
    err = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b"")
    assert err.startswith(
        "error: no folder 'some/one', and the Hub (http://127.0.0.1:9) cannot be reached: "
    )
    assert err.count("\n") == 1 and "check the name and the network" in err
    assert folder_contents(workdir) == before


# Options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--sequence-length 0", "--sequence-length 0 is too short; give at least 8, which leaves "),
        ("--sequence-length 41", "--sequence-length 41 is too long; the model reads up to 40 tok"),
        ("--max-sequence-length 41", "--max-sequence-length 41 is too long; the model reads up"),
        ("--max-sequence-length -1", "--max-sequence-length -1 is too short; give at least 8, "),
        ("--sequence-length 16 --max-sequence-length 32", "contradicts --sequence-length 16; giv"),
        ("--texts nowhere.txt", "--texts 'nowhere.txt' cannot be read: "),
        ("--task fill-mask", "has no weights for fill-mask: cls.predictions.transform.dense"),
        ("--task token-classification", "has a head for text-classification, according to it"),
        ("--task question-answering", "has no weights for question-answering: qa_outputs.weight"),
    ],
)
def test_invalid_options(cli: Cli, workdir: Path, options: str, message: str) -> None:
    assert_rejected(cli, workdir, f"export checkpoint -o new {options}", message)


@pytest.mark.parametrize("content", [b"", b"\n  \n"])
def test_texts_without_text(cli: Cli, workdir: Path, content: bytes) -> None:
    (workdir / "texts.txt").write_bytes(content)
    message = "--texts 'texts.txt' has no text; write one text per line"
    assert_rejected(cli, workdir, "export checkpoint -o new --texts texts.txt", message)


def test_texts_that_are_not_utf_8(cli: Cli, workdir: Path) -> None:
    (workdir / "texts.txt").write_bytes(b"caf\xe9\n")
    assert_rejected(
        cli, workdir, "export checkpoint -o new --texts texts.txt", "'texts.txt' cannot be read"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--task classify", "'classify' is not one of 'feature-extraction'"),
        ("--format onx", "'onx' is not"),
        ("--precision int9", "'int9' is not one of 'fp32', 'fp16', 'int8'"),
        ("--sequence-length long", "'long' is neither a number of tokens nor 'dynamic'"),
        (
            "--sequence-length 16 --sequence-length dynamic",
            "'dynamic' accepts any length; leave the other lengths out",
        ),
        (
            "--max-sequence-length long",
            "Invalid value for '--max-sequence-length': 'long' is not a whole number",
        ),
    ],
)
def test_usage_errors(cli: Cli, workdir: Path, options: str, message: str) -> None:
    before = folder_contents(workdir)
    code, out, err = cli(*f"export checkpoint -o new {options}".split())
    assert (code, out) == (2, "")
    assert message in " ".join(err.replace("│", " ").split())
    assert folder_contents(workdir) == before


# Output folders -------------------------------------------------------------------------------


def test_an_existing_artifact(cli: Cli, workdir: Path) -> None:
    message = "'artifact' exists; replace it with --force, or choose another folder with -o"
    assert_rejected(cli, workdir, "export checkpoint -o artifact", message)
    before = folder_contents(workdir)
    code, *_ = cli(*"export checkpoint -o artifact --precision fp32 --force".split())
    assert code == 0
    assert folder_contents(workdir) == before  # the new artifact has the same bytes


def test_output_that_is_not_an_artifact_folder(cli: Cli, workdir: Path) -> None:
    (workdir / "file").write_text("a letter", encoding="utf-8")
    assert_rejected(
        cli, workdir, "export checkpoint -o file --force", "'file' is not a folder; choose ano"
    )
    assert_rejected(
        cli, workdir, "export checkpoint -o checkpoint --force", "is not an artifact and was not"
    )


def test_an_artifact_is_not_a_checkpoint(cli: Cli, workdir: Path) -> None:
    message = "'artifact' is an artifact, not a checkpoint: it has no config.json; give a folder"
    assert_rejected(cli, workdir, "export artifact -o new", message)


@pytest.mark.parametrize("target", ["new", pytest.param("artifact", marks=pytest.mark.slow)])
def test_a_full_disk(workdir: Path, target: str, forks: Forks) -> None:
    """A limit on the file size makes writes fail, as a full disk does."""
    before = folder_contents(workdir)
    command = f"export checkpoint -o {target} --force --precision fp32".split()
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    done = forks.run(workdir, *command, program=f"{limit}; {COMMAND}")
    assert (done.returncode, done.stdout) == (1, b"")
    assert without_steps(done.stderr.decode()) == (
        f"error: cannot write {target!r}: File too large; nothing was written; "
        "free some space, or choose another folder with -o\n"
    )
    assert folder_contents(workdir) == before
