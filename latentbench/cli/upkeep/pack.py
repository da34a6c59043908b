"""`latentbench pack`."""

from __future__ import annotations

from pathlib import Path

import click

from latentbench.cli._shared.options import PATH
from latentbench.terminal.output import echo
from latentbench.text import counted

__all__ = ["command"]


@click.command("pack")
@click.argument("run", type=PATH)
@click.option("-o", "--output", type=PATH, metavar="FILE", help="The archive to write; default: RUN.zip.")
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(["models", "codes"]),
    help="Leave these out: tables and scores are still there; may be repeated.",
)
def command(run: str, output: str | None, without: tuple[str, ...]) -> int:
    """Write the run folder RUN into one file that `table`, `map`, `report` and all other readers open.

    It holds the request, all sound trials with their scores, codes and models, and the tables of scores. The same
    run gives the same bytes. Exit status: 0 all is packed, 1 files were damaged and are left out, 2 the run cannot
    be packed.
    """
    from latentbench.upkeep.pack import pack

    packed = pack(Path(run), _archive(run, output), without)
    for sentence in packed.left_out:
        echo(f"warning: {sentence}", err=True)
    size = packed.path.stat().st_size / 1e6
    echo(f"{packed.path}: {counted(packed.trials, 'trial')}, {size:,.1f} MB")
    return 1 if packed.left_out else 0


def _archive(run: str, output: str | None) -> Path:
    """Return where to write; by default beside the run folder."""
    from latentbench.errors import RequestError

    if output:
        return Path(output)
    folder = Path(run)
    name = folder.name if folder.name not in ("", "..") else folder.resolve().name
    if not folder.is_dir():
        raise RequestError(f"{run} is no folder; name the archive to write with -o")
    return folder.with_name(f"{name}.zip") if folder.name == name else folder.resolve().with_name(f"{name}.zip")
