"""How a decoder bends the space of codes: straight paths against the shortest ones, and its Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench.latent.paths.curves import forward_derivatives, geodesic_lengths
from latentbench_metrics._shared.rounding import resolution
from latentbench_metrics._shared.subsets import pairs, some_rows

__all__ = ["GeodesicRatio", "JacobianSpectrum", "geodesic_ratio", "jacobian_spectrum"]

PAIRS, STEPS, ITERATIONS = 16, 16, 30
MEASURED = 4  # points per step at which lengths are measured
CODES = 128
WIDEST = 128  # dimensions of codes whose Jacobian is looked at
IMAGES = 1024  # derivatives of decoded images held at once
SMALLEST = 1e-6  # singular value, as a share of the largest: what float32 can tell from 0

Decode = Callable[[Tensor], Tensor]


def geodesic_ratio(
    decode: Decode, starts: Tensor, ends: Tensor, steps: int = STEPS, *, iterations: int = 60
) -> float:
    """Length of decoded straight paths over that of geodesics between the same codes; no better direction.

    At least 1, unitless; 1 where straight paths are the shortest ones (a flat space). Both are summed over pairs
    and measured in the same way, at four points per step.

    Source: Shao 2018, "The Riemannian Geometry of Deep Generative Models"; Arvanitidis 2018. Geodesics of the
    pull-back metric, see `latentbench.latent.paths.curves.geodesic`.

    Traps: a pixel fade and any linear decoder have the minimum, 1: it says how flat, not how good a space is, so
    read it beside `walk_kd`. Geodesics are local minima and may cross codes that no image has; few steps or
    iterations leave the ratio too small (by 0.002 for 16 steps on digits).

    Args:
        decode: codes `(n, d)` to outputs `(n, *shape)`, in torch with gradients.
        starts: codes `(m, d)`.
        ends: likewise.
        steps: of each path, at least 2.
        iterations: of the search for a geodesic, at most.

    Raises:
        ValueError: codes that are no pairs `(m, d)`, or fewer than two steps.
        NotApplicableError: all of each path is decoded alike, up to rounding.

    >>> turn = lambda z: torch.stack([z[:, 0] * z[:, 1].cos(), z[:, 0] * z[:, 1].sin()], 1)  # polar coordinates
    >>> round(geodesic_ratio(turn, torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.5]])), 3)
    1.1
    """
    straight, short = geodesic_lengths(decode, starts, ends, steps, iterations=iterations)
    with torch.no_grad():
        ends_decoded = torch.cat([decode(starts), decode(ends)]).flatten(1)
    if short.sum() <= MEASURED * steps * len(starts) * resolution(ends_decoded):
        raise NotApplicableError("the decoder gives one output for all codes")
    return float(straight.sum() / short.sum())


def jacobian_spectrum(decode: Decode, codes: Tensor) -> dict[str, float]:
    """Sizes of the singular values of the decoder's Jacobian J `(D, d)` at codes; no better direction for any.

    condition_log10_q50 and _q95: quantiles over codes of log10(largest / smallest), in [0, 6]; lipschitz_q95:
    quantile of the largest, in units of outputs per unit of codes; log_volume: mean of ½ log det JᵀJ, in nats;
    anisotropy: standard deviation over codes of the natural logarithm of the largest, from 0.

    A singular J (dead dimensions, d > D) stays finite: singular values count as at least 1e-6 of the largest at
    that code, and the largest as at least 1e-6 of the largest at any code.

    Source: the pull-back metric JᵀJ of Arvanitidis 2018; derivatives are exact, by forward differentiation.

    Traps: PCA, random projections, pixels and pixel fades all have condition 1 and anisotropy 0. lipschitz_q95 and
    log_volume depend on the scale of codes, and log_volume on d: compare them at equal scale.

    Args:
        decode: codes `(n, d)` to outputs `(n, *shape)`, row by row, in torch with forward derivatives.
        codes: `(n, d)`.

    Raises:
        ValueError: codes are not `(n, d)`, at least one.
        NotApplicableError: J is 0 at all codes, or not finite.

    >>> sizes = jacobian_spectrum(lambda z: z * torch.tensor([2.0, 20.0]), torch.zeros(3, 2))
    >>> round(sizes["condition_log10_q50"], 6), round(sizes["lipschitz_q95"], 6)
    (1.0, 20.0)
    """
    if codes.ndim != 2 or not codes.numel():
        raise ValueError(f"codes must be (n, d), at least one, got {tuple(codes.shape)}")
    values = _singular_values(decode, codes)
    largest = values.amax(1)
    if largest.max() == 0:
        raise NotApplicableError("the decoder gives one output for all codes")
    largest = largest.clamp_min(SMALLEST * largest.max())
    values = values.clamp_min(SMALLEST * largest[:, None])
    values[:, 0] = largest
    condition = (largest / values.amin(1)).log10()
    return {
        "condition_log10_q50": float(torch.quantile(condition, 0.5)),
        "condition_log10_q95": float(torch.quantile(condition, 0.95)),
        "lipschitz_q95": float(torch.quantile(largest, 0.95)),
        "log_volume": float(values.log().sum(1).mean()),
        "anisotropy": float(largest.log().std(correction=0)),
    }


def _singular_values(decode: Decode, codes: Tensor) -> Tensor:
    """Return singular values of the Jacobian `(n, d)` in float64, the largest first; 0 for missing ones."""
    width = codes.shape[1]
    axes = torch.eye(width, dtype=codes.dtype, device=codes.device)
    spectra = []
    with forward_derivatives():
        for chunk in torch.split(codes, max(1, IMAGES // width)):

            def push(axis: Tensor, chunk: Tensor = chunk) -> Tensor:
                velocity: Tensor = torch.func.jvp(decode, (chunk,), (axis.expand_as(chunk),))[1]
                return velocity.flatten(1)

            jacobians = torch.vmap(push)(axes).permute(1, 2, 0).double()
            if not bool(torch.isfinite(jacobians).all()):
                raise NotApplicableError("the decoder's derivatives are not finite")
            triangles = torch.linalg.qr(jacobians, mode="r").R  # small ones, which a GPU takes all at once
            spectra.append(torch.linalg.svdvals(triangles))
    values = torch.cat(spectra)
    return torch.nn.functional.pad(values, (0, width - values.shape[1]))


class GeodesicRatio(Metric):
    """Computed for 16 pairs of test codes, along paths of 16 steps."""

    scores: ClassVar[Mapping[str, Score]] = {
        "geodesic_ratio": Score(
            "none",
            purpose="walk",
            range=(1, float("inf")),
            floor=1.0,
            ceiling=1.0,
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ("decoder_gradient",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation")
    tolerance: ClassVar[float] = 0.005  # paths are found by iteration
    min_items: ClassVar[int] = 4

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the ratio."""
        starts, ends = pairs(len(space), PAIRS)
        paths = space.codes[starts], space.codes[ends]
        return {"geodesic_ratio": geodesic_ratio(space.decoder, *paths, STEPS, iterations=ITERATIONS)}


class JacobianSpectrum(Metric):
    """Singular values of the decoder's Jacobian at 128 test codes, for codes of at most 128 dimensions."""

    scores: ClassVar[Mapping[str, Score]] = {
        "jacobian_condition": Score(
            "none",
            "log10 of the Jacobian's longest axis over its shortest, median over codes",
            purpose="walk",
            range=(0, 6),
            floor=0.0,
            ceiling=0.0,
        ),
        "jacobian_condition_q95": Score(
            "none", "the same, exceeded by 5 % of codes", purpose="walk", range=(0, 6), floor=0.0, ceiling=0.0
        ),
        "jacobian_lipschitz": Score(
            "none",
            "largest change of the output per change of the code, exceeded by 5 % of codes",
            purpose="walk",
            range=(0, float("inf")),
            floor=1.0,
            ceiling=1.0,
        ),
        "jacobian_log_volume": Score(
            "none",
            "log volume of outputs per volume of codes",
            purpose="walk",
            unit="nats",
            floor=0.0,
            ceiling=0.0,
        ),
        "jacobian_anisotropy": Score(
            "none",
            "how much the largest stretch differs between codes, as a logarithm",
            purpose="walk",
            range=(0, float("inf")),
            floor=0.0,
            ceiling=0.0,
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("decoder_gradient",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "rotation", "permutation")
    tolerance: ClassVar[float] = 0.001

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return all five."""
        if space.dim > WIDEST:
            raise NotApplicableError(f"codes have {space.dim} dimensions, Jacobians are for at most {WIDEST}")
        spectrum = jacobian_spectrum(space.decoder, space.codes[some_rows(len(space), CODES)])
        return {
            "jacobian_condition": spectrum["condition_log10_q50"],
            "jacobian_condition_q95": spectrum["condition_log10_q95"],
            "jacobian_lipschitz": spectrum["lipschitz_q95"],
            "jacobian_log_volume": spectrum["log_volume"],
            "jacobian_anisotropy": spectrum["anisotropy"],
        }
