"""Rules of how a model learns: its loss, its random numbers, its gradients, data that are hardly any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from latentbench.errors import LatentbenchError, NotApplicableError
from latentbench.execution.isolation.failures import described
from latentbench.latent.digests import split_digests
from latentbench.machine import seeded
from latentbench.model import Batch, GradientModel
from latentbench.source.places import place_of
from latentbench.testing.generators import touched
from latentbench.testing.model_rules import difference
from latentbench.testing.rules import Rule, RuleBrokenError
from latentbench.testing.tried import TriedModel
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench.training.members import Alone, Stack

__all__ = ["TRAINING_RULES"]

OF_CHANCE = nn.modules.dropout._DropoutNd, nn.RReLU
LONG = Budget(epochs=30, batch_size=8)  # 90 steps
TOGETHER = 1e-3  # of the largest gradient: what float32 and other orders of sums may change
TINY = 1, 2, 3


def check_layers(tried: TriedModel) -> None:
    """No layer keeps statistics of batches or draws numbers of its own."""
    model = tried.gradient_model()
    found = [
        f"{name} ({type(layer).__name__})"
        for name, layer in model.named_modules()
        if isinstance(layer, (nn.modules.batchnorm._BatchNorm, *OF_CHANCE))
        or (isinstance(layer, nn.modules.instancenorm._InstanceNorm) and layer.track_running_stats)
    ]
    if found:
        raise RuleBrokenError(
            f"{', '.join(found)}: batch norm makes an item's loss depend on others and changes buffers in loss, "
            "dropout draws undeclared numbers; use GroupNorm or LayerNorm, and Draw for noise"
        )


def check_loss_is_pure(tried: TriedModel) -> None:
    """Loss gives the same for the same weights, batch and noise, and changes none of them."""
    model, batch = tried.gradient_model(), tried.batch()
    noise = tried.noise(model)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    found = []
    for seed in (1, 2):
        with seeded(seed):
            with touched() as generators:
                terms = tried.terms(model, batch=batch, noise=noise)
            found.append({name: value.detach() for name, value in terms.items()})
            if generators:
                raise RuleBrokenError(
                    "loss draws random numbers of its own; declare them in noise_spec, as "
                    '{"eps": Draw("normal", (latent_dim,))}, and take them from noise["eps"]'
                )
    if any(not torch.equal(value, found[1][name]) for name, value in found[0].items()):
        raise RuleBrokenError("loss gives another value when it is called again; keep nothing between calls")
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, kept[name])]
    if changed:
        raise RuleBrokenError(
            f"loss changes {', '.join(changed)} in place; return new buffers from update instead"
        )
    if not torch.equal(batch.inputs, tried.inputs) or any(
        not torch.equal(value, noise[name]) for name, value in tried.noise(model).items()
    ):
        raise RuleBrokenError("loss writes into the batch or the noise that it was given; work on a copy")


def check_labels_declared(tried: TriedModel) -> None:
    """Labels and factors change no loss, unless the class declares `uses_labels`."""
    if tried.cls.uses_labels:
        raise NotApplicableError("it says that it uses labels")
    model, batch = tried.gradient_model(), tried.batch()
    labels, factors = (None if told is None else told.flip(0) for told in (batch.labels, batch.factors))
    noise, turned = tried.noise(model), replace(batch, labels=labels, factors=factors)
    first, again, other = (tried.terms(model, batch=each, noise=noise) for each in (batch, batch, turned))
    if any(not torch.equal(value, again[name]) for name, value in first.items()):
        raise NotApplicableError("its loss gives another value each time (loss_is_pure)")
    if any(not torch.equal(value, other[name]) for name, value in first.items()):
        raise RuleBrokenError(
            "loss depends on labels or factors; declare uses_labels = True, so that tables show an upper bound"
        )


def check_gradients(tried: TriedModel) -> None:
    """A gradient of the loss reaches every parameter."""
    model = tried.gradient_model()
    for name, value in tried.terms(model).items():
        if name == "total" or name.endswith("_total"):
            value.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    still = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    if still:
        raise RuleBrokenError(
            f"no gradient of the loss reaches {', '.join(still)}; use them in loss, make them buffers, or leave "
            "them out"
        )


def check_members_together(tried: TriedModel) -> None:
    """Two trials stacked for one training have the losses and gradients that each has alone."""
    if not tried.cls.groupable:
        raise NotApplicableError("groupable = False")
    models = [tried.gradient_model(seed) for seed in (0, 1)]
    batch = tried.batch()
    noises = [tried.noise(model, seed) for seed, model in enumerate(models)]
    stack = Stack(models)
    both = Batch(
        torch.stack([batch.inputs] * 2),
        torch.stack([batch.rows] * 2),
        None if batch.labels is None else torch.stack([batch.labels] * 2),
        None if batch.factors is None else torch.stack([batch.factors] * 2),
        batch.progress,
    )
    joined = {name: torch.stack([noise[name] for noise in noises]) for name in noises[0]}
    for player in models[0].players or ("",):
        try:
            together = stack.terms(both, joined, player)
        except RuntimeError as error:
            raise RuleBrokenError(
                f"stacked by torch.func.vmap, loss fails at {place_of(error, tried.cls)} "
                f"({described(error)[:100]}...): use arithmetic alone there (torch.where for if), or declare "
                "groupable = False"
            ) from error
        slopes = _slopes(together["total"].sum(), stack.weights)
        for index, model in enumerate(models):
            alone = Alone(model)
            terms = alone.terms(batch, noises[index], player)
            far = [name for name, value in terms.items() if difference(together[name][index], value) > TOGETHER]
            far += [
                f"the gradient of {name}"
                for name, slope in _slopes(terms["total"], alone.weights).items()
                if difference(slopes[name][index], slope) > TOGETHER
            ]
            if far:
                raise RuleBrokenError(
                    f"trained together with another trial, {', '.join(far[:3])} come out otherwise than alone; "
                    "declare groupable = False"
                )


def _slopes(total: Tensor, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
    return {
        name: torch.zeros_like(weight) if slope is None else slope
        for (name, weight), slope in zip(weights.items(), found, strict=True)
    }


def check_seed_decides(tried: TriedModel) -> None:
    """The trial's seed decides what is learned: the same again, another for another seed unless deterministic."""
    codes = tried.repeated_codes()
    again = tried.fit(stray=1)  # numbers that it must not draw from are others
    if not torch.equal(tried.encode(again, tried.inputs), codes):
        raise RuleBrokenError(
            "trained again with the same seed, it gives other codes; draw every random number in fit from its "
            "generator, in __init__ from torch, in loss from the declared noise"
        )
    same = torch.equal(tried.encode(tried.fit(seed=1), tried.inputs), codes)
    if same and not tried.cls.deterministic:
        raise RuleBrokenError("another seed gives the same codes; declare deterministic = True")
    if not same and tried.cls.deterministic:
        raise RuleBrokenError("deterministic = True, and another seed gives other codes; leave that out")


def check_training_data_untouched(tried: TriedModel) -> None:
    """Training does not write into the data, which all models share."""
    split = tried.split.take(np.arange(len(tried.split)))
    before = split_digests(split)
    model = tried.build()
    if isinstance(model, GradientModel):
        train_model(model, split, Budget(epochs=1, batch_size=8), 0)
    else:
        model.fit(split, torch.Generator().manual_seed(0))
    changed = [name for name, digest in split_digests(split).items() if digest != before[name]]
    if changed:
        raise RuleBrokenError(f"training wrote into the {', '.join(changed)} of the data; work on a copy")


def check_loss_falls(tried: TriedModel) -> None:
    """Trained on inputs that two numbers describe, its loss falls."""
    model = tried.gradient_model()
    if model.players:
        raise NotApplicableError("its players' losses need not fall: one's gain is another's loss")
    history = train_model(model, tried.split, LONG, 0)
    first, last = history[0]["total"], history[-1]["total"]
    if not last < first:
        raise RuleBrokenError(
            f"after {LONG.epochs} epochs the loss is {last:.4g}, it was {first:.4g} in the first: it does not "
            "learn such data; look at the sign of `total` and at what is detached"
        )


def check_tiny_data(tried: TriedModel) -> None:
    """On one, two or three rows it learns something finite, or says that it is not applicable."""
    for rows in TINY:
        on = f"on {rows} {'row' if rows == 1 else 'rows'}"
        few = replace(tried, split=tried.split.take(np.arange(rows)))
        try:
            codes = few.encode(few.fit(), few.inputs)
        except NotApplicableError:
            continue
        except LatentbenchError as error:
            raise RuleBrokenError(f"{on}: {error}; raise NotApplicableError with the reason") from error
        except Exception as error:
            raise RuleBrokenError(
                f"{on} it raises {type(error).__name__}: {' '.join(str(error).split())[:200]}; raise "
                "NotApplicableError with the reason"
            ) from error
        if not torch.isfinite(codes).all():
            raise RuleBrokenError(f"on {rows} rows codes are not finite; raise NotApplicableError with the reason")


TRAINING_RULES: tuple[Rule, ...] = (
    check_layers,
    check_loss_is_pure,
    check_labels_declared,
    check_gradients,
    check_members_together,
    check_seed_decides,
    check_training_data_untouched,
    check_loss_falls,
    check_tiny_data,
)
