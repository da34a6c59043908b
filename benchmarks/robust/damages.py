"""Damages to a run folder, and what each verb must make of them; tests and the robustness run draw from here.

`DAMAGES` maps a name, as "trial.json: truncated", to a `Damage`; `Damage.apply(folder)` spoils one file there.
Statuses are those of the command line: `run` is the command that made the folder, typed again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DAMAGES", "Damage"]

Harm = Callable[[Path], None]


@dataclass(frozen=True)
class Damage:
    """One harm to one kind of file.

    Attributes:
        file: which file of the folder, as a glob; the first that matches is spoiled.
        harm: what is done to it.
        run: exit status of the command that made the folder: 0 where it makes the file again, 2 where it refuses.
        table: exit status of `table`; `compare` of the folder with itself likewise.
        told: `table` warns of it; otherwise it is refused, or no table is made from the file.
        opened: exit status of a verb that opens the model (`morph`); None where that depends on the model.
    """

    file: str
    harm: Harm
    run: int = 0
    table: int = 0
    told: bool = False
    opened: int | None = 0

    def apply(self, folder: Path) -> Path:
        """Spoil the file in a run folder; return its path.

        Raises:
            FileNotFoundError: the folder has no such file.
        """
        paths = sorted(folder.glob(self.file))
        if not paths:
            raise FileNotFoundError(f"{folder} has no {self.file}")
        self.harm(paths[0])
        return paths[0]


def truncated(path: Path) -> None:
    """Cut the second half off."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def emptied(path: Path) -> None:
    """Leave no byte."""
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    """Flip one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def overwritten(path: Path) -> None:
    """Put bytes of no format there."""
    path.write_bytes(bytes(range(256)) * 4)


def deleted(path: Path) -> None:
    """Remove it."""
    path.unlink()


def a_folder(path: Path) -> None:
    """Put a folder with a file in its place."""
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x", encoding="utf-8")


def a_loop(path: Path) -> None:
    """Put a link to itself in its place."""
    path.unlink()
    path.symlink_to(path.name)


def a_pipe(path: Path) -> None:
    """Put a pipe that nobody writes to in its place."""
    path.unlink()
    os.mkfifo(path)


def a_device(path: Path) -> None:
    """Put a link to a device that never ends in its place."""
    path.unlink()
    path.symlink_to("/dev/zero")


def unreadable(path: Path) -> None:
    """Take the right to read it; the superuser can read it all the same."""
    path.chmod(0)


def _text(text: str) -> Harm:
    def harm(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return harm


def _json(change: Callable[[Any], object], *, sealed: bool = False) -> Harm:
    """Change the content of a JSON file, by default as an earlier version wrote it: without digest."""

    def harm(path: Path) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not sealed:
            content.pop("digest", None)
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return harm


def _first(content: Any, wanted: type) -> tuple[Any, Any]:
    """Return the place of the first value of a type, depth first: its container and its key."""
    pairs = (
        content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    )
    for key, value in pairs:
        if type(value) is wanted and key != "format":
            return content, key
        place = _first(value, wanted)
        if place[0] is not None:
            return place
    return None, None


def _replaced(wanted: type, value: Any) -> Callable[[Any], None]:
    """Put another value in place of the first of a type."""

    def change(content: Any) -> None:
        container, key = _first(content, wanted)
        container[key] = value

    return change


def _digit(content: Any) -> None:
    """Change a number a little."""
    container, key = _first(content, float)
    container[key] += 0.01


def _drop(content: Any) -> None:
    """Remove the last key."""
    del content[list(content)[-1]]


def _in_a_trial(name: str, value: Any) -> Callable[[Any], None]:
    """Put another value into the first trial of run.json."""

    def change(content: Any) -> None:
        content["trials"][0][name] = value

    return change


ANY_FILE: dict[str, Harm] = {
    "truncated": truncated,
    "emptied": emptied,
    "overwritten": overwritten,
    "a loop": a_loop,
    "a pipe": a_pipe,
    "a device": a_device,
}
JSON_FILE: dict[str, Harm] = {
    "a list": _text("[]"),
    "an empty object": _text("{}"),
    "null": _text("null"),
    "a number": _text("3"),
    "deep": _text("[" * 100_000),
    "NaN": _text('{"format": NaN}'),
    "an endless number": _text('{"format": 1e999}'),
    "digits without end": _text('{"format": ' + "9" * 5000 + "}"),
    "keys twice": _text('{"format": 2, "format": 2}'),
    "a digit changed": _json(_digit, sealed=True),
    "a key less": _json(_drop),
    "text for a float": _json(_replaced(float, "x")),
    "a list for a table": _json(_replaced(dict, [])),
    "a huge whole number": _json(_replaced(int, 10**400)),
}
NEWER = _json(lambda content: content.update(format=3), sealed=True)
RUN, ENVIRONMENT, TRIAL = "run.json", "environment.json", "trials/*/trial.json"
SCORES, ITEMS = "trials/*/scores/[!.]*-*[0-9a-f].json", "trials/*/scores/*.items.npz"
MODEL, CODES = "trials/*/model.safetensors", "trials/*/codes.npz"


REQUEST_FILE = {
    **ANY_FILE,
    **JSON_FILE,
    "text for a float": _json(_in_a_trial("budget", {"learning_rate": "x"})),
    "a huge whole number": _json(_in_a_trial("seed", 10**400)),
}


def _damages() -> dict[str, Damage]:
    named = {f"{RUN}: {name}": Damage(RUN, harm, table=2, opened=2) for name, harm in REQUEST_FILE.items()}
    named[f"{RUN}: deleted"] = Damage(RUN, deleted, table=2, opened=2)
    for name, harm in {"a folder": a_folder, "newer": NEWER}.items():
        named[f"{RUN}: {name}"] = Damage(RUN, harm, run=2, table=2, opened=2)
    for name, harm in (ANY_FILE | JSON_FILE).items():
        named[f"trial.json: {name}"] = Damage(TRIAL, harm, told=True, opened=None)
        named[f"scores: {name}"] = Damage(SCORES, harm, told=True)
        if name not in ("a digit changed", "text for a float"):  # it holds no float
            named[f"{ENVIRONMENT}: {name}"] = Damage(ENVIRONMENT, harm)
    for file, short in ((TRIAL, "trial.json"), (SCORES, "scores")):
        named[f"{short}: newer"] = Damage(file, NEWER, run=2, table=2, opened=2 if file == TRIAL else None)
        named[f"{short}: deleted"] = Damage(file, deleted, told=True, opened=None)
        named[f"{short}: a folder"] = Damage(file, a_folder, told=True, opened=None)
    binary = ANY_FILE | {"flipped": flipped, "deleted": deleted, "a folder": a_folder}
    for name, harm in binary.items():
        named[f"items: {name}"] = Damage(ITEMS, harm, told=True)
        named[f"model: {name}"] = Damage(MODEL, harm, opened=2)
        named[f"codes: {name}"] = Damage(CODES, harm, opened=None)
    named["scores folder: a file"] = Damage("trials/*/scores", _as_file, told=True, opened=None)
    named["trial: a file"] = Damage("trials/[0-9a-f]*", _as_file, told=True, opened=None)
    for export in ("scores.csv", "scores.parquet"):
        named |= {f"{export}: {name}": Damage(export, harm) for name, harm in ANY_FILE.items()}
        named[f"{export}: a folder"] = Damage(export, a_folder, run=2)
    return named


def _as_file(path: Path) -> None:
    """Put a file in place of a folder."""
    shutil.rmtree(path)
    path.write_text("x", encoding="utf-8")


DAMAGES: dict[str, Damage] = _damages()
