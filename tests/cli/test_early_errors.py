"""Errors in arguments are reported before torch and the other large libraries are imported."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import processor_time
from forks import Forks

FINETUNE = "finetune demo train.csv --task text-classification -o"
#: Runs the command line, then prints which large libraries were imported.
SCRIPT = """
import sys
from squeezebert_mobile.cli import main
try:
    main()
finally:
    heavy = {"torch", "onnx", "onnxruntime", "numpy", "transformers", "sklearn", "accelerate"}
    print(*sorted(heavy & set(sys.modules)))
"""
CASES = [
    ("export demo -o artifact", "'artifact' exists; replace it with --force"),
    ("export demo -o tuned", "'tuned' is not an artifact and was not changed"),
    ("export demo -o tuned --force", "'tuned' is not an artifact and was not changed"),
    ("export demo -o texts.txt", "'texts.txt' is not a folder; choose another with -o"),
    ("export demo -o texts.txt/out", "cannot write to 'FOLDER/texts.txt': Not a directory"),
    ("export demo -o new --data none.csv", "'none.csv' cannot be read: No such file or directory"),
    ("export demo -o new --data tuned", "'tuned' is a folder; give the file with the labelled"),
    ("export demo -o new --texts none.txt", "--texts 'none.txt' cannot be read"),
    ("export demo -o new --texts blank.txt", "--texts 'blank.txt' has no text"),
    ("export nowhere -o new", "no such folder: 'nowhere'"),
    ("export texts.txt -o new", "'texts.txt' is a file; give the folder that holds config.json"),
    (f"{FINETUNE} tuned", "'tuned' exists; replace it with --force"),
    (f"{FINETUNE} artifact", "'artifact' is not a fine-tuned checkpoint and was not changed"),
    (f"{FINETUNE} artifact --force", "'artifact' is not a fine-tuned checkpoint"),
    (f"{FINETUNE} new --dev none.csv", "'none.csv' cannot be read: No such file or directory"),
    (f"{FINETUNE} new --quantize fp16", "--quantize fp16 rounds no weights; give int8 or int4, or"),
    (f"{FINETUNE} new --teacher nowhere", "no such folder: 'nowhere'"),
    (f"{FINETUNE} new --learning-rate 2", "--learning-rate 2 is out of range"),
    ("finetune demo none.csv --task fill-mask -o new", "'none.csv' cannot be read: No such file"),
    ("finetune nowhere train.csv --task fill-mask -o new", "no such folder: 'nowhere'"),
    ("evaluate artifact none.csv", "'none.csv' cannot be read: No such file or directory"),
    ("evaluate artifact tuned", "'tuned' is a folder; give the file with the labelled examples"),
    ("evaluate nowhere train.csv", "no such folder: 'nowhere'"),
    ("evaluate artifact train.csv --against nowhere", "no such folder: 'nowhere'"),
    ("verify artifact --against nowhere", "no such folder: 'nowhere'"),
    ("verify artifact --texts texts.txt", "--texts requires --against"),
    ("verify artifact --against demo --texts none.txt", "--texts 'none.txt' cannot be read"),
    ("inspect nowhere", "no such folder: 'nowhere'"),
    (
        "export preset:bert-bas -o new",
        "unknown preset 'preset:bert-bas'; did you mean 'preset:bert-",
    ),
    ("operators artifact -o texts.txt", "'texts.txt' is not a list of operators and was not chan"),
    (
        "operators artifact -o tuned",
        "cannot write the list of operators to 'tuned': Is a directory",
    ),
    ("operators artifact -o texts.txt/x", "cannot write the list of operators to 'texts.txt/x'"),
    ("export preset: -o new", "unknown preset 'preset:'; "),
    ("inspect preset:squeezebert", "unknown preset 'preset:squeezebert'; did you mean 'preset:s"),
    ("verify artifact --against preset:BERT-base", "did you mean 'preset:bert-base'? choose from"),
    ("evaluate preset:mnli train.csv", "unknown preset 'preset:mnli'; choose from: preset:bert"),
    (f"{FINETUNE} new --teacher preset:bert", "unknown preset 'preset:bert'; did you mean"),
    ("finetune preset:x train.csv --task fill-mask -o new", "unknown preset 'preset:x'; choose"),
    (
        "export demo -o new --format executorch --precision int4",
        "--precision int4 is for --format o",
    ),
    (
        "export demo -o new --format torchscript --precision fp16",
        "torchscript comes in fp32 and int8",
    ),
    (
        "export demo -o artifact --format torchscript --precision int4",
        "--precision int4 is for --f",
    ),
    (
        "export demo -o new --engine x86",
        "--engine x86 is for --format torchscript --precision int8",
    ),
    (
        "export demo -o new --format torchscript --precision fp32 --engine qnnpack",
        "--engine qnnpack is for --format torchscript --precision int8, and not for fp32 torch",
    ),
    ("export demo -o new --labels a,b,a", "labels: 'a' is given twice; give each label its own"),
    ("export demo -o new --labels a,,b", "must be a list with a name for each label"),
    (
        "export demo -o new --max-drop 0.1",
        "--max-drop 0.1 needs labelled examples; add --data FILE",
    ),
    ("export demo -o new --sequence-length 7", "--sequence-length 7 is too short; give at least 8"),
    ("export demo -o new --max-sequence-length 0", "--max-sequence-length 0 is too short; give at"),
    (
        "export demo -o new --sequence-length 16 --sequence-length 8",
        "--sequence-length 8 and 16: a model for onnx takes one length, or any; give one, or use "
        "--format litert",
    ),
    (
        "export demo -o new --sequence-length 16 --max-sequence-length 32",
        "--max-sequence-length 32 contradicts --sequence-length 16; give one of them",
    ),
    (
        "export artifact -o new",
        "'artifact' is an artifact, not a checkpoint: it has no config.json",
    ),
    ("verify artifact --against artifact", "'artifact' is an artifact, not a checkpoint"),
    (
        "inspect empty",
        "'empty' is not a checkpoint: it has no config.json; give a folder with conf",
    ),
    ("evaluate empty train.csv", "'empty' is not a checkpoint: it has no config.json"),
    ("finetune artifact train.csv --task fill-mask -o new", "'artifact' is an artifact, not a ch"),
    (f"{FINETUNE} new --teacher empty", "'empty' is not a checkpoint: it has no config.json"),
    (
        "finetune demo train.csv --task feature-extraction -o new",
        "feature-extraction outputs vectors, which cannot be scored",
    ),
    (f"{FINETUNE} new --delimiter ab", "--delimiter 'ab' cannot separate cells; give one char"),
    ("evaluate demo train.csv --delimiter ||", "--delimiter '||' cannot separate cells; give one"),
    ("export demo -o new --rtol inf", "--rtol inf is not a difference; give a number from 0 on"),
    ("verify artifact --against demo --atol inf", "--atol inf is not a difference; give a number"),
    ("export demo -o new --revision v1", "'v1' is for a Hub id, but 'demo' is part of this pack"),
    ("export tuned -o new --revision v1", "'v1' is for a Hub id, but 'tuned' is a folder; leave"),
    ("export a/b -o new --revision a..b", "the revision 'a..b' cannot be a branch, a tag or a com"),
    ("inspect artifact --revision v1", "'v1' is for a Hub id, but 'artifact' is a folder; leave"),
    ("verify artifact --revision v1", "--revision requires --against; add a checkpoint"),
    ("verify artifact --against tuned --revision v1", "the revision 'v1' is for a Hub id, but 'tu"),
    ("evaluate artifact train.csv --revision v1", "'v1' is for a Hub id, but 'artifact' is a fol"),
    ("evaluate artifact train.csv --against-revision v1", "--against-revision needs --against"),
    (
        "evaluate artifact train.csv --against artifact --against demo --against-revision v1",
        "--against-revision is for one --against, but 2 were given; compare",
    ),
    ("evaluate artifact train.csv --against demo --against nowhere", "no such folder: 'nowhere'"),
    (f"{FINETUNE} new --revision v1", "'v1' is for a Hub id, but 'demo' is part of this package"),
    (f"{FINETUNE} new --teacher-revision v1", "--teacher-revision needs --teacher; add the chec"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files by the names of what they stand for."""
    for name, marker in (("artifact", "manifest.json"), ("tuned", "training.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / marker).write_text("{}", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "train.csv").write_text("text,label\nwake me,alarm\n", encoding="utf-8")
    (tmp_path / "texts.txt").write_text("wake me\n", encoding="utf-8")
    (tmp_path / "blank.txt").write_text("\n \n", encoding="utf-8")
    return tmp_path


def _run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", SCRIPT, *command.split()]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def light_forks() -> Iterator[Forks]:
    with Forks("import pydantic.types, squeezebert_mobile.cli") as forks:
        yield forks


@pytest.mark.parametrize(("command", "message"), CASES)
def test_an_error_needs_no_large_library(
    folder: Path, command: str, message: str, light_forks: Forks
) -> None:
    before = sorted(folder.rglob("*"))
    done = light_forks.run(folder, *command.split(), program=SCRIPT)
    assert (done.returncode, done.stdout) == (1, b"\n")
    err = done.stderr.decode()
    assert message.replace("FOLDER", str(folder)) in err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("command", ["export demo -o artifact", f"{FINETUNE} new --dev none.csv"])
def test_it_takes_less_than_a_second(folder: Path, command: str) -> None:
    with processor_time() as seconds:
        assert _run(folder, command).returncode == 1
    assert seconds() < 1


@pytest.mark.slow
def test_a_pipe_is_not_read_before_its_time(folder: Path) -> None:
    """Data from a process substitution can be read only once."""
    script = f"{sys.executable} -m squeezebert_mobile evaluate demo <(cat train.csv)"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "'alarm'" in done.stderr and "cannot be read" not in done.stderr
