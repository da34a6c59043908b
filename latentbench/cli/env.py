"""`latentbench env`."""

from __future__ import annotations

import click

from latentbench.cli._shared.layout import print_table
from latentbench.cli._shared.options import load_plugins
from latentbench.terminal.output import echo_json

__all__ = ["command"]


@click.command("env")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Print versions, hardware and plugins, as a run records them."""
    from latentbench.execution.environment import describe_environment

    environment = describe_environment(load_plugins((), ()))
    if as_json:
        echo_json(environment)
        return
    machine = ("python", "system", "processor", "cores", "cuda", "convolutions")
    rows = [(name, environment[name]) for name in machine]
    rows += environment["versions"].items()
    rows += [("plugin", f"{plugin['name']} {plugin['version']}") for plugin in environment["plugins"]]
    print_table(rows)
