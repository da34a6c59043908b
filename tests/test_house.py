"""The shape of the code: layers, circles, names, sizes. DESIGN and docs/architecture.md say why."""

import ast
import statistics
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]
HOST, PLUGINS = ROOT / "latentbench", ROOT / "plugins"
NAMES_WHAT_HOOKS_GET = {"hookspecs", "plugins"}  # for type checkers alone: Benchmark, Trial, Results
MOST_FILES = 24
MOST_LINES = 400
MEDIAN_LINES = 8


def module_of(path):
    folder = PLUGINS if path.is_relative_to(PLUGINS) else ROOT
    return ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_of(path): path for folder in (HOST, PLUGINS) for path in sorted(folder.rglob("*.py"))}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in SOURCES.items()}


def imports_of(module):
    """Every import of this project's modules: at the top, inside functions, and for type checkers alone."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in SOURCES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in SOURCES)


def for_type_checkers_only(module):
    guards = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.If)]
    names = [node for guard in guards for node in guard.body if ast.unparse(guard.test) == "TYPE_CHECKING"]
    return {node.module for node in names if isinstance(node, ast.ImportFrom)}


def layers():
    """Room -> its floor, the ground being 0, as pyproject.toml says."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    rows = tool["importlinter"]["contracts"][0]["layers"]
    parts = [row.replace(":", "|").split("|") for row in reversed(rows)]
    return {room.strip(): floor for floor, rooms in enumerate(parts) for room in rooms}


def room_of(module):
    return module.split(".")[1] if module.count(".") else ""


def host_modules():
    return [module for module in SOURCES if module.startswith("latentbench.")]


def test_every_room_of_the_host_stands_on_a_floor():
    rooms = {room_of(module) for module in host_modules()} - {"__main__"}
    assert rooms == set(layers())


def test_imports_go_down_also_those_for_type_checkers():
    floors = layers()
    upward = []
    for module in host_modules():
        room = room_of(module)
        allowed = for_type_checkers_only(module) if room in NAMES_WHAT_HOOKS_GET else set()
        for name in imports_of(module):
            other = room_of(name)
            checked = name.startswith("latentbench.") and other != room and name not in allowed
            if checked and floors[other] > floors.get(room, len(floors)):
                upward.append((module, name))
    assert upward == []


def circles(edges):
    """Return the groups of modules that import each other in a circle."""
    names = sorted({name for edge in edges for name in edge})
    index = {name: place for place, name in enumerate(names)}
    rows, columns = np.array([[index[a], index[b]] for a, b in edges]).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(len(names), len(names)))
    _, groups = connected_components(graph, connection="strong")
    members = defaultdict(set)
    for name, group in zip(names, groups, strict=True):
        members[group].add(name)
    return [group for group in members.values() if len(group) > 1]


def test_a_circle_would_be_seen():
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [{"a", "b", "c"}]


def test_no_files_import_each_other_in_a_circle():
    edges = []
    for module in SOURCES:
        allowed = for_type_checkers_only(module) if room_of(module) in NAMES_WHAT_HOOKS_GET else set()
        targets = {name for name in imports_of(module) if name in SOURCES and name != module}
        edges += [(module, name) for name in targets - allowed if module != "latentbench" != name]
    assert circles(edges) == []


def test_host_files_import_from_the_file_that_defines():
    borrowed = [module for module in host_modules() if "latentbench" in set(imports_of(module))]
    allowed = {"latentbench.plugins", "latentbench.cli", "latentbench.__main__"}
    assert set(borrowed) <= allowed


def test_plugins_import_public_names_alone():
    public = ("latentbench.latent", "latentbench.testing")
    private = [
        (module, name)
        for module in SOURCES
        if not module.startswith("latentbench.") and module != "latentbench"
        for name in imports_of(module)
        if name.startswith("latentbench.") and not name.startswith(public)
    ]
    assert private == []


def test_no_class_name_stands_twice():
    names = Counter(node.name for tree in TREES.values() for node in tree.body if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("folder", ["latentbench", "plugins", "tests", "benchmarks"])
def test_no_folder_holds_too_many_files(folder):
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    counts = Counter(path.parent for path in files)
    assert {str(path): count for path, count in counts.items() if count > MOST_FILES} == {}


def test_no_file_is_too_long():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in SOURCES.items()}
    assert {module: length for module, length in lengths.items() if length > MOST_LINES} == {}


def lines_of_code(function):
    """Lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_functions_are_short():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, kinds)]
    assert statistics.median(map(lines_of_code, functions)) <= MEDIAN_LINES
