"""A mixture of normals as a prior, and posteriors that know their divergence from one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine
from torch.special import ndtr, ndtri

from latentbench import Posterior

__all__ = ["NormalMixture", "PosteriorOfMixture"]

PAIRS = 32  # of opposite samples, from which a divergence is estimated
SAMPLE_SEED = 1_000_081  # of these, the same for all


@dataclass(frozen=True)
class NormalMixture(Posterior):
    """A mixture of diagonal normals of equal weight; `mean` and `variance` `(d,)` are those of the whole.

    Attributes:
        means: of the components, `(k, d)`.
        variances: likewise.
    """

    means: Tensor
    variances: Tensor

    @classmethod
    def of(cls, components: Posterior) -> NormalMixture:
        """Mix the normals of all rows."""
        means, variances = components.mean, components.variance
        whole = variances.mean(0) + means.var(0, correction=0)
        return cls(means.mean(0), whole, means, variances)

    def sample(self, noise: Tensor) -> Tensor:
        """Turn standard normal `noise` `(n, d)` into codes; its first number also chooses the component."""
        count = len(self.means)
        place = count * ndtr(noise[:, 0].double())
        chosen = place.long().clamp(max=count - 1)
        rest = ndtri((place - chosen).clamp(1e-9, 1 - 1e-9)).to(noise.dtype)
        noise = torch.cat([rest[:, None], noise[:, 1:]], dim=1)
        return self.means[chosen] + self.variances[chosen].sqrt() * noise

    def log_prob(self, codes: Tensor) -> Tensor:
        """Log density of `codes` `(n, d)` in nats, `(n,)`."""
        each = Posterior(self.means, self.variances).log_prob(codes[:, None])
        return each.logsumexp(1) - math.log(len(self.means))

    def to(self, device: torch.device | str) -> NormalMixture:
        """Move to a device."""
        return NormalMixture(*(part.to(device) for part in vars(self).values()))


class PosteriorOfMixture(Posterior):
    """A diagonal normal per input whose prior is a mixture."""

    def log_ratio(self, noise: Tensor, prior: NormalMixture) -> Tensor:
        """Return log p(z) - log q(z | x) in nats, `(n,)`, of the codes that `sample` makes of `noise` `(n, d)`.

        It keeps its digits where both are nearly the same, as they are before training.
        """
        mean, noise, variance = self.mean[:, None], noise[:, None], self.variance[:, None]
        log_shares = variance.log() - prior.variances.log()
        shift = mean - prior.means
        crossed = (shift.square() + 2 * shift * variance.sqrt() * noise) / prior.variances
        each = 0.5 * (log_shares - noise.square() * torch.expm1(log_shares) - crossed).sum(-1)
        largest = each.detach().amax(1)
        return largest + torch.log1p(torch.expm1(each - largest[:, None]).mean(1))

    def kl(self, prior: Posterior) -> Tensor:
        """Kullback-Leibler divergence from a mixture in nats, `(n,)`.

        In closed form from the normal of the mixture's mean and variance; how the mixture differs from that is
        estimated from pairs of opposite quasi-random samples, the same for every input and in every call.
        """
        if not isinstance(prior, NormalMixture):
            return super().kl(prior)
        normal = Posterior(prior.mean, prior.variance)
        engine = SobolEngine(self.mean.shape[1], scramble=True, seed=SAMPLE_SEED)  # type: ignore[no-untyped-call]
        points = engine.draw(PAIRS)
        draws = ndtri(points.double().clamp(1e-6, 1 - 1e-6)).to(self.mean)
        codes = [self.sample(noise) for noise in torch.cat([draws, -draws])]
        apart = torch.stack([normal.log_prob(each) - prior.log_prob(each) for each in codes])
        return super().kl(normal) + apart.mean(0)

    def to(self, device: torch.device | str) -> PosteriorOfMixture:
        """Move to a device."""
        return PosteriorOfMixture(self.mean.to(device), self.variance.to(device))
