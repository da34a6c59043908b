"""A small finished run to be damaged, and what every verb says of it while it is whole."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from benchmarks.robust.calls import Ended
from benchmarks.robust.client import Desk, Server

__all__ = ["REQUEST", "RUN", "SMALL", "VERBS", "Seen", "World", "look", "quality_rows"]

RUN = ("run", "small.toml", "-o", "run", "--workers", "0")
REQUEST = """
title = "small"
datasets = ["digits"]
models = ["ae", "vae"]
references = ["pca"]
seeds = 2
scores = ["r2", "knn10", "rate", "silhouette"]
budget = {epochs = 2, batch_size = 64, train_limit = 100}
params = {latent_dim = 2}
"""
SMALL = REQUEST.replace('"ae", ', "").replace("seeds = 2", "seeds = 1")  # two trials instead of five
VAE = ("--model", "vae", "--seed", "0")
VERBS: dict[str, tuple[str, ...]] = {
    "run": RUN,
    "table": ("table", "run", "--all"),
    "table csv": ("table", "run", "--format", "csv"),
    "table md": ("table", "run", "--format", "md", "--relative"),
    "table latex": ("table", "run", "--format", "latex"),
    "table html": ("table", "run", "--format", "html", "--ranks"),
    "report": ("report", "run"),
    "doctor": ("doctor", "run"),
    "pack": ("pack", "run", "-o", "run.zip"),
    "merge": ("merge", "run", "-o", "merged"),
    "compare": ("compare", "run:pca", "run:vae", "--all"),
    "compare runs": ("compare", "run", "run"),
    "show": ("show", "run"),
    "traversals": ("show", "run", "--what", "traversals", *VAE),
    "map": ("map", "run", "--method", "pca", *VAE),
    "morph": ("morph", "run", "--from", "1", "--to", "2", *VAE),
    "sample": ("sample", "run", *VAE),
    "edit": ("edit", "run", "-a", "label:1-2", *VAE),
    "tour": ("tour", "run", "--method", "pca", "--clusters", "3", *VAE),
    "transport": ("transport", "run", "--items", "1,2"),
    "transport classes": ("transport", "run", "--classes", "1,2", *VAE),
}
MEASURED = (
    "train_seconds",
    "score_seconds",
    "device",
    "threads",
    "concurrency",
    "group_size",
    "environment",
    "trial",
)


@dataclass(frozen=True)
class Seen:
    """What a call left: how it ended, its numbers, and the digests of the run's files before it."""

    ended: Ended
    written: Mapping[str, str]


def look(folder: Path) -> dict[str, str]:
    """Return the sha256 of what numbers are read from beside the run's truth: tables of figures, and the page."""
    paths = [*folder.glob("run/*/*.csv"), *folder.glob("run/report.html")]
    return {str(path.relative_to(folder)): digest(path) for path in paths if path.is_file()}


def truth(folder: Path) -> dict[str, str]:
    """Return the sha256 of the files of all trials, but for caches of maps and codes."""
    paths = [path for path in folder.glob("run/trials/*/**/*") if path.is_file() and path.parent.name != "maps"]
    return {str(path.relative_to(folder)): digest(path) for path in paths if readable(path)}


def readable(path: Path) -> bool:
    """Whether it is a plain file that may be read."""
    return not path.is_symlink() and bool(path.stat().st_mode & 0o400)


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def quality_rows(folder: Path) -> str:
    """Return all quality scores of scores.csv as text, bit for bit; "" where there is none."""
    path = folder / "run" / "scores.csv"
    if not path.is_file():
        return ""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame = frame[frame["kind"] == "quality"].drop(columns=[*MEASURED], errors="ignore")
    return str(frame.sort_values(["label", "seed", "split", "score"]).to_csv(index=False))


def bad_drawings(folder: Path) -> list[str]:
    """Return the SVG files that no XML reader takes."""
    bad = []
    for path in folder.rglob("*.svg"):
        try:
            ElementTree.parse(path)  # noqa: S314 - written a moment ago by the verb under test
        except (ElementTree.ParseError, OSError):
            bad.append(path.name)
    return bad


class World:
    """The run, made by the command line itself, and the verbs' output on it, each when first needed.

    Args:
        server: whose folder keeps it.
        request: the benchmark, a TOML text.
    """

    def __init__(self, server: Server, request: str = REQUEST) -> None:
        self.request = request
        self._place = server.folder / f"world-{hashlib.sha256(request.encode()).hexdigest()[:8]}"
        self._lock = threading.RLock()
        self._seen: dict[str, Seen] = {}

    @property
    def place(self) -> Path:
        """The folder that holds it, once made."""
        return self._place

    def _make(self, desk: Desk) -> None:
        (desk.folder / "small.toml").write_text(self.request, encoding="utf-8")
        self._well(desk, *RUN)
        self._well(desk, *VERBS["map"])  # so that there is a cached map to damage
        for path in (*desk.folder.glob("run/map/*"), *desk.folder.glob("run/figures/*")):
            path.unlink()
        shutil.copytree(desk.folder, self._place)
        desk.clear()

    def _well(self, desk: Desk, *arguments: str) -> Ended:
        ended = desk.run(*arguments, seconds=300)
        if ended.status or ended.hung:
            raise RuntimeError(f"latentbench {' '.join(arguments)} failed on a whole run: {ended}")
        return ended

    def copy_to(self, desk: Desk) -> None:
        """Copy the whole run to an empty desk; the first desk makes it."""
        with self._lock:
            if not self._place.exists():
                self._make(desk)
        shutil.copytree(self._place, desk.folder, dirs_exist_ok=True)

    def forget(self, verb: str) -> None:
        """Ask again what a verb does on the whole run."""
        self._seen.pop(verb, None)

    def seen(self, verb: str, desk: Desk) -> Seen:
        """Return what a verb does on the whole run; `desk` is free to be used, and empty again afterwards."""
        with self._lock:
            if verb not in self._seen:
                self.copy_to(desk)
                ended = self._well(desk, *VERBS[verb])
                numbers = {"scores": quality_rows(desk.folder)} if verb == "run" else {}
                self._seen[verb] = Seen(ended, {**look(desk.folder), **numbers})
                desk.clear()
            return self._seen[verb]
