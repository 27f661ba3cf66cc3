"""The checked-in runner belongs to its sources; `make test-runner` builds it again as well."""

import json
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

import pack_runner
import pytest

from squeezebert_mobile.artifact import Golden, Manifest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def jar() -> zipfile.ZipFile:
    return zipfile.ZipFile(pack_runner.JAR)


def test_it_was_built_from_these_sources(jar: zipfile.ZipFile) -> None:
    recorded = jar.read(pack_runner.SUM_ENTRY).decode().strip()
    assert recorded == pack_runner.sources_sha256(), "run: make runner"


def test_it_holds_what_a_phone_needs_and_no_more(jar: zipfile.ZipFile) -> None:
    names = ["classes.dex", "squeezebertmobile/unicode.txt", "sources.sha256"]
    assert jar.namelist() == names
    dex = jar.read("classes.dex")
    assert dex[:4] == b"dex\n"
    assert b"Lsqueezebertmobile/runner/Main;" in dex
    assert b"Lai/onnxruntime/OrtSession;" in dex
    assert jar.read(names[1]) == pack_runner.TABLES.read_bytes()
    assert pack_runner.JAR.stat().st_size <= pack_runner.MAX_BYTES


def test_it_is_part_of_the_package() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    data = config["tool"]["setuptools"]["package-data"]["squeezebert_mobile.benchmarks.phone"]
    assert pack_runner.JAR.relative_to(ROOT / "benchmarks/phone").as_posix() in data


def test_a_changed_source_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pack_runner.sources_sha256()
    ignored = shutil.ignore_patterns("target")
    copy = shutil.copytree(pack_runner.HERE, tmp_path / "android_demo", ignore=ignored)
    monkeypatch.setattr(pack_runner, "HERE", copy)
    assert pack_runner.sources_sha256() == before
    main = copy / "runner/src/main/kotlin/squeezebertmobile/runner/Main.kt"
    for change in (
        lambda: main.write_text(main.read_text() + "\n"),
        lambda: main.rename(f"{main}2"),
    ):
        change()
        after = pack_runner.sources_sha256()
        assert after != before
        before = after


def test_the_versions_agree() -> None:
    """ONNX Runtime's Java classes in the jar, and what the runner says of them."""
    pom = (pack_runner.HERE / "pom.xml").read_text(encoding="utf-8")
    session = "core/src/main/kotlin/squeezebertmobile/core/OnnxSession.kt"
    kotlin = (pack_runner.HERE / session).read_text(encoding="utf-8")
    told = re.search(r'ONNX_RUNTIME_VERSION = "(.+)"', kotlin)
    assert told and f"<onnxruntime.version>{told[1]}</onnxruntime.version>" in pom


def test_kotlin_knows_every_field_and_every_word() -> None:
    """What Python's manifest gets, and Kotlin's does not, would be refused on a phone."""
    core = pack_runner.HERE / "core/src/main/kotlin/squeezebertmobile/core"
    for record, file in ((Manifest, "Manifest.kt"), (Golden, "Golden.kt")):
        schema = record.model_json_schema()
        fields = {
            name
            for part in (schema, *schema["$defs"].values())
            for name in part.get("properties", ())
        }
        kotlin = (core / file).read_text(encoding="utf-8")
        assert not sorted(name for name in fields if f'"{name}" to ' not in kotlin), file
        values = set(re.findall(r'"enum": (\[.*?\])', json.dumps(schema)))
        words = {word for each in values for word in json.loads(each)}
        assert not sorted(word for word in words if f'"{word}"' not in kotlin), file
