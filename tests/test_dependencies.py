"""What is imported is declared in pyproject.toml, and what is declared is used."""

import ast
import functools
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
THROUGH_ANOTHER = {"pyarrow"}  # with it pandas writes scores.parquet
FEATURES = ("dask", "factors", "meshes", "slurm")  # extras of users; the others serve our tests and benchmarks
OF_THE_CALLER = {"pytest"}  # only who runs tests of plugins gets there


def canonical(requirement):
    """The name of a distribution, as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", requirement)[0]).lower()


def imported(tree):
    """Top-level names that a module imports, and whether inside a function only, or for type checkers."""
    inside = {
        id(node)
        for part in ast.walk(tree)
        if isinstance(part, ast.FunctionDef)
        or (isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING")
        for node in ast.walk(part)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [part.value for part in node.args if isinstance(part, ast.Constant)]
        yield from ((name.partition(".")[0], id(node) in inside) for name in names)


@functools.cache
def third_party_imports(folder=ROOT):
    """The distributions that host and plugins import -> whether always inside functions."""
    homes, lazy = packages_distributions(), {}
    files = [*(folder / "latentbench").rglob("*.py"), *(folder / "plugins").rglob("*.py")]
    for path in files:
        for name, inside in imported(ast.parse(path.read_text(encoding="utf-8"))):
            ours = name.startswith("latentbench") or (name in OF_THE_CALLER and inside)
            if name not in sys.stdlib_module_names and not ours:
                (distribution,) = map(canonical, homes.get(name, [name])[:1])
                lazy[distribution] = lazy.get(distribution, True) and inside
    return lazy


CORE = set(map(canonical, PROJECT["dependencies"]))
EXTRA = {canonical(text) for name in FEATURES for text in PROJECT["optional-dependencies"][name]}


def test_every_import_is_declared():
    assert third_party_imports().keys() <= CORE | EXTRA


def test_extras_are_imported_where_they_are_needed_only():
    assert all(third_party_imports()[name] for name in EXTRA)


def test_every_dependency_is_imported():
    assert third_party_imports().keys() | THROUGH_ANOTHER == CORE | EXTRA


@pytest.mark.parametrize("name", FEATURES)
def test_a_missing_extra_says_how_to_install_it(name):
    sources = [
        path.read_text("utf-8") for room in ("latentbench", "plugins") for path in (ROOT / room).rglob("*.py")
    ]
    assert any(f"pip install 'latentbench[{name}]'" in source for source in sources)


def test_the_test_extra_holds_the_extras_of_users():
    tested = set(map(canonical, PROJECT["optional-dependencies"]["test"]))
    assert tested >= EXTRA


def test_an_undeclared_import_is_found(tmp_path):
    (tmp_path / "latentbench").mkdir()
    text = "import numpy.linalg\nfrom sklearn import svm\ndef f():\n    import_module('h5py')\n"
    (tmp_path / "latentbench" / "module.py").write_text(text)
    assert third_party_imports(tmp_path) == {"numpy": False, "scikit-learn": False, "h5py": True}
