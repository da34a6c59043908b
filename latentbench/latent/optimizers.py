"""Torch's optimizers, as they are, but for what only its compiler needs."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap

import torch

__all__ = ["OPTIMIZERS"]

MARKED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def _uncompiled(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """Return an optimizer whose methods bear no marks for torch's compiler.

    The first call of a method that bears one imports the compiler, which takes 1.3 s in each process and is not
    used here. The mark on `step` also switches gradients off.
    """
    methods: dict[str, object] = {name: unwrap(getattr(kind, name)) for name in MARKED}
    methods["step"] = torch.no_grad()(unwrap(kind.step))
    return type(kind.__name__, (kind,), methods)


OPTIMIZERS = {
    "adam": _uncompiled(torch.optim.Adam),
    "adamw": _uncompiled(torch.optim.AdamW),
    "sgd": _uncompiled(torch.optim.SGD),
}
