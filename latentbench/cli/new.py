"""`latentbench new`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from latentbench.cli._shared.options import PATH, TEXT, load_plugins
from latentbench.terminal.output import echo

__all__ = ["command"]

TRY = {
    "model": "run -d digits -m {name} -m pca -p latent_dim=8 --epochs 30 --seeds 1",
    "metric": "run -d digits -m ae -m pca -p latent_dim=8 -s {name},knn10 --epochs 30 --seeds 1",
    "dataset": "run -d {name} -m ae -m pca -p latent_dim=4 --epochs 30 --seeds 1",
}


@click.command("new")
@click.argument("kind", type=click.Choice(["model", "metric", "dataset"]))
@click.argument("name", type=TEXT)
@click.option("-o", "--output", type=PATH, metavar="FOLDER", help="Folder of the package; default: NAME.")
def command(kind: Literal["model", "metric", "dataset"], name: str, output: str | None) -> None:
    """Write a package with a new model, metric or dataset that works before it is edited.

    NAME is what it will be registered as, lower-case words joined by _, as my_vae. The package holds the module,
    its entry point, a test that calls the checks, a README and a workflow.
    """
    from latentbench.scaffold.package import write_package

    folder = Path(output or name.replace("-", "_"))
    files = write_package(kind, name, folder, load_plugins((), ()))
    module = next(path for path in files if path.suffix == ".py" and path.parent == folder)
    echo(f"{folder} holds {', '.join(str(path.relative_to(folder)) for path in files)}")
    echo("Next:")
    echo(f"  latentbench check {module.stem} --plugin {module}")
    echo(f"  latentbench {TRY[kind].format(name=module.stem)} --plugin {module}")
    echo(f"  pip install -e {folder}   # then without --plugin")
