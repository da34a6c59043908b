"""Maps side by side: dots colored by class or by a value, with settings and trust scores below each map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from latentbench.drawing.drawing import Drawing
from latentbench.execution.maps import JUDGES
from latentbench.explore.coloring import Coloring
from latentbench.explore.map_panels import MapPanel, map_figure
from latentbench.latent.maps.projection import Map
from latentbench.text import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NAMES", "draw_maps", "map_numbers"]

NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


def draw_maps(
    maps: Sequence[Map], coloring: Coloring, name: str, notes: Mapping[str, str] | None = None
) -> Drawing:
    """Draw maps of the same items side by side; SVG and PDF keep text as text and the dots as a picture.

    Args:
        maps: one or more.
        coloring: the coloring of their items.
        name: of the model, for the title.
        notes: one more line below the map of a method.
    """
    panels = [
        MapPanel(
            NAMES[layout.method],
            layout.places,
            [*_trust_lines(layout), *filter(None, [(notes or {}).get(layout.method)])],
        )
        for layout in maps
    ]
    heading = f"{'Maps' if len(maps) > 1 else 'Map'} of {counted(len(maps[0].rows), 'code')}: {name}"
    heading += f"; {coloring.words}" if coloring.words else ""
    return Drawing(map_figure(panels, coloring, heading), map_numbers(maps, coloring), heading)


def map_numbers(maps: Sequence[Map], coloring: Coloring) -> pd.DataFrame:
    """Return the numbers of a figure: one row per item and map, with the value that colors it."""
    import pandas as pd

    shown = coloring.classes if coloring.values is None else coloring.values
    names = coloring.class_names if shown is coloring.classes else ()
    return pd.concat(
        pd.DataFrame(
            {
                "method": layout.method,
                "seed": layout.seed,
                "item": layout.rows,
                "x": layout.places[:, 0],
                "y": layout.places[:, 1],
                **({coloring.name: shown} if shown is not None else {}),
                **({"class_name": [names[number] for number in shown]} if names and shown is not None else {}),
            }
        )
        for layout in maps
    )


def _trust_lines(layout: Map) -> list[str]:
    """Return the trust scores, two per line, and the settings of the map."""
    scores = [f"{JUDGES[name]} {value:.3f}" for name, value in layout.trust.items()]
    pairs = [", ".join(scores[place : place + 2]) for place in range(0, len(scores), 2)]
    made_by = {
        "tsne": "perplexity {perplexity:g}, seed {seed}",
        "umap": "{neighbors} neighbors, minimal distance {spacing:g}, seed {seed}",
    }
    how = made_by[layout.method].format(seed=layout.seed, **layout.settings) if layout.method in made_by else ""
    return [*pairs, ", ".join(filter(None, [how, _made_in(layout.seconds)]))]


def _made_in(seconds: float) -> str:
    """Say how long a map took, all with one decimal, so that they can be compared."""
    return "made in less than 0.1 s" if seconds < 0.1 else f"made in {seconds:.1f} s"
