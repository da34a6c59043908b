"""`latentbench list`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, cast

import click

from latentbench.cli._shared.layout import print_table
from latentbench.cli._shared.options import load_plugins, plugin_options
from latentbench.plugins import KINDS, Kind, Plugins
from latentbench.terminal.output import echo, echo_json

__all__ = ["command"]


@click.command("list")
@click.argument("what", metavar="KIND", type=click.Choice([*(f"{kind}s" for kind in KINDS), "plugins"]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugin_options
def command(what: str, as_json: bool, files: tuple[str, ...], blocked: tuple[str, ...]) -> None:
    """List what plugins supply, or the plugins.

    KIND is datasets, models, metrics, pair_metrics, executors or plugins.
    """
    plugins = load_plugins(files, blocked) if what != "plugins" else Plugins(files, blocked)
    rows = _plugin_rows(plugins) if what == "plugins" else _registration_rows(plugins, cast("Kind", what[:-1]))
    if as_json:
        echo_json(rows)
        return
    if what == "plugins":
        _print_plugins(rows, plugins)
    else:
        print_table([(row["name"], _describe(row)) for row in rows])


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


def _describe(row: dict[str, Any]) -> str:
    owner = "" if row["plugin"].startswith("latentbench:") else f" [{row['plugin']} {row['version']}]"
    return f"{row['summary']}{owner}"


def _print_plugins(rows: Iterable[dict[str, Any]], plugins: Plugins) -> None:
    for row in rows:
        echo(f"{row['name']} {row['version']}{' (editable)' if row['editable'] else ''}")
        supplies = [(f"{kind}s", ", ".join(sorted(names))) for kind, names in row["supplies"].items()]
        failure = [("FAILED:", row["error"])] if row["error"] else []
        print_table(failure or supplies or [("hooks only",)], indent=2)
    for sentence in plugins.conflicts():
        echo(f"warning: {sentence}")
