"""Which pair scores are asked for, and what identifies them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from latentbench.errors import RequestError, near_matches
from latentbench.files.json_files import short_hash
from latentbench.metric import PairMetric
from latentbench.params import build_params
from latentbench.planning.settings import NamedClass, find_class
from latentbench.plugins import Plugins
from latentbench.similarity.spaces import MOST_TRAINING_ITEMS

__all__ = ["PERMUTATIONS", "PairRequest", "pair_requests"]

PERMUTATIONS = 200


@dataclass(frozen=True)
class PairRequest:
    """A pair score that is asked for.

    Attributes:
        name: it is registered under.
        summary: what it was registered with.
        metric: computes it.
        stem: name of the file that keeps its values: name, version and a hash of what else decides them.
    """

    name: str
    summary: str
    metric: PairMetric = field(compare=False)
    stem: str

    @property
    def better(self) -> str:
        """Direction of the score."""
        return str(self.metric.score.better)

    @property
    def directed(self) -> bool:
        """Whether more or less of it is more alike; else nothing is tested, and no model is like another by it."""
        return self.better in ("up", "down")

    @property
    def best(self) -> float:
        """What two equal spaces score: the better end of its range, which may be infinite; NaN without one."""
        low, high = self.metric.score.range
        return (low if self.better == "down" else high) if self.directed else math.nan


def pair_requests(names: Sequence[str], plugins: Plugins, tiers: Iterable[str] = ("quick",)) -> list[PairRequest]:
    """Return the pair scores of these names, or where none is named all of these tiers.

    Raises:
        RequestError: there is none of that name.
    """
    known = plugins.names("pair_metric")
    for name in names:
        if name not in known and not name.rpartition(":")[0].endswith(".py"):
            raise RequestError(
                f"there is no pair score {name!r}{near_matches(name, known)} (`latentbench list pair_metrics`)"
            )
    found = [find_class(plugins, "pair_metric", name) for name in names or known]
    return [_request(each) for each in found if names or each.cls.tier in set(tiers)]


def _request(found: NamedClass) -> PairRequest:
    params = build_params(found.cls.Params, {}, f"pair metric {found.name!r}")
    identity = found.identity
    source = identity["source"] if identity["keyed_source"] else ""
    decides = [params.model_dump(mode="json"), source, PERMUTATIONS, MOST_TRAINING_ITEMS]
    name = found.registration.name
    stem = f"{name}-v{found.cls.version}-{short_hash(decides, 12)}"
    return PairRequest(name, found.registration.summary, found.cls(params), stem)
