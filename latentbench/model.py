"""What a model plugin implements."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import latentbench.params
from latentbench.dataset import DataSpec, Split
from latentbench.errors import ContractError
from latentbench.files.large_rows import chunks
from latentbench.files.row_view import stays_in_file
from latentbench.files.scratch import roomy
from latentbench.params import check_members, check_whole, check_word, check_words, mismatch
from latentbench.scores import UNDECLARED
from latentbench.text import printable

__all__ = [
    "Batch",
    "Draw",
    "GradientModel",
    "Losses",
    "Model",
    "Noise",
    "Posterior",
    "SklearnModel",
    "as_inputs",
    "declared_likelihood",
]

LONGEST_NAME = 40  # of a likelihood
Losses = dict[str, Tensor]
Noise = Mapping[str, Tensor]
State = dict[str, npt.NDArray[Any]]
EncoderTrait = Literal["amortized", "optimized", "none"]
DecoderTrait = Literal["differentiable", "opaque", "none"]
ReferenceTrait = Literal["", "floor", "yardstick", "ceiling"]


@dataclass(frozen=True)
class Draw:
    """Random numbers that a model needs for each row of a batch: `Draw("normal", (d,))`.

    Attributes:
        kind: "normal" (mean 0, variance 1) or "uniform" (on [0, 1)).
        shape: shape per row.
    """

    kind: Literal["normal", "uniform"]
    shape: tuple[int, ...]

    def sample(self, rows: int, generator: torch.Generator) -> Tensor:
        """Draw `(rows, *shape)` numbers on the generator's device."""
        draw = torch.randn if self.kind == "normal" else torch.rand
        return draw((rows, *self.shape), generator=generator, device=generator.device)


@dataclass(frozen=True)
class Batch:
    """A minibatch as `loss` sees it.

    Attributes:
        inputs: float32 `(b, *shape)`; images in [0, 1].
        rows: int64 `(b,)`, row numbers in the training split (for auto-decoders).
        labels: int64 `(b,)` or None.
        factors: float32 `(b, k)` or None.
        progress: 0-dim, the share of training done, in [0, 1) (for schedules).
    """

    inputs: Tensor
    rows: Tensor
    labels: Tensor | None
    factors: Tensor | None
    progress: Tensor


@dataclass(frozen=True)
class Posterior:
    """A diagonal normal over codes: one per input (a posterior), or one for all (a prior, shape `(d,)`).

    Subclass it and override `sample`, `log_prob` and `kl` for another family, and `take` and `to` where it has
    more than mean and variance.

    Attributes:
        mean: `(n, d)` or `(d,)`.
        variance: like `mean`.
    """

    mean: Tensor
    variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Turn standard normal `noise` `(n, d)` into codes `(n, d)`."""
        return self.mean + self.variance.sqrt() * noise

    def log_prob(self, codes: Tensor) -> Tensor:
        """Log density of `codes` `(n, d)` in nats, `(n,)`."""
        squared = (codes - self.mean).square() / self.variance
        return -0.5 * (squared + self.variance.log() + math.log(2 * math.pi)).sum(-1)

    def kl(self, prior: Posterior) -> Tensor:
        """Kullback-Leibler divergence from `prior` to each row's posterior, in nats, `(n,)`; the rate.

        >>> one = torch.ones(1, 1)
        >>> Posterior(one, one).kl(Posterior(torch.zeros(1), torch.ones(1)))
        tensor([0.5000])
        """
        ratio = self.variance / prior.variance
        squared = (self.mean - prior.mean).square() / prior.variance
        return 0.5 * (squared + ratio - 1 - ratio.log()).sum(-1)

    def take(self, rows: Tensor) -> Posterior:
        """Return the distributions of these rows."""
        return type(self)(self.mean[rows], self.variance[rows])

    def to(self, device: torch.device | str) -> Posterior:
        """Move to a device."""
        return Posterior(self.mean.to(device), self.variance.to(device))


class Model(ABC):
    """Learns a latent space. Subclass `GradientModel` or `SklearnModel`, or this for anything else.

    Traits are declared as class attributes:

    Attributes:
        version: increase it when the same parameters and data would give another model.
        encoder: "amortized" (a function of the input), "optimized" (codes are fitted to each input) or "none"
            (codes are made from all items together: `embed`).
        decoder: "differentiable" (torch, gradients flow), "opaque" (values only) or "none".
        deterministic: the seed changes nothing; such a model runs once and has no interval.
        rows_at_once: the most inputs that `encode` and `posterior` get at once; None: as many as suit a network on
            its device. For a model whose calls are costly before the first row; it needs memory for as many.
        groupable: several trials may be trained at once by `torch.func.vmap` over stacked weights.
        reference: "" for a contender. A reference row is never starred: "floor" (learns nothing, supplies the
            floor column, shown with `--all`), "yardstick" (a plain method to beat) or "ceiling" (does not
            compress).
        uses_labels: it learns from labels or factors, which others must do without: tables show it as an upper
            bound, never starred and no baseline.
        label_params: parameters whose values follow the name in tables, as in `beta_vae(4)`.
        compared_params: parameters whose values make models of their own, as the layers of a network: all stand
            side by side in the table. Of the values of any other parameter, the best on the validation split is
            chosen.
        built_first: made once with each setting before the first trial, so that a RequestError from `__init__`
            stops the run; for models whose parameters name files or what lies in them.
    """

    class Params(latentbench.params.Params):
        """Parameters of the model; none unless a subclass declares some."""

    version: ClassVar[int] = 1
    encoder: ClassVar[EncoderTrait] = "amortized"
    decoder: ClassVar[DecoderTrait] = "differentiable"
    deterministic: ClassVar[bool] = False
    rows_at_once: ClassVar[int | None] = None
    groupable: ClassVar[bool] = True
    reference: ClassVar[ReferenceTrait] = ""
    uses_labels: ClassVar[bool] = False
    label_params: ClassVar[tuple[str, ...]] = ()
    compared_params: ClassVar[tuple[str, ...]] = ()
    built_first: ClassVar[bool] = False
    params: Params
    data: DataSpec

    def __init_subclass__(cls, **options: Any) -> None:
        """Check the traits that the class declares.

        Raises:
            ContractError: a misspelled trait, a name that is no parameter, or a number that cannot be.
        """
        super().__init_subclass__(**options)
        check_members(cls, Model)
        check_whole(f"{cls.__name__}.version", cls.version, 1)
        for trait, words in (("encoder", EncoderTrait), ("decoder", DecoderTrait), ("reference", ReferenceTrait)):
            check_word(f"{cls.__name__}.{trait}", getattr(cls, trait), get_args(words))
        if cls.uses_labels and cls.reference:
            expected = "none, as a model that uses labels is an upper bound"
            raise mismatch(f"{cls.__name__}.reference", expected, cls.reference)
        for trait in ("label_params", "compared_params"):
            check_words(f"{cls.__name__}.{trait}", getattr(cls, trait), [*cls.Params.model_fields])
        if cls.rows_at_once is not None:
            check_whole(f"{cls.__name__}.rows_at_once", cls.rows_at_once, 1)

    def __init__(self, params: Params, data: DataSpec) -> None:
        self.params = params
        self.data = data

    @property
    def device(self) -> torch.device:
        """Where `encode` and `decode` compute."""
        return torch.device("cpu")

    @property
    def prior(self) -> Posterior | None:
        """The distribution new codes are drawn from, parameters of shape `(d,)`; None without one."""
        return None

    def fit(self, train: Split, generator: torch.Generator) -> None:  # noqa: B027 - a fixed map learns nothing
        """Learn from `train`; every random number comes from `generator`. Nothing to do for a fixed map."""

    @abstractmethod
    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs `(n, *shape)` to codes `(n, d)`; posterior means for a probabilistic model."""

    def embed(self, inputs: Tensor) -> Tensor:  # noqa: ARG002 - overridden where there is no encoder
        """Return codes `(n, d)` made from all inputs `(n, *shape)` together, as t-SNE does.

        Override it, and let `encode` raise NotApplicableError, where `encoder` is "none": such codes depend on all
        items shown, and those of two splits do not lie in one space. Random numbers must come from a seed that
        `fit` drew from its generator, so that the same inputs get the same codes again.
        """
        raise ContractError(f"{type(self).__name__} declares encoder={self.encoder!r} but has no embed")

    def decode(self, codes: Tensor) -> Tensor:  # noqa: ARG002 - overridden where there is a decoder
        """Map codes `(n, d)` to reconstructions `(n, *shape)`. Override it unless `decoder` is "none"."""
        raise ContractError(f"{type(self).__name__} declares decoder={self.decoder!r} but has no decode")

    def posterior(self, inputs: Tensor) -> Posterior | None:  # noqa: ARG002 - overridden where there is one
        """Return the distribution of codes for each input, or None for a deterministic encoder."""
        return None

    def log_likelihood(self, inputs: Tensor, codes: Tensor) -> Tensor | None:  # noqa: ARG002 - likewise
        """Return log p(inputs | codes) in nats, `(n,)`, or None without a likelihood."""
        return None

    @classmethod
    def likelihood_name(cls, params: Any) -> str:  # noqa: ARG003 - likewise
        """Return what `log_likelihood` is with these parameters, in a few words, as "gaussian, sigma learned".

        Override it beside `log_likelihood`. Scores that depend on the likelihood, as `elbo`, are compared between
        models of the same name alone; without a name ("") between none.
        """
        return ""

    def remarks(self) -> tuple[str, ...]:
        """Return what it does to its inputs that nobody asked for, each as a short sentence; `run` prints them.

        They are asked of models that are `built_first`.
        """
        return ()

    def get_state(self) -> State | None:
        """Return everything learned as named arrays, or None when this model cannot be reloaded."""
        return None

    def set_state(self, state: State) -> None:  # noqa: ARG002 - goes with get_state
        """Restore what `get_state` returned."""
        raise ContractError(f"{type(self).__name__} has get_state but no set_state")


class GradientModel(nn.Module, Model):
    """A torch module trained by gradients of `loss`; the engine does the rest.

    `loss` must be a pure function of (parameters, batch, noise): no random numbers of its own, no in-place
    change of buffers. Codebooks and other state that gradients do not reach are buffers renewed by `update`.

    Attributes:
        players: for adversarial models, player name -> prefixes of its parameters' names, in update order; the
            engine calls `loss(batch, noise, player=name)` with one optimizer each. Empty for all others.
        capturable: `loss` does the same work every step and reads nothing back from the device, so that on CUDA a
            step can be captured once and replayed.
    """

    players: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    capturable: ClassVar[bool] = True

    def __init__(self, params: Model.Params, data: DataSpec) -> None:
        nn.Module.__init__(self)
        Model.__init__(self, params, data)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute.

        Raises:
            ContractError: a network is given the name of a trait, which would hide it.
        """
        if isinstance(value, nn.Module) and hasattr(Model, name):
            raise ContractError(
                f"{type(self).__name__}.{name} is a name of every model; call the network {name}_net instead"
            )
        super().__setattr__(name, value)

    @property
    def device(self) -> torch.device:
        """Device of the first parameter."""
        return next(self.parameters()).device

    def place(self, device: torch.device | str) -> Self:
        """Move to a device, with the channels of convolution weights last: that is faster on all devices."""
        return self.to(device).to(memory_format=torch.channels_last)

    @abstractmethod
    def loss(self, batch: Batch, noise: Noise) -> Losses:
        """Return 0-dim terms, means over the batch; "total" is minimized, the others are logged."""

    def forward(self, batch: Batch, noise: Noise, **player: str) -> Losses:
        """Call `loss`; this makes `torch.func.functional_call(model, weights, (batch, noise))` work."""
        return self.loss(batch, noise, **player)

    def noise_spec(self) -> Mapping[str, Draw]:
        """Declare the random numbers that `loss` needs in `noise`, per row of the batch."""
        return {}

    def update(self, state: dict[str, Tensor], batch: Batch, noise: Noise) -> dict[str, Tensor]:  # noqa: ARG002
        """Return new buffers after an optimizer step, from the old ones; pure. Nothing changes by default."""
        return state

    def get_state(self) -> State | None:
        """Return the state dict as arrays."""
        return {name: value.detach().cpu().numpy() for name, value in self.state_dict().items()}

    def set_state(self, state: State) -> None:
        """Load a state dict of arrays."""
        self.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})


class SklearnModel(Model):
    """Adapter for a scikit-learn transformer: implement `make_estimator`, the rest follows.

    Inputs are flattened to `(n, D)` float32. A transformer with `inverse_transform` gives an opaque decoder,
    one without it must declare `decoder = "none"`. It cannot be reloaded without pickle, so its scores are made
    with the trial, unless a subclass writes `get_state` and `set_state`.
    """

    groupable: ClassVar[bool] = False
    decoder: ClassVar[DecoderTrait] = "opaque"
    estimator: Any = None

    @abstractmethod
    def make_estimator(self, seed: int) -> Any:
        """Return the unfitted transformer; `seed` is for its `random_state`."""

    def fit(self, train: Split, generator: torch.Generator) -> None:
        """Fit the transformer on the flattened inputs."""
        seed = int(torch.randint(2**31 - 1, (1,), generator=generator))
        self.estimator = self.make_estimator(seed)
        self.estimator.fit(as_inputs(train.inputs).flatten(1).numpy())

    def encode(self, inputs: Tensor) -> Tensor:
        """Transform flattened inputs."""
        codes = self.estimator.transform(inputs.flatten(1).cpu().numpy())
        return torch.from_numpy(np.asarray(codes, dtype=np.float32))

    def decode(self, codes: Tensor) -> Tensor:
        """Transform codes back and shape them as inputs."""
        flat = self.estimator.inverse_transform(codes.cpu().numpy())
        return torch.from_numpy(np.asarray(flat, dtype=np.float32)).reshape(-1, *self.data.shape)


def declared_likelihood(cls: type[Model], params: latentbench.params.Params) -> str:
    """Return the likelihood that a model declares; "" for a model without, `UNDECLARED` where it says nothing.

    A name holds for the `log_likelihood` that it was declared with, not for one that a subclass puts in its place.

    Raises:
        ContractError: what it declares is no short text.
    """
    has, named = (_depth(cls, name) for name in ("log_likelihood", "likelihood_name"))
    if has < named:
        return UNDECLARED
    name = cls.likelihood_name(params)
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        where = f"{cls.__name__}.likelihood_name"
        raise mismatch(where, f"a text of at most {LONGEST_NAME} characters, as 'laplace'", name)
    nothing = "" if cls.__mro__[has] is Model else UNDECLARED
    return printable(" ".join(name.split())) or nothing


def _depth(cls: type[Model], method: str) -> int:
    """Return how far up among its bases a model finds a method."""
    return next(depth for depth, base in enumerate(cls.__mro__) if method in vars(base))


def as_inputs(array: npt.NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
    """Turn a split's array into model inputs: float32, with uint8 images scaled to [0, 1].

    >>> as_inputs(np.array([[0, 255]], dtype=np.uint8))
    tensor([[0., 1.]])
    """
    if not stays_in_file(array):
        return scale_inputs(torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device))
    on_host = torch.device(device).type == "cpu"
    inputs = torch.from_numpy(roomy(array.shape)) if on_host else torch.empty(array.shape, device=device)
    for first, block in chunks(array):
        part = torch.from_numpy(np.require(block, requirements="W")).to(device)
        inputs[first : first + len(block)] = scale_inputs(part)
    return inputs


def scale_inputs(stored: Tensor) -> Tensor:
    """Do the same for data on a device."""
    return stored.float() / 255 if stored.dtype == torch.uint8 else stored.clone()
