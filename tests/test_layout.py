"""The wheel contains all packages, versions agree, and dependencies are pinned."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import squeezebert_mobile

ROOT = Path(__file__).parents[1]
FOLDERS = ("export", "runtime", "benchmarks")
#: The demos are only built from a clone; their corpora are not in the wheel.
NOT_IN_THE_WHEEL = {"squeezebert_mobile.training.demos"}
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_folder_is_listed() -> None:
    listed = set(CONFIG["tool"]["setuptools"]["packages"])
    found = {
        ".".join(("squeezebert_mobile", *init.parent.relative_to(ROOT).parts))
        for folder in FOLDERS
        for init in (ROOT / folder).rglob("__init__.py")
    }
    source = ROOT / "src"
    found |= {
        ".".join(init.parent.relative_to(source).parts) for init in source.rglob("__init__.py")
    }
    assert found - NOT_IN_THE_WHEEL == listed


def test_the_changelog_starts_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", changelog, flags=re.MULTILINE)
    assert versions[0] == squeezebert_mobile.__version__


def test_every_dependency_is_pinned() -> None:
    pins = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    }
    project = CONFIG["project"]
    wanted = project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    wanted += CONFIG["dependency-groups"]["test"]
    names = {re.split(r"[\[<>=]", name)[0].lower().replace("_", "-") for name in wanted}
    assert names - {"squeezebert-mobile"} <= pins


def test_constraints_are_names_and_versions() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line


def test_every_make_target_is_phony() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    assert targets == phony


@pytest.mark.parametrize("target", ["schema", "unicode-tables"])
def test_a_failing_make_target_leaves_the_files_that_it_writes(target: str, tmp_path: Path) -> None:
    written = (
        "docs/manifest.schema.json",
        "android_demo/core/src/main/resources/squeezebertmobile/unicode.txt",
        "tests/golden/wordpiece.json",
    )
    for name in written:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("earlier")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho half\nexit 1\n")
    python.chmod(0o755)
    make = ["make", "-f", str(ROOT / "Makefile"), "-o", ".venv/.ready", "BIN=.", target]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode and "half" not in done.stdout + done.stderr, done.stderr
    for name in written:
        assert (tmp_path / name).read_text() == "earlier"
