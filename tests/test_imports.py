import ast
import subprocess
import sys
from pathlib import Path

import pytest

import latentbench

HEAVY = {"torch", "torchvision", "numpy", "pandas", "sklearn", "scipy", "matplotlib", "bokeh", "umap", "ot"}


def modules_after(code):
    script = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_check_sees_a_heavy_import():
    assert modules_after("import numpy") >= {"numpy"}


@pytest.mark.parametrize(
    "code",
    [
        "import latentbench",
        "from latentbench import hookimpl, LatentbenchError, DataError, Params, cache_dir",
        "from latentbench.plugins import Plugins; assert Plugins().names('dataset'), 'no built-ins'",
    ],
    ids=["package", "light names", "discovery"],
)
def test_nothing_heavy_is_imported(code):
    assert modules_after(code) & HEAVY == set()


@pytest.mark.parametrize("name", latentbench.__all__)
def test_every_public_name_resolves(name):
    assert getattr(latentbench, name) is not None
    assert name in dir(latentbench)


def test_public_names_are_sorted_and_unique():
    names = latentbench.__all__[1:]
    assert names == sorted(set(names))


def test_type_checkers_see_the_names_that_resolve():
    tree = ast.parse(Path(latentbench.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {
        alias.asname: node.module.removeprefix("latentbench.")
        for node in imports
        if node.module.startswith("latentbench.")
        for alias in node.names
    }
    assert seen == latentbench._HOMES


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'latentbench' has no attribute 'nonsense'"):
        _ = latentbench.nonsense
