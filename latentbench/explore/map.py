"""Maps side by side: dots colored by class or by a value, with settings and trust scores below each map."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.encoding import encoded
from latentbench.drawing.panels import figure_bytes
from latentbench.drawing.scatter import MOST_CLASSES, draw_classes, settle_marks
from latentbench.drawing.sheet import SheetFormat
from latentbench.drawing.style import INK, SOFT, settings
from latentbench.errors import UnknownNameError, near_matches
from latentbench.execution.maps import JUDGES
from latentbench.latent.class_names import class_words, is_number
from latentbench.latent.maps.projection import Map
from latentbench.latent.space import LatentSpace
from latentbench.table.number_format import Style, number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NAMES", "Coloring", "choose_coloring", "class_marks", "draw_maps", "map_numbers"]

NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
PANEL = 3.5  # inches, of a map
GAP = 0.12
TOP, LINE = 0.62, 0.19  # inches: title and headings; a line of words
LETTERS = 11  # of the heading, to the inch
BAR = 0.75  # beside the last map, for the scale of a factor
MARK = 16  # characters of a name on a map
DOT_AREA = 6000  # square points, of all dots together
DOTS_PER_INCH = 144


@dataclass(frozen=True)
class Coloring:
    """What the color of a dot means.

    Attributes:
        name: "label", the name of a factor, or empty.
        classes: class numbers `(m,)`; each class has its color and marker.
        values: `(m,)`, from dark to bright (viridis).
        class_names: of class 0, 1, ...; empty where classes have numbers alone.
    """

    name: str = ""
    classes: NDArray[np.int64] | None = None
    values: NDArray[np.float64] | None = None
    class_names: tuple[str, ...] = ()

    @property
    def marks(self) -> dict[int, str]:
        """What is written at the median of each class."""
        numbers = [] if self.classes is None else np.unique(self.classes).tolist()
        return class_marks(numbers, self.class_names)

    @property
    def words(self) -> str:
        """The legend of the colors in a few words."""
        if self.values is not None:
            return f"color: {self.name}"
        if self.classes is None:
            return ""
        many = len(np.unique(self.classes))
        if many > MOST_CLASSES:
            return f"{many} classes, too many for colors"
        return f"{'numbers' if _are_numbers(self.marks) else 'names'}: classes, at their medians"


def choose_coloring(space: LatentSpace, rows: NDArray[np.int64], by: str | None = None) -> Coloring:
    """Return the coloring of the items `rows` by "label" or a factor; default: by label, if the space has labels.

    Raises:
        UnknownNameError: the space has neither a label nor a factor of that name.
    """
    known = [*(["label"] if "labels" in space.supplies else []), *space.factor_names]
    if by is None:
        by = "label" if "label" in known else None
    if by is None:
        return Coloring()
    if by not in known:
        has = f"it has {', '.join(known)}" if known else "it has neither labels nor factors"
        raise UnknownNameError(f"--by: these items have no {by!r}{near_matches(by, known)}; {has}")
    if by == "label":
        return Coloring(by, classes=space.labels.cpu().numpy()[rows], class_names=space.class_names)
    return Coloring(by, values=space.factors.cpu().numpy()[rows, space.factor_names.index(by)])


def draw_maps(
    maps: Sequence[Map],
    coloring: Coloring,
    title: str,
    form: SheetFormat = "png",
    about: Mapping[str, Any] | None = None,
    notes: Mapping[str, str] | None = None,
) -> bytes:
    """Draw maps of the same items side by side.

    Args:
        maps: one or more.
        coloring: the coloring of their items.
        title: the title above the maps.
        form: png, svg or pdf; svg and pdf keep text as text and the dots as a picture.
        about: metadata, written into the file's description.
        notes: one more line below the map of a method.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [[*_trust_lines(layout), *filter(None, [(notes or {}).get(layout.method)])] for layout in maps]
    below = LINE * (max(map(len, lines)) + 0.6)
    wide = len(maps) * (PANEL + GAP) + GAP + (BAR if coloring.values is not None else 0)
    heading = f"{title}: {len(maps[0].rows):,} codes" + (f"; {coloring.words}" if coloring.words else "")
    shown = textwrap.fill(heading, int(wide * LETTERS))
    size = wide, TOP + shown.count("\n") * LINE + PANEL + below
    with settings():
        figure = Figure(figsize=size, dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        for place, (layout, words) in enumerate(zip(maps, lines, strict=True)):
            left = GAP + place * (PANEL + GAP)
            box = left / size[0], below / size[1], PANEL / size[0], PANEL / size[1]
            _draw_panel(figure.add_axes(box), layout, coloring, words)
        figure.text(GAP / size[0], 1 - 0.08 / size[1], shown, va="top", fontsize=10, color=INK)
        if coloring.values is not None:
            _draw_scale(figure, coloring, size, below)
        return _encoded(figure, form, heading, dict(about or {}))


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


def class_marks(numbers: Sequence[int], names: Sequence[str]) -> dict[int, str]:
    """Return the mark of each class on a map: its name, or a bare number where all classes are called by numbers.

    There are none where there are too many classes for colors.
    """
    if len(numbers) > MOST_CLASSES:
        return {}
    words = {number: class_words(number, names, MARK) for number in numbers}
    bare = {number: name.removeprefix("class ") for number, name in words.items()}
    return bare if _are_numbers(bare) else words


def _are_numbers(marks: Mapping[int, str]) -> bool:
    return all(map(is_number, marks.values()))


def _draw_panel(axes: Axes, layout: Map, coloring: Coloring, words: Sequence[str]) -> None:
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.04)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color="#ddd")
    area = min(max(DOT_AREA / len(layout.places), 1.5), 20)
    if coloring.values is None:
        settle_marks(axes, draw_classes(axes, layout.places, coloring.classes, area, coloring.marks))
    else:
        x, y = layout.places.T
        axes.scatter(x, y, s=area, c=coloring.values, cmap="viridis", linewidths=0, rasterized=True)
    axes.set_title(NAMES[layout.method])
    caption = "\n".join(words)
    axes.annotate(
        caption,
        (0, 0),
        (0, -6),
        "axes fraction",
        "offset points",
        va="top",
        fontsize=8,
        color=SOFT,
        linespacing=1.35,
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
    return [*pairs, ", ".join(filter(None, [how, f"{number(layout.seconds, Style(rough=True))} s"]))]


def _draw_scale(figure: Figure, coloring: Coloring, size: tuple[float, float], below: float) -> None:
    """Draw the color scale at the right."""
    left = size[0] - BAR + 0.05
    box = left / size[0], (below + PANEL / 6) / size[1], 0.13 / size[0], PANEL * 2 / 3 / size[1]
    bar = figure.colorbar(figure.axes[0].collections[0], cax=figure.add_axes(box))
    bar.outline.set_visible(False)
    bar.ax.set_title(coloring.name, fontsize=8, loc="left", fontweight="normal")


def _encoded(figure: Figure, form: SheetFormat, title: str, about: Mapping[str, Any]) -> bytes:
    """Encode the figure; the same figure gives the same bytes."""
    described = json.dumps(about, sort_keys=True)
    if form != "png":
        return figure_bytes(figure, form, title, described)
    return encoded(figure, "png", {"Software": None, "Description": described}, dpi=DOTS_PER_INCH)
