"""Imports between the folders: layers, no cycles, and limits on the size of folders and files."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "squeezebert_mobile"
#: Package -> its folder.
FOLDER_OF = {
    PACKAGE: ROOT / "src" / PACKAGE,
    f"{PACKAGE}.export": ROOT / "export",
    f"{PACKAGE}.runtime": ROOT / "runtime",
    f"{PACKAGE}.benchmarks": ROOT / "benchmarks",
}
#: Layer -> the layers that it may import, from top to bottom. "ground" is everything else.
MAY_IMPORT = {
    "cli": {"training", "export", "benchmarks", "evaluation", "models", "runtime", "ground"},
    "training": {"export", "evaluation", "models", "runtime", "ground"},
    "export": {"evaluation", "models", "runtime", "ground"},
    "benchmarks": {"runtime", "ground"},
    "evaluation": {"models", "runtime", "ground"},
    "models": {"runtime", "ground"},
    "runtime": {"ground"},
    "ground": set[str](),
}


def _modules() -> dict[str, Path]:
    modules: dict[str, Path] = {}
    for package, folder in FOLDER_OF.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            modules[".".join((package, *parts)).removesuffix(".__init__")] = path
    return modules


MODULES = _modules()


def _imports(module: str) -> Iterator[str]:
    """The modules of this package that `module` imports, at any level of its code."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in MODULES:
                name = name.rpartition(".")[0]
            if name and name != module:
                yield name


IMPORTS = {module: set(_imports(module)) for module in MODULES}


def _layer(module: str) -> str:
    part = (module.split(".") + [""])[1]
    return part if part in MAY_IMPORT else "ground"


def test_layers() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        for name in names
        if module != f"{PACKAGE}.__main__"
        and _layer(name) != _layer(module)
        and _layer(name) not in MAY_IMPORT[_layer(module)]
    ]
    assert not wrong, "\n".join(sorted(wrong))


def test_the_arrows_drawn_in_the_docs_are_these() -> None:
    page = (ROOT / "docs" / "develop.md").read_text(encoding="utf-8")
    drawn: dict[str, set[str]] = {"ground": set()}
    for line in page.split("Imports point one way")[1].splitlines():
        names = [re.sub("─+", "", part).strip() for part in line.split("▶")]
        for above, below in itertools.pairwise(names):
            drawn.setdefault(above, set()).add(below)

    def reached(layer: str) -> set[str]:
        return drawn[layer].union(*map(reached, drawn[layer]))

    assert {layer: reached(layer) for layer in drawn} == MAY_IMPORT


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    """A cycle in the graph, or an empty list."""
    done: set[str] = set()
    path: list[str] = []

    def visit(node: str) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        path.append(node)
        for other in sorted(graph[node]):
            if cycle := visit(other):
                return cycle
        path.pop()
        done.add(node)
        return []

    for node in sorted(graph):
        if cycle := visit(node):
            return cycle
    return []


def test_no_import_cycles_between_modules() -> None:
    assert _cycle(IMPORTS) == []


def test_no_import_cycles_between_folders() -> None:
    graph: dict[str, set[str]] = {}
    for module, names in IMPORTS.items():
        for name in names:
            ours, theirs = _folder(module), _folder(name)
            if ours != theirs:
                graph.setdefault(ours, set()).add(theirs)
                graph.setdefault(theirs, set())
    assert _cycle(graph) == []


def _folder(module: str) -> str:
    """The folder of a module; for a module of the root package, the module itself."""
    path = MODULES[module]
    return module if path.parent == FOLDER_OF[PACKAGE] else str(path.parent.relative_to(ROOT))


FOLDERS = sorted({path.parent for path in MODULES.values()})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_holds_at_most_fifteen_modules(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 15


def test_no_file_is_longer_than_400_lines() -> None:
    long = {
        name: lines
        for name, path in MODULES.items()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_a_cycle_is_found() -> None:
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert _cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
