"""`latentbench list`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, cast

import click

from latentbench.cli.options import load_plugins, plugin_options
from latentbench.plugins import Kind, Plugins

__all__ = ["command"]


@click.command("list")
@click.argument("what", type=click.Choice(["datasets", "models", "metrics", "plugins"]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugin_options
def command(what: str, as_json: bool, files: tuple[str, ...], blocked: tuple[str, ...]) -> None:
    """List what plugins supply, or the plugins themselves."""
    plugins = load_plugins(files, blocked) if what != "plugins" else Plugins(files, blocked)
    rows = _plugin_rows(plugins) if what == "plugins" else _registration_rows(plugins, cast("Kind", what[:-1]))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    width = max((len(row["name"]) for row in rows), default=0) + 2
    for row in rows:
        click.echo(f"{row['name']:<{width}}{_describe(row, what)}")
    if what == "plugins":
        for sentence in plugins.conflicts():
            click.echo(f"warning: {sentence}")


def _registration_rows(plugins: Plugins, kind: Kind) -> list[dict[str, Any]]:
    return [
        {
            "name": registration.name,
            "summary": registration.summary,
            "plugin": registration.plugin.name,
            "version": registration.plugin.version,
        }
        for registration in plugins.registrations(kind)
    ]


def _plugin_rows(plugins: Plugins) -> list[dict[str, Any]]:
    return [asdict(info) for info in plugins.infos]


def _describe(row: dict[str, Any], what: str) -> str:
    if what != "plugins":
        owner = "" if row["plugin"].startswith("latentbench:") else f"  [{row['plugin']} {row['version']}]"
        return f"{row['summary']}{owner}"
    if row["error"]:
        return f"{row['version']}  FAILED: {row['error']}"
    supplies = "; ".join(f"{kind}s: {', '.join(sorted(names))}" for kind, names in row["supplies"].items())
    return f"{row['version']}{' (editable)' if row['editable'] else ''}  {supplies or 'hooks only'}"
