"""A model class on one piece of data, as the rules of models take it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor

from latentbench.dataset import DataSpec, Split
from latentbench.errors import ContractError, LatentbenchError, NotApplicableError
from latentbench.machine import seeded
from latentbench.model import Batch, GradientModel, Model, as_inputs
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench.training.members import Alone
from latentbench.training.trainer import derive_seed

__all__ = ["SHORT", "TriedModel"]

SHORT = Budget(epochs=2, batch_size=8)


@dataclass(eq=False)
class TriedModel:
    """A model class with parameters, and data to try it on.

    Attributes:
        cls: the class.
        params: its checked parameters.
        split: the data.
    """

    cls: type[Model]
    params: Model.Params
    split: Split

    def build(self, seed: int = 0, split: Split | None = None) -> Model:
        """Make the model as the host does, its weights drawn under a seed.

        Raises:
            NotApplicableError: it does not take such data.
        """
        spec = DataSpec.of(self.split if split is None else split)
        try:
            with seeded(derive_seed(seed, "weights")):
                return self.cls(self.params, spec)
        except ContractError:
            raise
        except LatentbenchError as error:
            raise NotApplicableError(str(error)) from error

    def fit(self, seed: int = 0, *, stray: int = 0, budget: Budget = SHORT, split: Split | None = None) -> Model:
        """Make a model and train it for a moment; `stray` seeds what it must not draw from."""
        split = self.split if split is None else split
        split = copy.deepcopy(split)
        model = self.build(seed, split)
        with seeded(stray):
            if isinstance(model, GradientModel):
                train_model(model, split, budget, seed)
                return model.eval()
            model.fit(split, torch.Generator().manual_seed(derive_seed(seed, "fit")))
        return model

    @cached_property
    def trained(self) -> Model:
        """A model that was trained for a moment; an untrained one where that fails, which other rules tell."""
        if not issubclass(self.cls, GradientModel):
            return self.fit()
        try:
            return self.fit()
        except Exception:  # noqa: BLE001 - a plugin may raise anything
            return self.gradient_model().eval()

    @property
    def inputs(self) -> Tensor:
        """The inputs as models get them, a new tensor each time."""
        return as_inputs(self.split.inputs)

    @cached_property
    def codes(self) -> Tensor:
        """The codes of all inputs by the trained model."""
        return self.encode(self.trained, self.inputs)

    def repeated_codes(self) -> Tensor:
        """The codes of all inputs, of a model that gives the same ones again: others cannot be compared.

        Raises:
            NotApplicableError: it gives other codes each time.
        """
        if not torch.equal(self.codes, self.encode(self.trained, self.inputs)):
            raise NotApplicableError("the same inputs get other codes each time (codes_repeat)")
        return self.codes

    def encode(self, model: Model, inputs: Tensor) -> Tensor:
        """Return codes by `encode`, or by `embed` where there is no encoder."""
        with torch.no_grad():
            return model.embed(inputs) if model.encoder == "none" else model.encode(inputs)

    def gradient_model(self, seed: int = 0) -> GradientModel:
        """Make a model that is trained by gradients, in training mode.

        Raises:
            NotApplicableError: it is none.
        """
        if not issubclass(self.cls, GradientModel):
            raise NotApplicableError("it is no GradientModel")
        return cast("GradientModel", self.build(seed)).train()

    def batch(self) -> Batch:
        """All rows as one batch."""
        labels, factors = self.split.labels, self.split.factors
        return Batch(
            self.inputs,
            torch.arange(len(self.split)),
            None if labels is None else torch.from_numpy(labels),
            None if factors is None else torch.from_numpy(factors).float(),
            torch.tensor(0.5),
        )

    def noise(self, model: GradientModel, seed: int = 0) -> dict[str, Tensor]:
        """Draw the noise that a model declares for all rows."""
        generator = torch.Generator().manual_seed(seed)
        return {name: draw.sample(len(self.split), generator) for name, draw in model.noise_spec().items()}

    def terms(self, model: GradientModel, **changed: Any) -> dict[str, Tensor]:
        """Return the terms of the loss, of all players; `changed`: another batch or noise."""
        batch, noise = changed.get("batch", self.batch()), changed.get("noise", self.noise(model))
        alone = Alone(model)
        return {
            f"{player}_{name}" if player else name: value
            for player in model.players or ("",)
            for name, value in alone.terms(batch, noise, player).items()
        }
