"""A lock file of metric versions: code may not change while its version stays.

`python -m latentbench.testing.versions FILE PLUGIN` renews FILE for all metrics of one plugin, as in `python -m
latentbench.testing.versions tests/metrics/versions.json latentbench:latentbench-metrics`. It refuses a metric
whose code changed and whose version did not, unless `--same NAME` states that its author has made sure that all
numbers stay the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from latentbench.metric import Metric, PairMetric
from latentbench.plugins import Kind, Plugins
from latentbench.testing.sources import code_digest

__all__ = ["entries", "forgotten", "metrics_of", "stale"]

Entries = Mapping[str, Mapping[str, int | str]]
AnyMetric = type[Metric] | type[PairMetric]
KINDS: tuple[Kind, ...] = ("metric", "pair_metric")


def entries(metrics: Mapping[str, AnyMetric]) -> dict[str, dict[str, int | str]]:
    """Return the version and the digest of the code of each metric, by name."""
    return {name: {"version": cls.version, "code": code_digest(cls)} for name, cls in sorted(metrics.items())}


def forgotten(locked: Entries, now: Entries) -> list[str]:
    """Name the metrics whose code changed while their version stayed."""
    both = [name for name in now if name in locked and now[name]["version"] == locked[name]["version"]]
    return [name for name in both if now[name]["code"] != locked[name]["code"]]


def stale(locked: Entries, now: Entries) -> list[str]:
    """Name the metrics that are new, gone, or have a version other than the locked one."""
    there = {name for name in now if name not in locked or now[name]["version"] != locked[name]["version"]}
    return sorted(there | (locked.keys() - now.keys()))


def metrics_of(plugin: str) -> dict[str, AnyMetric]:
    """Return the metrics that one plugin supplies by name, and its pair metrics as "pair_metric:NAME".

    Raises:
        KeyError: it supplies none.
    """
    plugins = Plugins()
    entries_of = [entry for kind in KINDS for entry in plugins.registrations(kind) if entry.plugin.name == plugin]
    metrics = {
        entry.name if entry.kind == "metric" else f"{entry.kind}:{entry.name}": plugins.load(
            entry.kind, entry.name
        )
        for entry in entries_of
    }
    if not metrics:
        raise KeyError(f"no plugin {plugin!r} supplies metrics; `latentbench list plugins` shows all")
    return metrics


def main(file: str, plugin: str, same: Collection[str]) -> None:
    """Renew the lock file."""
    path = Path(file)
    locked = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    now = entries(metrics_of(plugin))
    wrong = [name for name in forgotten(locked, now) if name not in same]
    if wrong:
        sys.exit(f"raise the version of {', '.join(wrong)}, or say --same NAME where no number can have changed")
    path.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    place, of, *names = [argument for argument in sys.argv[1:] if argument != "--same"]
    main(place, of, names)
