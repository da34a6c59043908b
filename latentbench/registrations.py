"""What plugins register, and what may be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

from latentbench.errors import PluginError
from latentbench.source.places import import_failure

__all__ = [
    "KINDS",
    "Kind",
    "PluginInfo",
    "Registration",
    "base_of",
    "conflict",
    "of_latentbench",
    "spoken",
    "wrong_with",
]

OWN = "latentbench"  # the distribution
Kind = Literal["dataset", "model", "metric", "pair_metric", "executor"]
BASES: dict[Kind, str] = {  # by name: listing plugins imports no torch
    "dataset": "latentbench.dataset:Dataset",
    "model": "latentbench.model:Model",
    "metric": "latentbench.metric:Metric",
    "pair_metric": "latentbench.metric:PairMetric",
    "executor": "latentbench.executor:Executor",
}
KINDS: tuple[Kind, ...] = tuple(BASES)


@dataclass
class PluginInfo:
    """One plugin as `latentbench list plugins` shows it.

    Attributes:
        name: "distribution:entry point", or the path of a loose file.
        distribution: the installed distribution, "file", or "session" for classes that this process has handed
            over.
        version: its version, empty for a file.
        editable: installed editable or a loose file: its author is at work on it.
        supplies: names by kind.
        error: why it could not be loaded, empty when it was.
        sha256: of a file and of what it imports beside it.
    """

    name: str
    distribution: str
    version: str = ""
    editable: bool = False
    supplies: dict[str, list[str]] = field(default_factory=dict)
    error: str = ""
    sha256: str = ""

    @property
    def own(self) -> bool:
        """Whether it comes with latentbench: its names are taken."""
        return self.distribution == OWN


@dataclass(frozen=True)
class Registration:
    """A dataset, model, metric, pair metric or executor that a plugin has registered under a name."""

    kind: Kind
    name: str
    target: str | type
    summary: str
    plugin: PluginInfo

    @property
    def owned(self) -> str:
        """Its kind, name and plugin, as sentences call it."""
        return f"{spoken(self.kind)} {self.name!r} of {self.plugin.name}"

    @property
    def of_session(self) -> bool:
        """Whether this process alone can find the class, as it stands in no file."""
        return self.plugin.distribution == "session"

    def load(self) -> type:
        """Import the class.

        Raises:
            PluginError: it cannot be imported or is no class.
        """
        if isinstance(self.target, type):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            cls = getattr(import_module(module), attribute)
        except Exception as error:
            raise PluginError(
                f"{self.owned} cannot be imported from {self.target!r}: {import_failure(error)}"
            ) from error
        if not isinstance(cls, type):
            raise PluginError(f"{self.owned} must be a class, {self.target!r} is not")
        return cls


def spoken(kind: Kind) -> str:
    """Return what sentences call a kind.

    >>> spoken("pair_metric")
    'pair metric'
    """
    return kind.replace("_", " ")


def base_of(kind: Kind) -> type:
    """Return the class that every plugin of this kind inherits from."""
    module, _, name = BASES[kind].partition(":")
    base: type = getattr(import_module(module), name)
    return base


def wrong_with(cls: type, base: type) -> str:
    """Return what keeps a class from being used, or nothing."""
    if not issubclass(cls, base):
        return f"must be a subclass of latentbench.{base.__name__}"
    if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"lacks {', '.join(lacking)}, which every {base.__name__} has"
    if base.__name__ == "Metric" and not hasattr(cls, "scores"):
        return 'declares no scores; add scores = {"name": Score("up")}'
    if base.__name__ == "PairMetric" and not hasattr(cls, "score"):
        return 'declares no score; add score = Score("up")'
    return ""


def of_latentbench(registrations: list[Registration]) -> Registration | None:
    """Return the registration of latentbench's own, which nobody can take the name of."""
    return next((entry for entry in registrations if entry.plugin.own), None)


def conflict(registrations: list[Registration]) -> str:
    """Say who has registered one name, and what becomes of it."""
    own, first = of_latentbench(registrations), registrations[0]
    if own is not None:
        others = " and ".join(entry.plugin.name for entry in registrations if entry is not own)
        return (
            f"{spoken(own.kind)} {own.name!r} of {others} is left out, as latentbench has one of that name; "
            "register it under another"
        )
    owners = " and ".join(f"{entry.plugin.name} {entry.plugin.version}".strip() for entry in registrations)
    return (
        f"{spoken(first.kind)} {first.name!r} is registered by {owners}; "
        f"leave one out with --no-plugin {registrations[-1].plugin.name}"
    )
