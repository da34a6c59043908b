import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_picture_is_that_of_the_layers():
    made = runpy.run_path(str(ROOT / "docs" / "make_architecture.py"))
    assert (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8") == made["picture"]()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:latentbench|plugins|tests)/[\w/.]+)`", PAGE))))
def test_every_file_that_the_page_names_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", ["TrialState", "TrialEvent", "execute_job", "inspect"])
def test_every_name_on_the_page_is_defined(name):
    assert f"`{name}`" in PAGE
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "latentbench").rglob("*.py")]
    assert name in {
        node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
