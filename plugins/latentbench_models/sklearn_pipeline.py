"""A pipeline of scikit-learn's own transformers, written in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import prod
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field, field_validator
from sklearn.exceptions import NotFittedError
from torch import Tensor

from latentbench import LatentbenchError, Model, NotApplicableError, SklearnModel, Split, as_inputs
from latentbench_models.pipeline_text import make_pipeline, read_pipeline

__all__ = ["SklearnPipeline"]

ROWS = 64  # on which a reloaded pipeline is compared with the fitted one
ROUNDING = 1e-5  # of the largest number


class SklearnPipeline(SklearnModel):
    """Transformers of scikit-learn, one after the other: `sklearn.pipeline = "StandardScaler | PCA(whiten=True)"`.

    Names are those of scikit-learn, with their module (`decomposition.PCA`) or without. The last step gets
    `latent_dim` as its n_components, and steps with a random_state get the trial's seed. Inputs are flattened,
    images are in [0, 1]. It decodes where each step has an inverse_transform, and can be reloaded where numbers
    and arrays are all that its steps have learned. A transformer of your own is a `SklearnModel` in a file.
    """

    label_params: ClassVar[tuple[str, ...]] = ("pipeline",)

    class Params(Model.Params):
        """Parameters of the pipeline."""

        pipeline: str = Field(default="StandardScaler | PCA", description="transformers joined by |")
        latent_dim: int = Field(default=16, ge=1, le=65_536, description="length of a code")

        @field_validator("pipeline")
        @classmethod
        def _check_pipeline(cls, text: str) -> str:
            """Write the same pipeline in the same way."""
            return " | ".join(map(str, read_pipeline(text)))

    params: Params
    reloaded: bool = False

    def make_estimator(self, seed: int) -> Any:
        """Return the unfitted pipeline."""
        return make_pipeline(read_pipeline(self.params.pipeline), self.params.latent_dim, seed)

    def fit(self, train: Split, generator: torch.Generator) -> None:
        """Fit the pipeline on the flattened inputs.

        Raises:
            NotApplicableError: it cannot have that many components here.
            LatentbenchError: scikit-learn refuses parameters or data, or codes are not latent_dim numbers long.
        """
        try:
            super().fit(train, generator)
        except (ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            most = min(len(train), prod(self.data.shape))
            if self.params.latent_dim > most:
                raise NotApplicableError(
                    f"{self.params.pipeline} cannot have latent_dim={self.params.latent_dim} here: {reason}"
                ) from error
            raise LatentbenchError(f"{self.params.pipeline} cannot be fitted: {reason}") from error
        some = as_inputs(train.inputs[:ROWS])
        length = self.encode(some).shape[1]
        if length != self.params.latent_dim:
            raise LatentbenchError(
                f"{self.params.pipeline} must give codes of latent_dim={self.params.latent_dim} numbers, got "
                f"{length}; give sklearn.latent_dim={length}, or leave n_components of the last step to latent_dim"
            )
        self._reload(some)

    def encode(self, inputs: Tensor) -> Tensor:
        """Transform flattened inputs; a sparse result is filled with zeros."""
        codes = self.estimator.transform(inputs.flatten(1).cpu().numpy())
        dense = codes.toarray() if hasattr(codes, "toarray") else codes
        return torch.from_numpy(np.asarray(dense, dtype=np.float32))

    def decode(self, codes: Tensor) -> Tensor:
        """Transform codes back.

        Raises:
            NotApplicableError: a step has no inverse_transform.
        """
        if not hasattr(self.estimator, "inverse_transform"):
            raise NotApplicableError("no decoder (a step has no inverse_transform)")
        try:
            return super().decode(codes)
        except NotFittedError as error:  # as of KernelPCA without fit_inverse_transform
            of_step = error.__cause__ or error  # pipelines of older versions say that they are not fitted
            raise NotApplicableError(f"no decoder ({' '.join(str(of_step).split())})") from error

    def get_state(self) -> dict[str, Any] | None:
        """Return what the steps have learned, as "1.components_"; None where that is more than numbers."""
        return dict(self._learned()) if self.reloaded else None

    def set_state(self, state: dict[str, Any]) -> None:
        """Give it back to the steps."""
        self.estimator = self.make_estimator(0)
        for name, value in state.items():
            place, _, attribute = name.partition(".")
            array = np.array(value)
            setattr(self.estimator.steps[int(place)][1], attribute, array if array.ndim else array.item())
        self.reloaded = True

    def _learned(self) -> Iterator[tuple[str, Any]]:
        for place, (_, step) in enumerate(self.estimator.steps):
            for attribute, value in vars(step).items():
                number = isinstance(value, np.ndarray | np.generic | int | float)
                if (
                    attribute not in step.get_params(deep=False)
                    and number
                    and np.asarray(value).dtype.kind in "biuf"
                ):
                    yield f"{place}.{attribute}", np.array(value, order="C")

    def _reload(self, some: Tensor) -> None:
        """Go on with the pipeline as it would be reloaded, where that gives the same codes and reconstructions."""
        fitted, before = self.estimator, self._seen(some)
        self.set_state(dict(self._learned()))
        try:
            after = self._seen(some)
        except Exception:  # noqa: BLE001 - whatever a step without its objects raises
            after = []
        same = len(before) == len(after) and all(map(_same, before, after))
        if not same:
            self.estimator, self.reloaded = fitted, False

    def _seen(self, some: Tensor) -> list[Tensor]:
        seen = [self.encode(some)]
        with suppress(NotApplicableError):
            seen.append(self.decode(seen[0]))
        return seen


def _same(before: Tensor, after: Tensor) -> bool:
    """Whether two results differ by rounding alone, which grows with the largest number, not with each."""
    rounding = ROUNDING * float(before.abs().max())
    return before.shape == after.shape and bool(torch.allclose(before, after, rtol=0, atol=rounding))
