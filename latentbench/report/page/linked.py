"""What two linked maps on the page are made of: items with thumbnails, and spaces with their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.scatter import MOST_CLASSES
from latentbench.drawing.style import COLORS
from latentbench.execution.maps import JUDGES
from latentbench.explore.map import NAMES
from latentbench.latent.class_names import class_words
from latentbench.latent.maps.pca import pca_map
from latentbench.latent.maps.projection import Map, shown_rows
from latentbench.latent.space import LatentSpace
from latentbench.report.page.map_codes import map_codes
from latentbench.report.page.neighbors import MOST_ITEMS, nearest_items
from latentbench.report.page.packing import packed_numbers, packed_values
from latentbench.report.page.sprites import sprite_sheets

__all__ = ["LinkedMaps", "classes_of"]

Array = NDArray[Any]
SHAPES = ("circle", "square", "triangle", "diamond")  # by turns, as a second cue beside the color


@dataclass
class LinkedMaps:
    """Collects what the page shows of spaces over the same items, each looked at once and then let go.

    Attributes:
        count: items on the page at most, chosen by `shown_rows`.
    """

    count: int
    _items: dict[str, Any] = field(default_factory=dict)
    _spaces: list[dict[str, Any]] = field(default_factory=list)
    _total: int = 0

    def add(
        self,
        name: str,
        space: LatentSpace,
        stored: Sequence[Map] = (),
        scores: Mapping[str, Array | None] | None = None,
        reference: str = "",
        decoder: int | str = "the page holds no decoder of it",
    ) -> None:
        """Add a space with its maps: PCA, and those that are stored with its trial.

        Args:
            name: of the model and its seed.
            space: over the same items as those before; any other is passed over.
            stored: maps of its codes.
            scores: name -> values `(n,)`, one for each item, or None where there are none.
            reference: what kind of reference the model is; "" for one that is compared, which stands first.
            decoder: its number among the decoders in the page, or why there is none.
        """
        rows = shown_rows(len(space), self.count)
        if not self._spaces:
            self._total, self._items = len(space), {"rows": packed_numbers(rows)}
        if len(space) != self._total:
            return
        for part, read in _PARTS.items():
            self._items[part] = self._items.get(part) or read(space, rows)
        codes = space.codes[rows].cpu().numpy()
        values = {score: each[rows] for score, each in (scores or {}).items() if each is not None}
        self._spaces.append(
            {
                "name": name,
                "reference": reference,
                "maps": _placed(codes, rows, stored),
                "neighbors": _neighbors(codes),
                "decoder": decoder,
                **(map_codes(space, rows) if isinstance(decoder, int) else {}),
                "scores": [{"name": score, **packed_values(each)} for score, each in values.items()],
            }
        )

    @property
    def content(self) -> dict[str, Any] | None:
        """Everything, as it stands in the page; None without spaces."""
        spaces = sorted(self._spaces, key=lambda space: bool(space["reference"]))
        return {**self._items, "total": self._total, "spaces": spaces} if spaces else None


def classes_of(space: LatentSpace, rows: Array) -> dict[str, Any] | None:
    """Return the class of each item as a place among the classes, and their names, colors and shapes."""
    if "labels" not in space.supplies:
        return None
    numbers, places = np.unique(space.labels.cpu().numpy()[rows], return_inverse=True)
    colored = len(numbers) <= MOST_CLASSES
    return {
        "names": [class_words(int(number), space.class_names) for number in numbers],
        "colors": [COLORS[place % len(COLORS)] for place in range(len(numbers))] if colored else [],
        "shapes": [SHAPES[place % len(SHAPES)] for place in range(len(numbers))] if colored else [],
        "of": packed_numbers(places),
    }


def _factors(space: LatentSpace, rows: Array) -> list[dict[str, Any]]:
    if "factors" not in space.supplies:
        return []
    values = space.factors.cpu().numpy()[rows].astype(float)
    return [{"name": name, **packed_values(values[:, place])} for place, name in enumerate(space.factor_names)]


def _thumbnails(space: LatentSpace, rows: Array) -> dict[str, Any] | None:
    """Return sheets of images; None where the items are none (bodies in space take too long to draw)."""
    if "inputs" not in space.supplies or space.inputs.ndim != 4 or space.inputs.shape[1] not in (1, 3):
        return None
    return asdict(sprite_sheets(as_pictures(space.inputs[rows])))


def _neighbors(codes: Array) -> dict[str, Any] | None:
    if not 1 < len(codes) <= MOST_ITEMS:
        return None
    nearest = nearest_items(codes)
    return {"each": nearest.shape[1], **packed_numbers(nearest)}


def _placed(codes: Array, rows: Array, stored: Sequence[Map]) -> list[dict[str, Any]]:
    """Return the maps: PCA of all items on the page, and the stored ones, each with what is known of it."""
    places, shares = pca_map(codes)
    trusted = next((_trust(map_) for map_ in stored if map_.method == "pca"), "")
    words = f"{shares.sum():.0%} of the variance"
    first = _map("pca", 0, places, ", ".join(filter(None, [words, trusted])))
    others = [map_ for map_ in stored if map_.method != "pca"]
    return [first, *(_map(map_.method, map_.seed, _spread(map_, rows), _about(map_, rows)) for map_ in others)]


def _map(method: str, seed: int, places: Array, about: str) -> dict[str, Any]:
    x, y = (packed_values(places[:, axis]) for axis in (0, 1))
    return {"method": method, "name": NAMES[method], "seed": seed, "about": about, "x": x, "y": y}


def _spread(map_: Map, rows: Array) -> Array:
    """Return a place for each item on the page; NaN for those that the map does not show."""
    _, its, ours = np.intersect1d(map_.rows, rows, return_indices=True)
    places = np.full((len(rows), 2), np.nan)
    places[ours] = map_.places[its]
    return places


def _about(map_: Map, rows: Array) -> str:
    fewer = f"{len(map_.rows):,} of {len(rows):,} items" if len(map_.rows) < len(rows) else ""
    return ", ".join(filter(None, [_trust(map_), fewer]))


def _trust(map_: Map) -> str:
    return ", ".join(f"{JUDGES[score]} {value:.2f}" for score, value in map_.trust.items())


_PARTS = {
    "classes": classes_of,
    "factors": _factors,
    "thumbnails": _thumbnails,
}  # from the first space that has them
