"""The notebooks in examples/ run, and each shows what it promises."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SHOWS = {
    "latent_space": ("<LatentSpace vae", "image/png"),
    "own_codes": ("* best", "silhouette"),
    "own_model": ("Plain", "spread"),
}


def texts(book):
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            yield output.get("text", "")
            yield from map(str, output.get("data", {}).items())


def kinds_of(book):
    return [{output.output_type for output in cell.get("outputs", ())} for cell in book.cells]


def test_every_notebook_is_tried():
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(SHOWS)


@pytest.mark.parametrize("name", SHOWS)
def test_a_notebook_runs(name):
    spec = importlib.util.spec_from_file_location("renew", EXAMPLES / "renew.py")
    renew = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(renew)
    book = renew.executed(EXAMPLES / f"{name}.ipynb")
    shown = "\n".join(texts(book))
    assert "ok in" in shown
    assert "failed" not in shown
    assert all(part in shown for part in SHOWS[name])
    stored = renew.nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    assert kinds_of(book) == kinds_of(stored), "run python examples/renew.py"
