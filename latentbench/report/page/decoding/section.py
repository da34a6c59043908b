"""The part of the page that decodes: its markup, its scripts and its data, for one data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from latentbench.errors import LatentbenchError
from latentbench.report.page.decoding.content import OpenedModel, item_rows, items_data, model_data
from latentbench.report.page.decoding.exported import exported_decoder
from latentbench.report.page.embedding import page_data
from latentbench.report.page.templates import page_template

__all__ = [
    "SCRIPTS",
    "DecodingContent",
    "DecodingSection",
    "decoding_style",
]

SCRIPTS = (  # in the order in which they are read: each uses those before it
    "products.js",
    "convolution.js",
    "operations.js",
    "decoder.js",
    "mixing.js",
    "panels/frames.js",
    "coarse.js",
    "opening.js",
    "places.js",
    "panels/place_panel.js",
    "panels/choices.js",
    "panels/item_panels.js",
    "panels/map_ways.js",
    "panels/walk_panel.js",
    "draws.js",
    "panels/sample_panel.js",
    "panels/range_panels.js",
    "panels/studio.js",
)
FOLDER = Path(__file__).parent
NEEDED = {
    "decoder": "it has no decoder",
    "inputs": "the run holds no images of its items, which say how to draw what it decodes",
}


@dataclass(frozen=True)
class DecodingSection:
    """The part of one data set; the scripts and `decoding_style` stand once in a page.

    Attributes:
        html: the markup.
        data_id: id of the script element of type application/json that holds the data.
        data: the data, safe inside such an element; "" where no decoder can run.
    """

    html: str
    data_id: str
    data: str


def decoding_style() -> str:
    """Return the style sheet of all these parts."""
    return (FOLDER / "section.css").read_text("utf-8")


class DecodingContent:
    """Collects the models of one data set, one after the other, so that each latent space can be freed.

    Attributes:
        models: those whose decoders can run in the page, as JSON takes them.
        absent: (label, reason) of those whose decoders cannot.
    """

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] = []
        self.absent: list[tuple[str, str]] = []
        self._items: dict[str, Any] = {}
        self._rows: list[int] = []

    def add(self, model: OpenedModel) -> int | str:
        """Add a model; return its number among `models`, or why its decoder is not in the page.

        One without a decoder or without inputs is passed over, any other failure is named in `absent`.
        """
        for needed, reason in NEEDED.items():
            if needed not in model.space.supplies:
                return reason
        try:
            self._rows = self._rows or item_rows(model.space)
            self._items = self._items or items_data(model.space, self._rows)
            decoder = self.decoder(model, model.space.codes[self._rows])
            self.models.append(model_data(model, self._rows, decoder))
        except Exception as error:  # noqa: BLE001 - a stranger's decoder must not cost the page
            self.absent.append((model.label, _reason(error)))
            return f"its decoder is not in the page: {str(error).removesuffix('.')}"
        return len(self.models) - 1

    def decoder(self, model: OpenedModel, codes: Tensor) -> dict[str, Any]:
        """Return how a model decodes `codes` `(m, d)` of items, and others; an error is a reason why not."""
        return exported_decoder(model.space, codes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of the pictures; empty without models."""
        return tuple(self._items.get("shape", ()))

    def section(self, number: int = 0) -> DecodingSection:
        """Return the part of the page in which these models decode.

        Args:
            number: of the data set in the page, which makes ids and the name in the address its own.
        """
        _keep_common_directions(self.models)
        data_id = f"decoding-data-{number}"
        html = page_template(FOLDER / "section.html").render(
            source=data_id,
            key="decode" if number == 0 else f"decode{number + 1}",
            models=self.models,
            items=self._items.get("words", ""),
            absent=self.absent,
        )
        data = page_data({"models": self.models, "items": self._items}) if self.models else ""
        return DecodingSection(html, data_id, data)


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, LatentbenchError) else f"{type(error).__name__}: {error}"
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _keep_common_directions(models: Sequence[dict[str, Any]]) -> None:
    """Leave out classes and factors that not all models have: those found from few items may miss some."""
    for kind in ("classes", "factors"):
        names = [{each["name"] for each in model["directions"][kind]} for model in models]
        common = set.intersection(*names) if names else set()
        for model in models:
            model["directions"][kind] = [each for each in model["directions"][kind] if each["name"] in common]
