"""Ways in which a file of a run folder gets damaged: each a function of the file and a random generator."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

__all__ = ["DAMAGES", "Damage"]

OTHER_JSON = (
    "[]",
    "{}",
    "null",
    "3",
    '"text"',
    "[[[]]]",
    "[" * 20_000 + "]" * 20_000,
    '{"trial": 1}',
    "[null, 1]",
)
OTHER_VALUES: tuple[Any, ...] = (None, [], {}, "text", -1, 1e308, True, 2**70, "\x1b[31mred", [[1]], {"a": {}}, "")


@dataclass(frozen=True)
class Damage:
    """One way of damage.

    Attributes:
        harm: what is done to the file.
        fits: whether a file of this name can get it.
        made_again: whether `run` must make a trial's file again after it; elsewhere it may refuse with a sentence.
    """

    harm: Callable[[Path, Random], None]
    fits: Callable[[str], bool] = bool
    made_again: bool = True


def _ends(*endings: str) -> Callable[[str], bool]:
    return lambda name: name.endswith(endings)


_is_json, _is_arrays, _is_tensors = _ends(".json"), _ends(".npz"), _ends(".safetensors")
_is_text = _ends(".json", ".jsonl", ".csv", ".txt", ".html")


def _empty(path: Path, _: Random) -> None:
    path.write_bytes(b"")


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


def _other_shape(path: Path, random: Random) -> None:
    path.write_text(random.choice(OTHER_JSON), encoding="utf-8")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a JSON value with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield value, key
        yield from _places(part)


def _change_json(path: Path, random: Random, change: Callable[[Any, Any], None], numbers: bool = False) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    places = [
        (owner, key)
        for owner, key in _places(value)
        if not numbers or (isinstance(owner[key], int | float) and not isinstance(owner[key], bool))
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


def _newer(path: Path, _: Random) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    value["format"] = 99
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


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


def _removed(path: Path, _: Random) -> None:
    path.unlink()


def _folder(path: Path, _: Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("something", encoding="utf-8")


def _link_to(target: str) -> Callable[[Path, Random], None]:
    def link(path: Path, _: Random) -> None:
        path.unlink()
        path.symlink_to(target.format(name=path.name))

    return link


def _fifo(path: Path, _: Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _unreadable(path: Path, _: Random) -> None:
    path.chmod(0)


DAMAGES = {
    "empty": Damage(_empty),
    "cut": Damage(_cut),
    "flipped": Damage(_flip),
    "digit": Damage(_digit, _is_text),
    "garbage": Damage(_garbage),
    "zeros": Damage(_zeros),
    "appended": Damage(_appended),
    "other shape": Damage(_other_shape, _is_json),
    "wrong type": Damage(_wrong_type, _is_json),
    "key gone": Damage(_key_gone, _is_json),
    "nan": Damage(_nan, _is_json),
    "other number": Damage(_other_number, _is_json),
    "newer format": Damage(_newer, _ends("run.json"), made_again=False),
    "arrays": Damage(_arrays_changed, _is_arrays),
    "encrypted": Damage(_encrypted, _is_arrays),
    "no member": Damage(_no_member, _is_arrays),
    "tensors": Damage(_tensors_changed, _is_tensors),
    "huge header": Damage(_huge_header, _is_tensors),
    "deleted": Damage(_removed),
    "folder": Damage(_folder, made_again=False),
    "dangling link": Damage(_link_to("nowhere"), made_again=False),
    "loop of links": Damage(_link_to("{name}"), made_again=False),
    "device": Damage(_link_to("/dev/zero"), made_again=False),
    "fifo": Damage(_fifo, made_again=False),
    "unreadable": Damage(_unreadable, made_again=False),
}
