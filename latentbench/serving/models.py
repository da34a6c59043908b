"""The models that a served page decodes and encodes with: torch computes, one request after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.pictures import as_pictures, shows_distances
from latentbench.errors import ContractError, DataError, NotApplicableError, RequestError
from latentbench.latent.class_names import item_words
from latentbench.latent.maps.pca import pca_axes
from latentbench.latent.maps.projection import shown_rows
from latentbench.latent.space import LatentSpace
from latentbench.latent.split_inputs import SplitInputs
from latentbench.serving.images import ItemForm, as_item

__all__ = ["MAPPED", "Encoded", "ServedModel", "ServedModels"]

NEAREST = 10
MOST_CODES = 64  # of one request
MAPPED = 2000  # items on the map that shows where an image lies
LIKE = 100  # items that tell how the outputs of a decoder are drawn

Array = NDArray[Any]


@dataclass(frozen=True)
class Encoded:
    """What a model makes of an image.

    Attributes:
        words: what was done to the image.
        picture: as the model saw it, `(c, h, w)` in [0, 1].
        code: `(d,)`.
        reconstruction: `(c, h, w)`, or None without a decoder.
        mse: of the reconstruction.
        nearest: row numbers of the nearest test items, by Euclidean distance of codes, the nearest first.
        names: what those are called.
        distances: to them.
        pictures: of them `(k, c, h, w)`.
        place: on the PCA map of the test items, `(2,)`.
    """

    words: str
    picture: Array
    code: Array
    reconstruction: Array | None
    mse: float | None
    nearest: list[int]
    names: list[str]
    distances: list[float]
    pictures: Array
    place: Array


@dataclass(frozen=True)
class ServedModel:
    """One model, ready to be asked.

    Attributes:
        label: its name in tables.
        space: its latent space of the test split, with computed codes.
        like: a few inputs, which tell how outputs are drawn.
        range: the least and the largest number of all inputs.
    """

    label: str
    space: LatentSpace
    like: Tensor
    range: tuple[float, float]

    @classmethod
    def of(cls, label: str, space: LatentSpace) -> ServedModel:
        """Keep what is needed of a space: its codes and maps, not what was computed from them.

        Raises:
            NotApplicableError: its items are not pictures.
        """
        lean = space.replaced(codes=space.codes)
        few = space.inputs[:LIKE]
        like = few if shows_distances(few) == shows_distances(space.inputs) else space.inputs
        as_pictures(like[:1], like=like)
        return cls(label, lean, like, (float(space.inputs.min()), float(space.inputs.max())))

    @property
    def decodes(self) -> bool:
        """Whether it turns codes into pictures."""
        return self.space.maps.decode is not None

    def pictures(self, codes: Array) -> Array:
        """Decode codes `(m, d)` to float32 pictures `(m, c, h, w)` in [0, 1].

        Raises:
            RequestError: codes of another length, or not finite.
            NotApplicableError: it has no decoder.
        """
        if codes.ndim != 2 or codes.shape[1] != self.space.dim or not 1 <= len(codes) <= MOST_CODES:
            raise RequestError(
                f"{self.label} takes 1 to {MOST_CODES} codes of {self.space.dim} numbers, got shape {codes.shape}"
            )
        if not np.isfinite(codes).all():
            raise RequestError("codes must be finite, got NaN or infinity")
        decoded = self.space.decode(torch.from_numpy(codes.astype(np.float32)).to(self.space.device))
        return as_pictures(decoded, like=self.like).astype("<f4")

    @property
    def refusal(self) -> str:
        """Why it encodes no image; "" where it does."""
        if "encoder" not in self.space.supplies:
            return "It has no encoder."
        if self.like.ndim != 4 or self.like.shape[1] not in (1, 3):
            return f"Its items have shape {tuple(self.like.shape[1:])}, not that of images."
        if shows_distances(self.like):
            return "Its items are signed distances from outlines, not images."
        low, high = self.range
        if low < 0 or high > 1:
            return (
                f"Numbers of its items go from {low:.3g} to {high:.3g}, not from 0 to 1 like pixels of an image."
            )
        return ""

    def encoded(self, content: bytes, invert: bool = False) -> Encoded:
        """Encode a file of an image.

        Raises:
            DataError: it cannot be read.
            NotApplicableError: the model encodes no images.
        """
        if self.refusal:
            raise NotApplicableError(self.refusal)
        channels, height, width = self.like.shape[1:]
        pixels, words = as_item(content, ItemForm(channels, height, width, invert))
        item = torch.from_numpy(pixels[None] / np.float32(255)).to(self.space.device)
        code = self.space.encode(item)
        if not torch.isfinite(code).all():
            raise DataError(f"{self.label} encodes this image to NaN or infinity; choose another image")
        return self._seen(item, code, words)

    def _seen(self, item: Tensor, code: Tensor, words: str) -> Encoded:
        picture, numbers = as_pictures(item, like=self.like)[0], code.cpu().numpy()
        distances, rows = self._nearest(code)
        output = self.space.decode(code) if self.decodes else None
        if output is not None and output.shape != item.shape:
            raise ContractError(
                f"{self.label} decodes to shape {tuple(output.shape)}, items have {tuple(item.shape)}"
            )
        return Encoded(
            words,
            picture,
            numbers[0],
            None if output is None else as_pictures(output, like=self.like)[0],
            None if output is None else float((output - item).square().mean()),
            rows.tolist(),
            [item_words(self.space, row) for row in rows.tolist()],
            distances.tolist(),
            as_pictures(_inputs(self.space, rows), like=self.like),
            ((numbers - self._map[0]) @ self._map[1])[0],
        )

    def _nearest(self, code: Tensor) -> tuple[Tensor, Tensor]:
        distances = (self.space.codes - code).double().square().sum(1).sqrt()
        nearest = distances.topk(min(NEAREST, len(distances)), largest=False)
        return nearest.values, nearest.indices

    @property
    def map_rows(self) -> Array:
        """Row numbers of the items on its map."""
        return shown_rows(len(self.space), MAPPED)

    @cached_property
    def _map(self) -> tuple[Array, Array]:
        return pca_axes(self.space.codes[self.map_rows].cpu().numpy())

    @property
    def places(self) -> Array:
        """Places `(m, 2)` of these items by PCA."""
        return (self.space.codes[self.map_rows].cpu().numpy() - self._map[0]) @ self._map[1]


def _inputs(space: LatentSpace, rows: Tensor) -> Tensor:
    """Return the inputs of a few items; all of them together need not be converted for that."""
    inputs = space.data.inputs
    return inputs.take(rows)() if isinstance(inputs, SplitInputs) else space.inputs[rows]


@dataclass
class ServedModels:
    """All models of a page by number; they are asked under one lock, as torch's settings belong to the process."""

    models: list[ServedModel] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, model: ServedModel) -> int:
        """Add a model and return its number."""
        self.models.append(model)
        return len(self.models) - 1

    def numbered(self, text: str) -> ServedModel:
        """Return the model of a number that came as text.

        Raises:
            RequestError: there is none.
        """
        if not (text.isascii() and text.isdecimal() and int(text[:9]) < len(self.models)):
            raise RequestError(f"model must be a number from 0 to {len(self.models) - 1}, got {text!r}")
        return self.models[int(text)]
