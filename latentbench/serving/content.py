"""What a served page holds of one data set: decoders that torch computes, and a place for the user's own image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from latentbench.errors import ContractError, NotApplicableError
from latentbench.report.page.decoding.content import OpenedModel, UsualCodes
from latentbench.report.page.decoding.section import DecodingContent, DecodingSection
from latentbench.report.page.embedding import page_data
from latentbench.report.page.linked import classes_of
from latentbench.report.page.packing import packed_values
from latentbench.report.page.templates import page_template
from latentbench.serving.images import KINDS
from latentbench.serving.models import ServedModel, ServedModels

__all__ = ["FOLDER", "ServedDecoding"]

FOLDER = Path(__file__).parent


class ServedDecoding(DecodingContent):
    """Collects the models of one data set, and keeps those that the server is asked for.

    A model whose decoder can run in the page decodes there; torch decodes for any other.
    """

    def __init__(self, served: ServedModels, *, closed: bool = False) -> None:
        super().__init__()
        self.served = served
        self.closed = closed
        self._encoding: list[dict[str, Any]] = []
        self._silent: list[tuple[str, str]] = []
        self._numbers: dict[tuple[str, str], int | str] = {}  # (label, note) -> what `add` returned
        self._number = -1  # of the model that is being added
        self._classes: dict[str, Any] | None = None

    @classmethod
    def of(cls, served: ServedModels, models: Sequence[OpenedModel]) -> ServedDecoding:
        """Return one that holds these models and takes no others."""
        content = cls(served)
        for model in models:
            content.add(model)
        content.closed = True
        return content

    def add(self, model: OpenedModel) -> int | str:
        """Add a model, as its base does; what it cannot do is listed with the reason."""
        about = model.label, model.note
        if not self.closed:
            self._numbers[about] = self._added(model)
        return self._numbers.get(about, "the server was told to open another model alone")

    def _added(self, model: OpenedModel) -> int | str:
        if "inputs" not in model.space.supplies:
            return self._left_out(model, "it has codes alone, without the items that they are of")
        try:
            asked = ServedModel.of(model.label, model.space)
        except NotApplicableError as error:
            return self._left_out(model, str(error))
        self._number = self.served.add(asked)
        self._add_encoder(model, asked)
        if "decoder" not in model.space.supplies:
            return self._left_out(model, "it has no decoder")
        place = super().add(model)
        if isinstance(place, int) and not asked.refusal:
            self.models[place]["encoder"] = self._number
        return place

    def _left_out(self, model: OpenedModel, reason: str) -> str:
        self.absent.append((model.label, f"{reason[:1].upper()}{reason[1:]}."))
        return reason

    def decoder(self, model: OpenedModel, codes: Tensor) -> dict[str, Any]:
        """Return a decoder for the page, or where that cannot be the number of the model that the server asks."""
        try:
            return super().decoder(model, codes)
        except Exception:  # noqa: BLE001 - whatever the page cannot compute, torch can
            self._check_decoder(codes)
            return {"program": {"dim": model.space.dim}, "products": None, "served": self._number}

    def _check_decoder(self, codes: Tensor) -> None:
        """Decode once: what fails now fails later, too."""
        asked = self.served.models[self._number]
        if not asked.decodes:
            raise NotApplicableError("it has reconstructions alone, and no decoder")
        made = asked.pictures(codes[:1].cpu().numpy())
        if made.shape[1:] != self.shape:
            shapes = made.shape[1:], self.shape
            raise ContractError(f"it decodes pictures of shape {shapes[0]}, its items have {shapes[1]}")

    def _add_encoder(self, model: OpenedModel, asked: ServedModel) -> None:
        if asked.refusal:
            self._silent.append((model.label, asked.refusal))
            return
        self._classes = self._classes or classes_of(model.space, asked.map_rows)
        x, y = (packed_values(asked.places[:, axis]) for axis in (0, 1))
        about = {"label": model.label, "served": self._number, "x": x, "y": y}
        self._encoding.append({**about, **UsualCodes.of(model.space.codes).data})

    def section(self, number: int = 0) -> DecodingSection:
        """Return the part in which these models decode, and below it that in which they encode."""
        decoding = super().section(number)
        data = page_data({"models": self._encoding, "classes": self._classes})
        html = page_template(FOLDER / "encoding.html").render(
            number=number,
            models=self._encoding,
            absent=self._silent,
            formats=KINDS,
            data=data,
        )
        return DecodingSection(decoding.html + html, decoding.data_id, decoding.data)
