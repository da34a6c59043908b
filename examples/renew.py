"""Run the notebooks in this folder and keep what they show: `python examples/renew.py [NAME...]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat

HERE = Path(__file__).parent
SECONDS = 240  # for a cell


def executed(path: Path) -> nbformat.NotebookNode:
    """Return a notebook as it is after a run in an empty folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    book = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        nbclient.NotebookClient(book, timeout=SECONDS, record_timing=False, resources=place).execute()
    return book


def main() -> None:
    """Run the named notebooks, or all."""
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.ipynb"))
    for name in names:
        path = HERE / f"{name}.ipynb"
        nbformat.write(executed(path), path)
        print(path.name)


if __name__ == "__main__":
    main()
