"""Imports go one way: no folder reaches above its floor, and no folder or file is in a circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "squeezebert_mobile"
#: Where each part of the package lies.
HOMES = {
    PACKAGE: ROOT / "src" / PACKAGE,
    f"{PACKAGE}.export": ROOT / "export",
    f"{PACKAGE}.runtime": ROOT / "runtime",
    f"{PACKAGE}.benchmarks": ROOT / "benchmarks",
}
#: What each folder may import, from the top floor to the ground.
MAY_IMPORT = {
    "cli": {"training", "export", "benchmarks", "evaluation", "models", "runtime", "ground"},
    "training": {"evaluation", "models", "runtime", "ground"},
    "export": {"evaluation", "models", "runtime", "ground"},
    "benchmarks": {"runtime", "ground"},
    "evaluation": {"models", "runtime", "ground"},
    "models": {"runtime", "ground"},
    "runtime": {"ground"},
    "ground": set[str](),
}


def _modules() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, home in HOMES.items():
        for path in home.rglob("*.py"):
            parts = path.relative_to(home).with_suffix("").parts
            found[".".join((name, *parts)).removesuffix(".__init__")] = path
    return found


MODULES = _modules()


def _imports(module: str) -> Iterator[str]:
    """The modules of the package that this one imports, anywhere in it."""
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


def _folder(module: str) -> str:
    """The folder of DESIGN's arrows that a module lies in."""
    part = (module.split(".") + [""])[1]
    return part if part in MAY_IMPORT else "ground"


def test_no_folder_imports_from_above() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        for name in names
        if module != f"{PACKAGE}.__main__"
        and _folder(name) != _folder(module)
        and _folder(name) not in MAY_IMPORT[_folder(module)]
    ]
    assert not wrong, "\n".join(sorted(wrong))


def _circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of the graph, or nothing."""
    done: set[str] = set()
    path: list[str] = []

    def visit(node: str) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        path.append(node)
        for other in sorted(graph[node]):
            if found := visit(other):
                return found
        path.pop()
        done.add(node)
        return []

    for node in sorted(graph):
        if found := visit(node):
            return found
    return []


def test_no_file_is_in_a_circle() -> None:
    assert _circle(IMPORTS) == []


def test_no_folder_is_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module, names in IMPORTS.items():
        for name in names:
            here, there = _home(module), _home(name)
            if here != there:
                graph.setdefault(here, set()).add(there)
                graph.setdefault(there, set())
    assert _circle(graph) == []


def _home(module: str) -> str:
    """The folder a module stands in; of the ground floor, the module itself."""
    path = MODULES[module]
    return module if path.parent == HOMES[PACKAGE] else str(path.parent.relative_to(ROOT))


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


def test_a_circle_is_found() -> None:
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
