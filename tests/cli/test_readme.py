"""The README's commands and Python code run without changes."""

import re
import shlex
import shutil
import textwrap
import tomllib
from pathlib import Path

import pytest
from commands import Cli
from forks import Forks

from squeezebert_mobile.models.checkpoint import demo_folder
from squeezebert_mobile.models.config import SqueezeBertConfig
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training.demos.samples import write_samples

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "docs" / "samples"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("android_demo/**/*.md"),
]


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def _without_baseline(words: list[str]) -> list[str]:
    """Without the baseline: exporting BERT-base twice takes minutes."""
    return [*words, "--baseline", "none"] if words[0] == "bench" else words


def test_the_shell_commands(tmp_path: Path, forks: Forks) -> None:
    (block,) = _blocks("sh")
    commands = [shlex.split(line) for line in block.splitlines()]
    assert [command[1] for command in commands] == ["export", "run", "bench"]
    shown = ""
    for program, *words in commands:
        assert program == "squeezebert-mobile"
        done = forks.run(tmp_path, *_without_baseline(words))
        assert done.returncode == 0, done.stderr
        shown += done.stdout.decode()
    assert "set_alarm" in shown and "get_directions" in shown and "median" in shown


def test_from_a_headless_checkpoint_to_int8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    shutil.copytree(SAMPLES, tmp_path / "docs" / "samples")
    small = SqueezeBertConfig(
        vocab_size=2400, hidden_size=32, num_hidden_layers=1, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=128,
    )  # fmt: skip
    initialize("feature-extraction", small).save_pretrained(tmp_path / "headless")
    SqueezeBertTokenizer.from_pretrained(demo_folder()).save_pretrained(tmp_path / "headless")
    monkeypatch.chdir(tmp_path)
    (block,) = _blocks("bash")
    commands = [shlex.split(line) for line in block.splitlines()]
    assert [command[1] for command in commands] == [
        *("finetune", "evaluate", "export", "evaluate", "run")
    ]
    for program, *words in commands:
        assert program == "squeezebert-mobile"
        # Tests have no network, and two epochs are enough to see that training works.
        words = ["headless" if word.startswith("squeezebert/") else word for word in words]
        code, out, err = cli(*words, *(["--epochs", "2"] if words[0] == "finetune" else []))
        assert code == 0, err
    assert out.startswith("wake me at half past six\n")


def test_evaluating_the_demo_on_a_sample(
    assistant: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, tmp_path: Path
) -> None:
    """The line as it stands, in a folder with the artifact and the repository's samples."""
    (line,) = re.findall(r"^    squeezebert-mobile (evaluate assistant .*)$", README, re.MULTILINE)
    shutil.copytree(SAMPLES, tmp_path / "docs" / "samples")
    (tmp_path / "assistant").symlink_to(assistant)
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*shlex.split(line))
    assert code == 0, err
    assert out.startswith("text-classification, 96 examples (csv)\n") and "same answer in" in out


def test_the_accuracy_of_the_demo_on_the_sample_is_that_of_the_page(
    assistant: Path, forks: Forks
) -> None:
    page = (ROOT / "docs" / "evaluate.md").read_text(encoding="utf-8")
    part = page.split("## From Python\n", 1)[1].split("\n## ", 1)[0]
    code = "".join(re.findall(r"^(?:    .*)?\n", part, flags=re.MULTILINE))
    code = textwrap.dedent(code).replace('"assistant"', repr(str(assistant)))
    shown = re.findall(r"^score.* # (.*?)\.\.\.", code, flags=re.MULTILINE)
    assert len(shown) == 2  # of the artifact and of the checkpoint
    done = forks.run(ROOT, program=re.sub(r"^(score.*?) +#.*", r"print(\1)", code, flags=re.M))
    assert done.returncode == 0, done.stderr
    for line, expected in zip(done.stdout.decode().splitlines(), shown, strict=True):
        assert line.startswith(expected.replace('"', "'"))


def test_every_data_file_of_the_readme_is_in_the_repository() -> None:
    names = set(re.findall(r"[\w./-]+\.(?:csv|tsv|jsonl)\b", README))
    assert names == {"docs/samples/train.csv", "docs/samples/dev.csv"}
    assert all(0 < (ROOT / name).stat().st_size < 10_000 for name in names)


def test_the_samples_are_those_of_the_grammar(tmp_path: Path) -> None:
    """`make samples` writes them again."""
    write_samples(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (SAMPLES / path.name).read_bytes()
    assert len(list(tmp_path.iterdir())) == len(list(SAMPLES.iterdir())) == 2


def test_the_python_code(tmp_path: Path, forks: Forks) -> None:
    (block,) = _blocks("python")
    done = forks.run(tmp_path, program=block)
    assert done.returncode == 0, done.stderr
    difference, light, *_ = done.stdout.decode().splitlines()
    assert float(difference) <= 1e-4
    assert light.startswith("smart_home")


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_relative_link_exists() -> None:
    count = 0
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:)([^)]+)", page.read_text(encoding="utf-8")):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), (page, link)
            assert not anchor or anchor in _anchors(target), (page, link)
            count += 1
    assert count > 50


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in ROOT.glob("docs/*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([\w./-]+)\)", index))


def test_every_install_is_from_the_clone_with_an_extra_that_exists() -> None:
    """The package is not on an index; the torch of PyTorch's CPU build is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installs = {
        target
        for page in PAGES
        for target in re.findall(r"pip install\s+(\S*[\w\]])", page.read_text(encoding="utf-8"))
    }
    extras = {
        extra
        for target in installs
        if target.startswith("'.[")
        for extra in target[3:-1].split(",")
    }
    assert {"all", "executorch", "evaluate", "finetune"} <= extras
    assert extras <= project["optional-dependencies"].keys()
    others = {target.partition("==")[0] for target in installs if not target.startswith("'.")}
    assert others == {"torch", "onnxruntime"}  # of ONNX Runtime, the version that an app builds


def test_the_map_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "develop.md").read_text(encoding="utf-8")
    folders = "src|export|runtime|benchmarks|tests|android_demo"
    for path in re.findall(rf"`((?:{folders})/[\w/]+\.py)`", text):
        assert (ROOT / path).is_file(), path
