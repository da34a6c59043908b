"""The budget of a trial; part of its key."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from latentbench.params import Params

__all__ = ["Budget"]


class Budget(Params):
    """The budget of a gradient model; models that fit in one go only use `train_limit` and `threads`."""

    epochs: int = Field(default=8, ge=1, description="passes over the training split")
    checkpoint: int | None = Field(
        default=None, ge=1, description="stop after this many epochs, while the learning rate is still high"
    )
    batch_size: int = Field(default=128, ge=1, description="images per optimizer step")
    learning_rate: float = Field(default=3e-3, gt=0, description="peak step size; it decays to 0 along a cosine")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(default="adam", description="torch optimizer")
    train_limit: int | None = Field(default=None, ge=2, description="train on only this many images")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="of training; auto (in a benchmark): bfloat16 where the hardware supports it",
    )
    threads: int = Field(default=1, ge=1, description="torch threads of a trial; they affect results")

    @model_validator(mode="after")
    def _stop_in_time(self) -> Self:
        if self.checkpoint is not None and self.checkpoint > self.epochs:
            raise ValueError(f"should be at most epochs, which is {self.epochs}")
        return self

    @property
    def trained_epochs(self) -> int:
        """The number of epochs to train: up to the checkpoint, or all."""
        return self.checkpoint or self.epochs
