"""Figures as bytes: the same figure gives the same bytes, and the text of others does no harm in them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from latentbench.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["encoded"]


def encoded(figure: Figure, form: str, metadata: Mapping[str, Any], **options: Any) -> bytes:
    """Encode a figure, its texts without control characters, which XML forbids and fonts lack.

    Args:
        figure: what to encode.
        form: png, svg or pdf.
        metadata: written into the file.
        options: others of matplotlib's `savefig`.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_text(printable(text.get_text(), keep="\n"))
    about = {name: printable(value) if isinstance(value, str) else value for name, value in metadata.items()}
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        with _laid_out_without_drawing(figure):
            figure.savefig(out, format=form, metadata=about, **options)
    return out.getvalue()


@contextmanager
def _laid_out_without_drawing(figure: Figure) -> Iterator[None]:
    """Let matplotlib lay a figure out as it saves it; by itself it draws all of it twice, once for the layout."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    draw = figure.draw

    def draw_once(renderer: Any) -> None:
        engine = figure.get_layout_engine()  # another one while it draws the second time
        if isinstance(engine, ConstrainedLayoutEngine):
            engine.execute(figure)
        else:
            draw(renderer)

    vars(figure)["draw"] = draw_once
    try:
        yield
    finally:
        del vars(figure)["draw"]
