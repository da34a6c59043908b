"""A model as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from latentbench.dataset import DataSpec, Split
from latentbench.errors import NotApplicableError
from latentbench.export.model_card import ModelCard
from latentbench.files.archives import read_safetensors
from latentbench.latent.arithmetic import in_batches
from latentbench.machine import limited_threads, seeded
from latentbench.model import GradientModel, Model
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.source.trust import named_by_a_run_folder
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench.training.trainer import derive_seed

__all__ = ["ModelTransformer"]

FLOATS = (np.float64, np.float32)
LEVELS = 255  # of images, which models are trained on with 8 bits


class ModelTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A latentbench model as a scikit-learn transformer: rows of numbers to codes, and back.

    Rows `(n, D)` are inputs laid flat; they are kept as float32. The other way round, `SklearnModel` makes a model
    of a scikit-learn transformer.

    Args:
        model: name of an installed model, as "vae".
        params: parameters that differ from their default, as `{"latent_dim": 2}`.
        shape: shape of one input, as (1, 28, 28); None: `(D,)`.
        images: rows are images in [0, 1], of shape `(c, h, w)`; `fit` keeps them with 8 bits.
        epochs: passes over the rows.
        batch_size: rows per optimizer step.
        learning_rate: peak of the schedule.
        random_state: an int, a `RandomState`, or None.

    Attributes:
        model_: the trained model; a `torch.nn.Module` where it was trained by gradients.
        n_features_in_: D.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(60, 5))
        >>> ModelTransformer("pca", {"latent_dim": 2}).fit_transform(rows).shape
        (60, 2)
    """

    def __init__(
        self,
        model: str = "ae",
        params: Mapping[str, Any] | None = None,
        *,
        shape: tuple[int, ...] | None = None,
        images: bool = False,
        epochs: int = 8,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.params = params
        self.shape = shape
        self.images = images
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn passes labels
        """Train the model on rows `(n, D)`.

        Raises:
            ValueError: X is no matrix of finite numbers, or its rows do not have the shape.
            RequestError: there is no such model, or a parameter is wrong.
            NotApplicableError: the model does not suit the data, or has no encoder.
            DivergedError: a loss stopped being finite.
        """
        rows = validate_data(self, X, dtype=FLOATS)
        train = Split(inputs=self._stored(rows))
        seed = self._seed()
        cls = _plugins().load("model", self.model)
        if cls.encoder == "none":
            raise NotApplicableError(f"{self.model} makes codes of all items together and transforms no others")
        with limited_threads(1):
            with seeded(derive_seed(seed, "weights")):
                params = build_params(cls.Params, dict(self.params or {}), f"model {self.model!r}")
                model: Model = cls(params, DataSpec.of(train))
            self._train(model, train, seed)
        self._keep(model)
        return self

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the codes `(n, d)` of rows `(n, D)`.

        Raises:
            NotFittedError: it was not trained.
            ValueError: X is no matrix of finite numbers, or not of D columns.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=FLOATS, reset=False)
        inputs = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).reshape(
            -1, *self.model_.data.shape
        )
        codes = in_batches(self.model_.encode, inputs, self.model_.rows_at_once)
        return np.asarray(codes.numpy(), dtype=rows.dtype)

    def inverse_transform(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the reconstructions `(n, D)` of codes `(n, d)`.

        Raises:
            NotFittedError: it was not trained.
            ValueError: X is no matrix of finite numbers, or not of d columns.
            NotApplicableError: the model has no decoder.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=FLOATS)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(f"codes must have {self._n_features_out} columns, got {codes.shape[1]}")
        if self.model_.decoder == "none":
            raise NotApplicableError(f"{self.model} has no decoder")
        inputs = in_batches(self.model_.decode, torch.from_numpy(np.ascontiguousarray(codes, dtype=np.float32)))
        return np.asarray(inputs.flatten(1).numpy(), dtype=codes.dtype)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the trained transformer that `latentbench export --to sklearn` wrote.

        Raises:
            RunFolderError: the folder holds none, or a file is damaged.
            UnknownNameError: the model's plugin is not installed.
            UntrustedCodeError: it needs code of files that nobody has allowed to run (`latentbench.trust`).
        """
        card = ModelCard.read(Path(folder))
        state = read_safetensors(Path(folder) / "model.safetensors", card.weights)
        data = card.data.spec()
        made = cls(
            card.model,
            dict(card.params),
            shape=data.shape,
            images=data.dtype == "uint8",
            epochs=card.budget.epochs,
            batch_size=card.budget.batch_size,
            learning_rate=card.budget.learning_rate,
            random_state=card.seed,
        )
        with named_by_a_run_folder():
            plugin = _plugins().load("model", card.model)
            model: Model = plugin(build_params(plugin.Params, card.params, f"model {card.model!r}"), data)
        model.set_state(state)
        made.n_features_in_ = prod(data.shape)
        made._keep(model)
        return made

    def _stored(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return rows as the inputs of a split.

        Raises:
            ValueError: they have another size than the shape, or are no images.
        """
        shape = self.shape if self.shape is not None else rows.shape[1:]
        if prod(shape) != rows.shape[1]:
            raise ValueError(f"rows of {rows.shape[1]} numbers do not have the shape {tuple(shape)}")
        inputs = rows.reshape(-1, *shape)
        if not self.images:
            return inputs.astype(np.float32)
        if len(shape) != 3 or inputs.min() < 0 or inputs.max() > 1:
            raise ValueError("images must lie in [0, 1] and have a shape (c, h, w)")
        stored: npt.NDArray[np.uint8] = np.rint(inputs * LEVELS).astype(np.uint8)
        return stored

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _train(self, model: Model, train: Split, seed: int) -> None:
        with seeded(derive_seed(seed, "stray")):
            if isinstance(model, GradientModel):
                budget = {name: getattr(self, name) for name in ("epochs", "batch_size", "learning_rate")}
                train_model(model.place("cpu"), train, build_params(Budget, budget, "ModelTransformer"), seed)
            else:
                model.fit(train, torch.Generator().manual_seed(derive_seed(seed, "fit")))

    def _keep(self, model: Model) -> None:
        if isinstance(model, GradientModel):
            model.place("cpu").eval()
        self.model_ = model
        one = torch.zeros(1, *model.data.shape)
        self._n_features_out = int(in_batches(model.encode, one).shape[1])


@cache
def _plugins() -> Plugins:
    return Plugins()
