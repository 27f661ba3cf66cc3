"""The base install, without torch, in a separate virtual environment.

Nothing is downloaded: the environment contains a wheel built from this tree, and links to the
installed packages that the wheel requires directly or indirectly.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "export", "runtime", "benchmarks")
SOURCES = (*FOLDERS, "pyproject.toml", "README.md", "LICENSE")


def _wheel(folder: Path) -> Path:
    for name in SOURCES:  # a build in the tree would leave files there
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder), str(folder)]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _needed(requirements: list[str]) -> set[str]:
    """The distributions that these need, directly or indirectly."""
    found: set[str] = set()
    left = [(Requirement(text), "") for text in requirements]
    while left:
        requirement, extra = left.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name not in found:
            found.add(requirement.name)
            theirs = importlib.metadata.requires(requirement.name) or []
            left += [
                (Requirement(text), name) for text in theirs for name in requirement.extras or {""}
            ]
    return found


def _link(name: str, site: Path) -> None:
    for file in importlib.metadata.files(name) or []:
        top = file.parts[0]
        if top not in {"..", "__pycache__"} and not (site / top).exists():
            (site / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the base install."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "build").mkdir()
    wheel = _wheel(folder / "build")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (metadata,) = importlib.metadata.distributions(name="squeezebert-mobile", path=[str(site)])
    for name in _needed(metadata.requires or []):
        _link(name, site)
    return folder / "env" / "bin" / "python"


def _run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-I", "-m", "squeezebert_mobile", *words]
    # Without this, an earlier exported baseline would be found in the user's cache.
    environment = os.environ | {"XDG_CACHE_HOME": str(python.parents[2] / "cache")}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )


def test_it_contains_only_what_it_needs(base: Path) -> None:
    script = (
        "import importlib.util as u; "
        "print([m for m in ('torch', 'onnx', 'transformers', 'psutil') if u.find_spec(m)])"
    )
    done = subprocess.run([str(base), "-I", "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    (package,) = base.parents[1].glob("lib/python*/site-packages/squeezebert_mobile")
    assert (package / "models" / "assets" / "demo" / "model.safetensors").is_file()


def test_it_runs_the_demo(base: Path, assistant: Path, tmp_path: Path) -> None:
    done = _run(base, tmp_path, "run", str(assistant), "wake me at half past six", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["labels"][0]["label"] == "set_alarm"


@pytest.mark.parametrize(
    "words",
    [
        ("verify",),
        ("inspect",),
        pytest.param(("bench", "--baseline", "none", "--preset", "rapid"), marks=pytest.mark.slow),
    ],
)
def test_it_reads_the_demo(
    base: Path, assistant: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    command, *options = words
    done = _run(base, tmp_path, command, str(assistant), *options)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("export", "demo", "-o", "out"),
        ("inspect", "demo"),
        ("verify", "ASSISTANT", "--against", "demo"),
        ("evaluate", "ASSISTANT", "dev.csv"),
        ("finetune", "demo", "dev.csv", "-o", "out", "--task", "fill-mask"),
        ("bench", "ASSISTANT"),
    ],
)
def test_a_missing_extra_is_named(
    base: Path, assistant: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = _run(base, tmp_path, *(str(assistant) if w == "ASSISTANT" else w for w in words))
    others = {"evaluate": ("sklearn", "evaluate"), "finetune": ("torch", "finetune")}
    missing = others.get(words[0], ("torch", "export"))
    expected = "error: {} is not installed; run: pip install 'squeezebert-mobile[{}]'{}\n"
    otherwise = ", or measure without BERT-base: --baseline none" if words[0] == "bench" else ""
    expected = expected.format(*missing, otherwise)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)
    assert list(tmp_path.iterdir()) == []
