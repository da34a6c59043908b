"""Options shared by several verbs, and the reading of values on the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from latentbench.errors import LatentbenchError, RequestError
from latentbench.files.lookup import existing
from latentbench.params import TypedText
from latentbench.planning.score_owners import ScoreOwners
from latentbench.plugins import Plugins
from latentbench.source.trust import trust
from latentbench.terminal.output import echo
from latentbench.text import normalized

__all__ = [
    "NAME_OR_PATH",
    "PATH",
    "SETTING",
    "TEXT",
    "load_plugins",
    "max_items_option",
    "metrics_by_score",
    "plugin_options",
    "read_params",
    "several",
    "split_names",
    "timeout_option",
]

F = TypeVar("F", bound=Callable[..., Any])


class _Text(click.ParamType):  # type: ignore[type-arg]  # older versions of click take none
    """Text that says something: an empty name would stand for the default, or for everything, in silence.

    Args:
        name: what it is.
        read: what becomes of it.
    """

    def __init__(self, name: str, read: Callable[[str], str]) -> None:
        self.name, self.read = name, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is meant, or refuse it."""
        if not str(value).strip(" ,") or "\0" in str(value):
            self.fail(f"expected a {self.name}, got {value!r}", param, ctx)
        return self.read(str(value))


def _path(text: str) -> str:
    place = Path(text)
    there = existing(place)
    return text if there == place else str(there)


TEXT, PATH = _Text("name", normalized), _Text("path", _path)
NAME_OR_PATH, SETTING = _Text("name or path", str), _Text("parameter", str)


def max_items_option(command: F) -> F:
    """Add --max-items."""
    return click.option(
        "--max-items",
        type=click.IntRange(0),
        metavar="N",
        help="Test items that a metric uses at most, 0 for all; default: as it declares.",
    )(command)


def timeout_option(command: F) -> F:
    """Add --timeout."""
    help_text = "Stop a trial after this many seconds."
    return click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help=help_text)(command)


def plugin_options(command: F) -> F:
    """Add --plugin, --no-plugin and --trust."""
    command = click.option(
        "--trust",
        type=PATH,
        multiple=True,
        metavar="FILE",
        expose_value=False,
        callback=_trust,
        help="Allow code that a run folder names, now and until this file changes.",
    )(command)
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


def _trust(ctx: click.Context, param: click.Parameter, files: tuple[str, ...]) -> None:  # noqa: ARG001 - click's
    trust(*files)


def load_plugins(files: tuple[str, ...], blocked: tuple[str, ...], run: str = "") -> Plugins:
    """Load plugins, those too that the run folder `run` remembers; warn of those that fail or conflict."""
    plugins = Plugins(files, blocked, remembered_files(Path(run)) if run else ())
    for info in plugins.infos:
        if info.error and info.name not in plugins.forgone:
            echo(f"warning: plugin {info.name} {info.version} failed to load: {info.error}", err=True)
    for sentence in plugins.conflicts():
        echo(f"warning: {sentence}", err=True)
    return plugins


def remembered_files(run: Path) -> tuple[str, ...]:
    """Return the plugin files that a run was made with; none where its run.json cannot be read, as others tell."""
    from latentbench.files.run_files import read_request
    from latentbench.packed.opening import unpacked

    with suppress(LatentbenchError, OSError):
        return tuple(map(str, read_request(unpacked(run))["plugin_files"]))
    return ()


def metrics_by_score(plugins: Plugins) -> dict[str, str]:
    """Return the name of the metric that computes each score."""
    return dict(ScoreOwners.among(plugins).by_score)


def read_params(pairs: Iterable[str], option: str = "-p") -> dict[str, Any]:
    """Read NAME=VALUE,VALUE,... into the form of a benchmark's `params`: text, to be read by the parameter's type.

    >>> read_params(["latent_dim=8,16", "beta_vae.beta=4", "ae.backbone=mlp"])
    {'latent_dim': ['8', '16'], 'beta_vae.beta': '4', 'ae.backbone': 'mlp'}

    Raises:
        RequestError: a pair lacks "=" or its value, or holds two parameters.
    """
    params: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise RequestError(f"{option} takes NAME=VALUE or NAME=VALUE,VALUE,..., got {pair!r}")
        first, *others = text.split(",")
        another = next((part for part in others if "=" in part and "=" not in first), None)
        if another is not None:
            raise RequestError(
                f"{option} takes one parameter, got {pair!r}: write {option} {name}={first} "
                f"{option} {another.strip()}"
            )
        values = [TypedText(part.strip()) for part in (first, *others)]
        params[normalized(name.strip())] = values[0] if len(values) == 1 else values
    return params


def read_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Read KEY=VALUE of an executor: text, to be read by the parameter's type.

    >>> read_options(["partition=gpu", "jobs=8"])
    {'partition': 'gpu', 'jobs': '8'}

    Raises:
        RequestError: a pair lacks "=", or its key, or a key stands twice.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            raise RequestError(f"--executor-options takes KEY=VALUE, got {pair!r}")
        if name in options:
            raise RequestError(
                f"--executor-options {name} is given twice, {options[name]!r} and {text!r}; leave one out"
            )
        options[name] = TypedText(text)
    return options


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
