"""Figures as bytes: the same figure gives the same bytes, and the text of others does no harm in them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
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
        figure.savefig(out, format=form, metadata=about, **options)
    return out.getvalue()
