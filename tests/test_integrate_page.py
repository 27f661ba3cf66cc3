"""The blocks of docs/integrate.md are those that are compiled and run, or are marked as not run."""

import json
import os
import re
import shutil
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from commands import Cli

from squeezebert_mobile import __version__

ROOT = Path(__file__).parents[1]
ANDROID = ROOT / "android_demo"
PAGE = (ROOT / "docs/integrate.md").read_text(encoding="utf-8")
#: A fenced or indented block, with the paragraph before it.
BLOCK = re.compile(
    r"(?P<before>[^\n]*)\n\n(?:```kotlin\n(?P<kotlin>.*?)```\n|(?P<shell>(?: {4}[^\n]*\n)+))",
    re.DOTALL,
)

OPERATORS = "squeezebert-mobile operators assistant -o operators.config"


def _blocks(kind: str) -> list[tuple[str, str]]:
    """The paragraph's last line before each block of a kind, and the block."""
    found = [(m["before"], m[kind]) for m in BLOCK.finditer(PAGE) if m[kind]]
    assert found
    return found


def _words(text: str) -> str:
    return " ".join(text.split())


def test_every_kotlin_block_is_compiled_or_marked() -> None:
    sources = (ANDROID / "consumer/src/test/kotlin/Snippets.kt").read_text(encoding="utf-8")
    blocks = _blocks("kotlin")
    assert len(blocks) == PAGE.count("```kotlin") == 4
    marked = [before for before, block in blocks if _words(block) not in _words(sources)]
    assert len(marked) == 1
    assert marked[0].endswith("Not run:")


def test_every_command_is_run_or_marked() -> None:
    blocks = [(before, _words(block)) for before, block in _blocks("shell")]
    run = {f"{COMPILE} {RUN}", OPERATORS}
    assert {block for _, block in blocks} >= run
    assert all(block in run or "not run" in before for before, block in blocks)


def test_the_operators_are_listed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ANDROID / "app/src/main/assets/artifacts/demo-intents", tmp_path / "assistant")
    monkeypatch.chdir(tmp_path)
    assert cli(*OPERATORS.split()[1:])[0] == 0
    assert "DynamicQuantizeMatMul" in Path(OPERATORS.split()[-1]).read_text(encoding="utf-8")


def test_every_command_in_a_sentence_can_be_parsed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = re.findall(r"`squeezebert-mobile ([^`]+)`", PAGE)
    assert "bench assistant --target adb --threads 1 --threads 2" in commands
    monkeypatch.chdir(tmp_path)  # without the artifact, which is missed when all options are read
    code, _, err = cli(*"bench assistant --threads 1 --threads 2".split())
    assert code == 1 and "no such artifact folder: 'assistant'" in err


def test_the_ids_are_those_of_the_example_in_cpp() -> None:
    source = (ROOT / "docs/integrate/answer.cpp").read_text(encoding="utf-8")
    assert f"//     {COMPILE}\n//     {RUN}\n" in source


def test_the_files_that_it_names_exist() -> None:
    for link in re.findall(r"\]\(([\w./-]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
    for path in re.findall(r"`(android_demo/[\w./-]+)`", PAGE):
        assert (ANDROID.parent / path).exists() or path.endswith("target/library"), path


def _property(name: str) -> str:
    text = (ANDROID / "pom.xml").read_text(encoding="utf-8")
    found = re.search(f"<{re.escape(name)}>(.+)</", text)
    assert found, name
    return found[1]


def test_the_versions_agree() -> None:
    catalog = tomllib.loads((ANDROID / "gradle/libs.versions.toml").read_text(encoding="utf-8"))
    core, runtime = _property("core.version"), catalog["versions"]["onnxruntime"]
    assert core == __version__
    for file in (PAGE, (ANDROID / "consumer/pom.xml").read_text(encoding="utf-8")):
        flat = re.sub(r"</\w+>\s*<\w+>", ":", file)
        assert set(re.findall(r"squeezebertmobile-core[:-](\d[\d.]*\d)", flat)) == {core}
        assert set(re.findall(r"onnxruntime(?:-android)?:(\d[\d.]*\d)", flat)) == {runtime}
    assert f"executorch-android:{catalog['versions']['executorch']}" in PAGE
    pom = (ANDROID / "core/pom.xml").read_text(encoding="utf-8")
    assert f"</artifactId>\n  <version>{core}</version>" in pom
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"squeezebertmobile-core-{core}\n" in makefile
    session = ANDROID / "core/src/main/kotlin/squeezebertmobile/core/OnnxSession.kt"
    oldest = re.search(r'OLDEST_ONNX_RUNTIME = "(.+)"', session.read_text(encoding="utf-8"))
    assert oldest and f"ONNX Runtime from {oldest[1]} on" in PAGE
    assert f"-Donnxruntime.version={oldest[1]}" in makefile


def test_a_consumer_has_no_parent_and_only_the_folder() -> None:
    tree = ET.parse(ANDROID / "consumer/pom.xml").getroot()
    names = {element.tag.rpartition("}")[2] for element in tree}
    assert "parent" not in names
    urls = [each.text for each in tree.iter() if each.tag.endswith("}url")]
    assert urls == ["file://${library}"]


# C++ ----------------------------------------------------------------------------------------

COMPILE = "g++ -std=c++17 answer.cpp -I include -L lib -lonnxruntime -o answer"
RUN = "./answer assistant/model.onnx 2 873 64 3"
HEADER = os.environ.get("ONNXRUNTIME_INCLUDE", "")


@pytest.mark.skipif(not HEADER or not shutil.which("g++"), reason="no ONNXRUNTIME_INCLUDE or g++")
def test_the_cpp_example_gives_the_golden_outputs(tmp_path: Path) -> None:
    capi = Path(pytest.importorskip("onnxruntime").__file__).parent / "capi"
    (library,) = capi.glob("libonnxruntime.so.*")
    (tmp_path / "lib").mkdir()
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (tmp_path / "lib" / name).symlink_to(library)
    (tmp_path / "include").symlink_to(HEADER)
    (tmp_path / "assistant").symlink_to(ANDROID / "app/src/main/assets/artifacts/demo-intents")
    shutil.copy(ROOT / "docs/integrate/answer.cpp", tmp_path)
    command = [*COMPILE.split(), "-Wall", "-Wextra", "-Werror"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    golden = json.loads((tmp_path / "assistant/golden.json").read_bytes())
    texts = [text for text in golden["texts"] if {*text["token_type_ids"][0]} == {0}]
    assert RUN.split()[2:] in [[str(each) for each in text["input_ids"][0]] for text in texts]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path / "lib")}
    for text in texts:
        length = sum(text["attention_mask"][0])
        ids = [str(each) for each in text["input_ids"][0][:length]]
        done = subprocess.run(
            [*RUN.split()[:2], *ids],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        ours = [float(line.split()[1]) for line in done.stdout.splitlines()]
        theirs = text["outputs"]["logits"]["values"]
        assert ours == pytest.approx(theirs, abs=golden["tolerance"]["logits"])
    wrong = subprocess.run(
        ["./answer", "none.onnx", "2"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: ")
