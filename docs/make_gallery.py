"""Make the pictures of docs/gallery.md again: `python docs/make_gallery.py [PICTURE ...]`.

Every command of the page is run as printed, in a folder that is kept (`--work`), so that runs are trained once.
The pictures of a command are the links below it: each is the file with that ending that the command writes.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).with_name("gallery.md")
BLOCK = re.compile(r"```sh\n(.*?)```\n(.*?)(?=```sh|\Z)", re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]*\]\((gallery/[^)]+)\)")


class Shown(NamedTuple):
    """One command of the page and the pictures below it, as paths relative to the page; a run has none."""

    words: tuple[str, ...]
    pictures: tuple[str, ...]


def shown(page: str) -> Iterator[Shown]:
    """Yield the commands of the page in order."""
    for block, below in BLOCK.findall(page):
        lines = [shlex.split(line) for line in block.splitlines() if line.startswith("latentbench ")]
        for line in lines[:-1]:
            yield Shown(tuple(line), ())
        yield Shown(tuple(lines[-1]), tuple(PICTURE.findall(below)))


def chosen(commands: Sequence[Shown], names: Sequence[str], work: Path) -> list[Shown]:
    """Return the commands that draw the named pictures (all without names), after the runs that they lack."""
    drawing = [
        command
        for command in commands
        if command.pictures and (not names or {Path(picture).name for picture in command.pictures} & set(names))
    ]
    needed = {word for command in drawing for word in command.words}
    runs = [command for command in commands if not command.pictures]
    folders = [command.words[command.words.index("-o") + 1] for command in runs]
    lacking = [
        command
        for command, folder in zip(runs, folders, strict=True)
        if folder in needed and not (work / folder / "report.html").exists()
    ]
    return [*lacking, *drawing]


def written(folder: Path, pictures: Sequence[str]) -> dict[str, Path]:
    """Return for each picture the file with its ending that a command wrote into `folder`.

    Raises:
        ValueError: there is no such file, or several.
    """
    outputs = {}
    for picture in pictures:
        files = sorted(folder.rglob(f"*{Path(picture).suffix}"))
        if len(files) != 1:
            raise ValueError(f"{picture} should be one file of its ending, got {[file.name for file in files]}")
        outputs[picture] = files[0]
    return outputs


def main() -> None:
    """Run the commands and keep their pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", help="make only these pictures, for example barycenters.png")
    parser.add_argument(
        "--work", type=Path, default=PAGE.parents[1], help="folder that holds results/; default: the repository"
    )
    arguments = parser.parse_args()
    for words, pictures in chosen(
        list(shown(PAGE.read_text(encoding="utf-8"))), arguments.pictures, arguments.work
    ):
        print(shlex.join(words), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", *words, *(["-o", folder] if pictures else [])]
            subprocess.run(command, cwd=arguments.work, check=True)  # noqa: S603 - our own page
            for picture, file in written(Path(folder), pictures).items():
                place = PAGE.parent / picture
                place.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, place)


if __name__ == "__main__":
    main()
