"""All damages of the matrix: the fixed ones of `damages.py`, and those with a place or a value that is drawn."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.robust.damages import ANY_FILE, DAMAGES, JSON_FILE, NEWER, Harm, a_folder, deleted, unreadable

__all__ = ["HARMS", "DrawnDamage"]

OTHER_VALUES: tuple[Any, ...] = (None, [], {}, "text", -1, 1e308, True, 2**70, "\x1b[31mred", [[1]], {"a": {}}, "")


NEED_FLOAT = frozenset({"a digit changed", "text for a float"})


def _ends(*endings: str) -> Callable[[str], bool]:
    return lambda name: name.endswith(endings)


_is_json, _is_arrays, _is_tensors = _ends(".json"), _ends(".npz"), _ends(".safetensors")
_is_text = _ends(".json", ".jsonl", ".csv", ".txt", ".html")


def _is_file(kind: str) -> bool:
    return not kind.endswith(" folder")


def _holds_float(kind: str) -> bool:
    return kind in {"run.json", "trial.json", "scores.json"}


@dataclass(frozen=True)
class DrawnDamage:
    """One way of damage.

    Attributes:
        harm: what is done to the file.
        fits: whether a kind of file can get it, by its name.
        made_again: whether `run` must make a trial's file again after it; elsewhere it may refuse with a sentence.
    """

    harm: Callable[[Path, Random], None]
    fits: Callable[[str], bool] = _is_file
    made_again: bool = True


def _cut(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.choice([1, len(content) // 4, len(content) // 2, len(content) - 1])])


def _flip(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def _digit(path: Path, random: Random) -> None:
    """Change one digit into another."""
    text = path.read_text(encoding="utf-8")
    places = [place for place, letter in enumerate(text) if letter in "0123456789"]
    if places:
        place = random.choice(places)
        other = random.choice([digit for digit in "123456789" if digit != text[place]])
        path.write_text(text[:place] + other + text[place + 1 :], encoding="utf-8")


def _garbage(path: Path, random: Random) -> None:
    path.write_bytes(random.randbytes(max(1, path.stat().st_size)))


def _zeros(path: Path, _: Random) -> None:
    path.write_bytes(bytes(max(1, path.stat().st_size)))


def _appended(path: Path, random: Random) -> None:
    path.write_bytes(path.read_bytes() + random.randbytes(40))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a JSON value with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield value, key
        yield from _places(part)


def _change_json(path: Path, random: Random, change: Callable[[Any, Any], None], numbers: bool = False) -> None:
    """Change one place, or one number; not the format, of which another number is no damage ("newer")."""
    value = json.loads(path.read_text(encoding="utf-8"))
    places = [
        (owner, key)
        for owner, key in _places(value)
        if key != "format"
        and (not numbers or (isinstance(owner[key], int | float) and not isinstance(owner[key], bool)))
    ]
    if places:
        change(*random.choice(places))
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _wrong_type(path: Path, random: Random) -> None:
    other = random.choice(OTHER_VALUES)
    _change_json(path, random, lambda owner, key: owner.__setitem__(key, other))


def _key_gone(path: Path, random: Random) -> None:
    _change_json(path, random, lambda owner, key: owner.__delitem__(key))


def _nan(path: Path, random: Random) -> None:
    other = random.choice([float("nan"), float("inf"), -float("inf")])
    _change_json(path, random, lambda owner, key: owner.__setitem__(key, other), numbers=True)


def _other_number(path: Path, random: Random) -> None:
    change = random.choice([1, 0.125, -3, 10.0])
    _change_json(path, random, lambda owner, key: owner.__setitem__(key, owner[key] + change), numbers=True)


def _arrays_changed(path: Path, random: Random) -> None:
    """Other arrays in a sound archive: another number, fewer rows, NaN, another type, another name, an object."""
    with np.load(path) as file:
        arrays = dict(file)
    name = random.choice(sorted(arrays))
    values = np.array(arrays.pop(name))
    kind = random.choice(["number", "rows", "nan", "type", "name", "pickle"])
    floats = values.astype(float).reshape(-1) if values.dtype.kind in "iuf" else np.zeros(1)
    ways: dict[str, Callable[[], Any]] = {
        "number": lambda: (floats + (np.arange(len(floats)) == 0)).reshape(values.shape or (1,)),
        "rows": lambda: values[:-1] if values.ndim else values,
        "nan": lambda: np.full(values.shape, np.nan),
        "type": lambda: values.astype(str),
        "name": lambda: values,
        "pickle": lambda: np.array([{"a": 1}], dtype=object),
    }
    changed = ways[kind]()
    with path.open("wb") as file:
        np.savez(file, **arrays, **{f"{name}x" if kind == "name" else name: changed})


def _encrypted(path: Path, _: Random) -> None:
    """Set the flag that says that members of the archive are encrypted."""
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(mark, start + 4)
    path.write_bytes(content)


def _no_member(path: Path, _: Random) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("codes.npy", b"no array")


def _tensors_changed(path: Path, random: Random) -> None:
    """Other tensors in a sound file: another number, another shape, another name."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(path)
    name = random.choice(sorted(tensors))
    values = tensors.pop(name)
    kind = random.choice(["number", "shape", "name", "nan"])
    changed = {
        "number": lambda: (values + 1).astype(values.dtype),
        "shape": lambda: values.reshape(-1)[:1].copy(),
        "name": lambda: values,
        "nan": lambda: (values * np.nan).astype(values.dtype),
    }[kind]()
    save_file({**tensors, f"{name}x" if kind == "name" else name: changed}, path)


def _huge_header(path: Path, _: Random) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + path.read_bytes()[8:])


def _dangling(path: Path, _: Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _fixed(harm: Harm, *, made_again: bool = True, fits: Callable[[str], bool] = _is_file) -> DrawnDamage:
    """Return a damage that draws nothing."""
    return DrawnDamage(lambda path, _: harm(path), fits, made_again)


def _all() -> dict[str, DrawnDamage]:
    special = {"a loop", "a pipe", "a device"}  # what is no file need not be replaced
    fixed = {name: _fixed(harm, made_again=name not in special) for name, harm in ANY_FILE.items()}
    fits = {name: _holds_float if name in NEED_FLOAT else _is_json for name in JSON_FILE}
    of_json = {name: _fixed(harm, fits=fits[name]) for name, harm in JSON_FILE.items()}
    return {
        **fixed,
        **of_json,
        "deleted": _fixed(deleted),
        "a folder": _fixed(a_folder, made_again=False),
        "unreadable": _fixed(unreadable, made_again=False),
        "newer": _fixed(NEWER, made_again=False, fits=_ends("run.json", "trial.json", "scores.json")),
        "a file": _fixed(DAMAGES["trial: a file"].harm, fits=_ends(" folder")),
        **DRAWN,
    }


DRAWN = {
    "cut": DrawnDamage(_cut),
    "flipped": DrawnDamage(_flip),
    "digit": DrawnDamage(_digit, _is_text),
    "garbage": DrawnDamage(_garbage),
    "zeros": DrawnDamage(_zeros),
    "appended": DrawnDamage(_appended),
    "wrong type": DrawnDamage(_wrong_type, _is_json),
    "key gone": DrawnDamage(_key_gone, _is_json),
    "nan": DrawnDamage(_nan, _is_json),
    "other number": DrawnDamage(_other_number, _is_json),
    "arrays": DrawnDamage(_arrays_changed, _is_arrays),
    "encrypted": DrawnDamage(_encrypted, _is_arrays),
    "no member": DrawnDamage(_no_member, _is_arrays),
    "tensors": DrawnDamage(_tensors_changed, _is_tensors),
    "huge header": DrawnDamage(_huge_header, _is_tensors),
    "dangling link": DrawnDamage(_dangling, made_again=False),
}
HARMS = _all()
