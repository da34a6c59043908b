"""What a trial may spend; part of its key."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from latentbench.params import Params

__all__ = ["Budget"]


class Budget(Params):
    """What a gradient model may spend; models that fit at once use `train_limit` and `threads` alone."""

    epochs: int = Field(default=8, ge=1, description="passes over the training split")
    batch_size: int = Field(default=128, ge=1, description="images per optimizer step")
    learning_rate: float = Field(default=3e-3, gt=0, description="highest step size; it decays to 0 by a cosine")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(default="adam", description="torch optimizer")
    train_limit: int | None = Field(default=None, ge=2, description="train on this many images only")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of training; bfloat16: autocast"
    )
    threads: int = Field(default=1, ge=1, description="torch threads of a trial; results differ with it")
