"""Rules of what a model gives: codes, reconstructions, distributions, state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.model import GradientModel, Model, Posterior, declared_likelihood
from latentbench.scores import UNDECLARED
from latentbench.testing.generators import touched
from latentbench.testing.rules import Rule, RuleBrokenError
from latentbench.testing.tried import TriedModel

__all__ = ["MODEL_RULES", "difference"]

ROUNDING = 1e-4  # of the largest value: more than float32 loses where rows are multiplied in other batches


def difference(one: Tensor, other: Tensor) -> float:
    """Return the largest difference as a share of the largest value; infinite where shapes differ."""
    if one.shape != other.shape:
        return float("inf")
    one, other = one.detach(), other.detach()
    largest = float((one - other).abs().max()) if one.numel() else 0.0
    return largest / max(float(other.abs().max()) if other.numel() else 0.0, 1e-12) if largest else 0.0


def _check_tensor(what: str, value: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(value, Tensor):
        raise RuleBrokenError(f"{what} must be a tensor, got {type(value).__name__}; use torch.as_tensor")
    if tuple(value.shape) != shape:
        raise RuleBrokenError(f"{what} must have shape {shape}, got {tuple(value.shape)}")
    if value.dtype != torch.float32:
        raise RuleBrokenError(f"{what} must be float32, got {value.dtype}; use .float()")
    if not torch.isfinite(value).all():
        raise RuleBrokenError(f"{what} must be finite, got NaN or infinity")


def check_codes(tried: TriedModel) -> None:
    """Codes are finite float32 of shape (n, d), one row an input, of the length that latent_dim says."""
    codes, rows = tried.codes, len(tried.split)
    length = getattr(tried.params, "latent_dim", None)
    if length is None and isinstance(codes, Tensor) and codes.ndim == 2:
        length = codes.shape[1]
    _check_tensor("codes", codes, (rows, length or 1))


def check_codes_repeat(tried: TriedModel) -> None:
    """The same inputs get the same codes again."""
    again = tried.encode(tried.trained, tried.inputs)
    if not torch.equal(tried.codes, again):
        raise RuleBrokenError(
            f"two calls of encode differ by up to {difference(again, tried.codes):.1%} of the largest code: it "
            "draws random numbers; return the mean of the posterior"
        )


def check_codes_of_single_rows(tried: TriedModel) -> None:
    """A row encoded alone gets the code that it has among all rows."""
    _check_rows(tried, "alone", [slice(row, row + 1) for row in range(0, len(tried.split), 5)])


def check_codes_in_another_order(tried: TriedModel) -> None:
    """Rows in another order get their codes in that order."""
    _check_rows(tried, "in another order", [torch.arange(len(tried.split)).flip(0)])


def check_codes_among_others(tried: TriedModel) -> None:
    """A row's code does not depend on the rows beside it."""
    _check_amortized(tried)
    first = tried.inputs[: len(tried.split) // 2]
    others = torch.cat([first, first.flip(0).neg() if first.min() < 0 else 1 - first])
    codes = tried.encode(tried.trained, others)[: len(first)]
    _check_same(codes, tried.repeated_codes()[: len(first)], "among other rows")


def _check_rows(tried: TriedModel, how: str, parts: list[Any]) -> None:
    _check_amortized(tried)
    codes = tried.repeated_codes()
    for rows in parts:
        _check_same(tried.encode(tried.trained, tried.inputs[rows]), codes[rows], how)


def _check_amortized(tried: TriedModel) -> None:
    if tried.cls.encoder == "none":
        raise NotApplicableError("encoder = 'none': codes are made from all items together")


def _check_same(codes: Tensor, expected: Tensor, how: str) -> None:
    found = difference(codes, expected)
    if found > ROUNDING:
        raise RuleBrokenError(
            f"rows encoded {how} get codes that differ by {found:.1%} of the largest: encode uses the statistics "
            "of the batch; keep what it needs from the training data"
        )


def check_reconstructions(tried: TriedModel) -> None:
    """Reconstructions are finite float32 of the inputs' shape, and the same again."""
    model = tried.trained
    _check_decodes(model)
    with torch.no_grad():
        decoded, again = model.decode(tried.codes.clone()), model.decode(tried.codes.clone())
    _check_tensor("what decode returns", decoded, tuple(tried.inputs.shape))
    if not torch.equal(decoded, again):
        raise RuleBrokenError(
            "two calls of decode differ: it draws random numbers; return the mean of the likelihood"
        )


def check_decoder_slope(tried: TriedModel) -> None:
    """Gradients flow through a decoder that says it is differentiable."""
    model = tried.trained
    _check_decodes(model)
    if model.decoder != "differentiable":
        raise NotApplicableError(f"decoder = {model.decoder!r}")
    codes = tried.codes.clone().requires_grad_()
    decoded = model.decode(codes)
    if not decoded.requires_grad:
        raise RuleBrokenError(
            "no gradient reaches the codes through decode; leave out no_grad and detach, or declare "
            'decoder = "opaque"'
        )
    (slope,) = torch.autograd.grad(decoded.sum(), codes, allow_unused=True)
    if slope is None or not torch.isfinite(slope).all():
        raise RuleBrokenError('the slope of decode is missing or not finite; declare decoder = "opaque"')


def _check_decodes(model: Model) -> None:
    if model.decoder == "none":
        raise NotApplicableError("decoder = 'none'")


def check_posterior(tried: TriedModel) -> None:
    """A posterior is a Posterior of one row an input, with a positive variance, and encode gives its mean."""
    posterior = _posterior(tried)
    shape = tuple(tried.codes.shape)
    _check_tensor("the posterior's mean", posterior.mean, shape)
    _check_tensor("the posterior's variance", posterior.variance, shape)
    if not (posterior.variance > 0).all():
        raise RuleBrokenError(
            f"the posterior's variance must be positive, the least is {float(posterior.variance.min()):.3g}; "
            "let the network give its logarithm and use .exp()"
        )
    if difference(posterior.mean, tried.repeated_codes()) > ROUNDING:
        raise RuleBrokenError("encode and the posterior's mean differ; return posterior(inputs).mean")


def check_prior(tried: TriedModel) -> None:
    """A prior is a Posterior of shape (d,) with a positive variance; what has a posterior has a prior."""
    with torch.no_grad():
        prior = tried.trained.prior
    if prior is None:
        _posterior(tried)
        raise RuleBrokenError(
            "it has a posterior and no prior: rate and samples need one; return "
            "Posterior(torch.zeros(d), torch.ones(d)) from the property `prior`"
        )
    if not isinstance(prior, Posterior):
        raise RuleBrokenError(f"prior must be a Posterior, got {type(prior).__name__}")
    shape = (tried.codes.shape[1],)
    _check_tensor("the prior's mean", prior.mean, shape)
    _check_tensor("the prior's variance", prior.variance, shape)
    if not (prior.variance > 0).all():
        raise RuleBrokenError("the prior's variance must be positive")


def _posterior(tried: TriedModel) -> Posterior:
    with torch.no_grad():
        posterior = tried.trained.posterior(tried.inputs)
    if posterior is None:
        raise NotApplicableError("it has no posterior")
    if not isinstance(posterior, Posterior):
        raise RuleBrokenError(f"posterior must return a Posterior, got {type(posterior).__name__}")
    return posterior


def check_likelihood(tried: TriedModel) -> None:
    """A likelihood gives one finite number an input, and its name is declared."""
    with torch.no_grad():
        likelihood = tried.trained.log_likelihood(tried.inputs, tried.codes)
    if likelihood is None:
        raise NotApplicableError("it has no likelihood")
    _check_tensor("the log-likelihood", likelihood, (len(tried.split),))
    if declared_likelihood(tried.cls, tried.params) in ("", UNDECLARED):
        raise RuleBrokenError(
            "its likelihood has no name, so its elbo is compared with none; return one from the class method "
            'likelihood_name(params), as "gaussian, sigma learned"'
        )


def check_state(tried: TriedModel) -> None:
    """A model that is given the state of another gives the same codes and reconstructions, bit for bit."""
    first = tried.trained
    state = first.get_state()
    if state is None:
        raise NotApplicableError("it has no get_state, so it cannot be reloaded")
    if not isinstance(state, Mapping) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise RuleBrokenError("get_state must return NumPy arrays by name; use .detach().cpu().numpy()")
    second = tried.build(seed=1)
    second.set_state({name: value.copy() for name, value in state.items()})
    if isinstance(second, GradientModel):
        second.eval()
    before, codes = tried.repeated_codes(), tried.encode(second, tried.inputs)
    if not torch.equal(codes, before):
        raise RuleBrokenError(
            f"a reloaded model gives codes that differ by {difference(codes, before):.1%} of the largest: "
            "what it learned is not all in get_state; register tensors as buffers, or return them"
        )
    if first.decoder != "none":
        with torch.no_grad():
            if not torch.equal(first.decode(codes.clone()), second.decode(codes.clone())):
                raise RuleBrokenError("a reloaded model decodes otherwise: its decoder is not all in get_state")


def check_arguments_untouched(tried: TriedModel) -> None:
    """What encode, decode and posterior are given is as it was."""
    model, inputs, codes = tried.trained, tried.inputs, tried.codes.clone()
    with torch.no_grad():
        tried.encode(model, inputs)
        model.posterior(inputs)
        model.log_likelihood(inputs, codes)
        if model.decoder != "none":
            model.decode(codes)
    changed = [
        name
        for name, now, before in (("inputs", inputs, tried.inputs), ("codes", codes, tried.codes))
        if not torch.equal(now, before)
    ]
    if changed:
        raise RuleBrokenError(f"it wrote into the {' and '.join(changed)} that it was given; work on a copy")


def check_random_state_untouched(tried: TriedModel) -> None:
    """Encoding and decoding draw nothing from the generators that all share, and do not seed them."""
    model, codes = tried.trained, tried.codes.clone()
    with touched() as generators, torch.no_grad():
        tried.encode(model, tried.inputs)
        model.posterior(tried.inputs)
        if model.decoder != "none":
            model.decode(codes)
    if generators:
        raise RuleBrokenError(
            f"it draws from the generator of {' and '.join(generators)} that all share, or seeds it; draw in fit "
            "from its generator, in loss from the declared noise, and nowhere else"
        )


MODEL_RULES: tuple[Rule, ...] = (
    check_codes,
    check_codes_repeat,
    check_codes_of_single_rows,
    check_codes_in_another_order,
    check_codes_among_others,
    check_reconstructions,
    check_decoder_slope,
    check_posterior,
    check_prior,
    check_likelihood,
    check_state,
    check_arguments_untouched,
    check_random_state_untouched,
)
