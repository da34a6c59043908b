"""Options shared by several verbs, and the reading of values on the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from latentbench.cli.output import echo
from latentbench.errors import RequestError
from latentbench.plugins import Plugins

__all__ = [
    "PATH",
    "TEXT",
    "load_plugins",
    "metrics_by_score",
    "plugin_options",
    "read_params",
    "several",
    "split_names",
]

F = TypeVar("F", bound=Callable[..., Any])


class _Text(click.ParamType):  # type: ignore[type-arg]  # older versions of click take none
    """Text that says something: an empty name would stand for the default, or for everything, in silence."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).strip(" ,") or "\0" in str(value):
            self.fail(f"expected a {self.name}, got {value!r}", param, ctx)
        return str(value)


TEXT, PATH = _Text("name"), _Text("path")


def plugin_options(command: F) -> F:
    """Add --plugin and --no-plugin."""
    command = click.option(
        "--no-plugin",
        "blocked",
        multiple=True,
        type=TEXT,
        metavar="NAME",
        help="Do not use this plugin (see `latentbench list plugins`).",
    )(command)
    return click.option(
        "--plugin",
        "files",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help="Load a plugin from a Python file, for this command only.",
    )(command)


def load_plugins(files: tuple[str, ...], blocked: tuple[str, ...]) -> Plugins:
    """Load plugins and warn of those that fail to load or conflict."""
    plugins = Plugins(files, blocked)
    for info in plugins.infos:
        if info.error:
            echo(f"warning: plugin {info.name} {info.version} failed to load: {info.error}", err=True)
    for sentence in plugins.conflicts():
        echo(f"warning: {sentence}", err=True)
    return plugins


def metrics_by_score(plugins: Plugins) -> dict[str, str]:
    """Return the name of the metric that computes each score."""
    return {score: metric for metric in plugins.names("metric") for score in plugins.load("metric", metric).scores}


def read_params(pairs: Iterable[str]) -> dict[str, Any]:
    """Read NAME=VALUE,VALUE,... into the form of a benchmark's `params`.

    >>> read_params(["latent_dim=8,16", "beta_vae.beta=4", "ae.backbone=mlp"])
    {'latent_dim': [8, 16], 'beta_vae.beta': 4, 'ae.backbone': 'mlp'}

    Raises:
        RequestError: a pair lacks "=" or its value, or holds two parameters.
    """
    params: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise RequestError(f"-p takes NAME=VALUE or NAME=VALUE,VALUE,..., got {pair!r}")
        first, *others = text.split(",")
        another = next((part for part in others if "=" in part and "=" not in first), None)
        if another is not None:
            raise RequestError(
                f"-p takes one parameter, got {pair!r}: write -p {name}={first} -p {another.strip()}"
            )
        values = [_read_value(part) for part in (first, *others)]
        params[name.strip()] = values[0] if len(values) == 1 else values
    return params


def several(kind: type[int] | type[float], always: bool = False) -> Callable[..., Any]:
    """Return a click callback that reads "1,2,5": a single number stays a number, several become a list."""

    def read(ctx: click.Context, param: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            numbers = [kind(part) for part in text.split(",")]
        except ValueError:
            words = "whole numbers" if kind is int else "numbers"
            raise click.BadParameter(f"expected {words} separated by commas, got {text!r}", ctx, param) from None
        if not all(map(math.isfinite, numbers)):
            raise click.BadParameter(f"expected finite numbers, got {text!r}", ctx, param)
        return numbers if always or len(numbers) > 1 else numbers[0]

    return read


def split_names(text: str | None) -> tuple[str, ...]:
    """Split a comma-separated list of names.

    >>> split_names("find, walk")
    ('find', 'walk')
    """
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _read_value(text: str) -> Any:
    """Read a number or true/false; anything else is text."""
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
