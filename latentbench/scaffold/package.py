"""Writes the package of a new plugin: module, entry point, a test that calls the checks, README, workflow."""

from __future__ import annotations

import keyword
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import jinja2

from latentbench.errors import RequestError
from latentbench.files.writing import write_atomically
from latentbench.plugins import Plugins
from latentbench.text import normalized

__all__ = ["write_package"]

Kind = Literal["model", "metric", "dataset"]
FOLDERS = Path(__file__).parent
SUFFIX = ".jinja"


def write_package(kind: Kind, name: str, folder: Path, plugins: Plugins) -> list[Path]:
    """Write a package that works before it is edited.

    Args:
        kind: what the plugin is.
        name: what it is registered as, and the name of its module, as "my_vae".
        folder: made when it is not there; nothing in it is overwritten.
        plugins: what is there already: the name must be new.

    Returns:
        The files, the module first.

    Raises:
        RequestError: the name is taken or cannot be that of a module, or the folder holds files.
    """
    name = _checked(kind, name, plugins)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"{folder} is there already; give another folder with -o, or remove it")
    words = name.split("_")
    values = {
        "kind": kind,
        "name": name,
        "distribution": name.replace("_", "-"),
        "cls": "".join(word.capitalize() for word in words if word),
        "title": " ".join(word for word in words if word),
    }
    files: dict[Path, str] = {}
    for source in (
        *sorted((FOLDERS / kind).rglob(f"*{SUFFIX}")),
        *sorted((FOLDERS / "common").rglob(f"*{SUFFIX}")),
    ):
        files[folder / _place(source, name)] = _filled(source, values)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    return list(files)


def _checked(kind: Kind, name: str, plugins: Plugins) -> str:
    plain = normalized(name).strip().replace("-", "_")
    if not (plain.isascii() and plain.isidentifier() and plain == plain.lower()) or keyword.iskeyword(plain):
        raise RequestError(f"{kind} names are lower-case words joined by _, as my_{kind}, got {name!r}")
    for known in ("model", "metric", "dataset"):
        if plain in plugins.names(known):
            raise RequestError(f"there is a {known} {plain!r} already; choose another name, as my_{plain}")
    if plain in sys.stdlib_module_names or find_spec(plain) is not None:
        raise RequestError(f"there is a Python module {plain!r} already; choose another name, as my_{plain}")
    return plain


def _place(source: Path, name: str) -> Path:
    """Return where a template goes in the package."""
    place = source.relative_to(FOLDERS)
    parts = [part.replace("dot-", ".").replace("NAME", name) for part in place.parts[1:]]
    return Path(*parts).with_name(parts[-1].removesuffix(SUFFIX))


def _filled(source: Path, values: dict[str, str]) -> str:
    template = jinja2.Template(
        source.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    text: str = template.render(values)
    return text
