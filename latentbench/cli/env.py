"""`latentbench env`."""

from __future__ import annotations

import json

import click

from latentbench.cli.options import load_plugins

__all__ = ["command"]


@click.command("env")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Print versions, hardware and plugins, as a run records them."""
    from latentbench.execution.environment import describe_environment

    found = describe_environment(load_plugins((), ()))
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for name in ("python", "system", "processor", "cores", "cuda", "convolutions"):
        click.echo(f"{name:<14}{found[name]}")
    for name, version in found["versions"].items():
        click.echo(f"{name:<14}{version}")
    for plugin in found["plugins"]:
        click.echo(f"{'plugin':<14}{plugin['name']} {plugin['version']}")
