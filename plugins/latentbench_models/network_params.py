"""The parameters of `network`: its files, its layer, what is done to inputs."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field, computed_field, field_validator, model_serializer, model_validator

from latentbench import DataError, Params
from latentbench_models.network_files import fingerprint

__all__ = ["SourceParams"]

SINCE_0_2 = frozenset({"key", "size", "mean", "std", "transform"})  # absent from older trials, whose keys stay


class SourceParams(Params):
    """Where the network and its weights lie, and which layer gives the codes."""

    source: str = Field(
        description="callable that makes the network: FILE.py:NAME or PACKAGE.MODULE:NAME, as "
        "torchvision.models:resnet18"
    )
    weights: str = Field(
        default="", description="file with its state dict, or a checkpoint (.safetensors, .pt, ...); empty: none"
    )
    key: str = Field(
        default="", description="where in a checkpoint the state dict lies, as ema.model; empty: it is found"
    )
    layer: str = Field(default="", description="name as in named_modules(); empty: the network's own output")
    pool: Literal["flatten", "mean"] = Field(
        default="flatten", description="code of a layer with pixels or tokens: all numbers, or their mean"
    )

    @field_validator("layer", mode="before")
    @classmethod
    def _read_layer(cls, value: Any) -> Any:
        """Take 3 as "3"; 0.1 could have been 0.10."""
        if isinstance(value, float):
            raise ValueError(f"was read as a number: write it with a dot in front, as .{value}")
        return str(value).removeprefix(".") if isinstance(value, str | int) else value

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def fingerprint(self) -> str:
        """Return the fingerprint of the files, so that other files make another trial."""
        return fingerprint(self.source, self.weights)

    @model_validator(mode="wrap")
    @classmethod
    def _check_files(cls, values: Any, build: Any) -> Any:
        """Refuse files that differ from those a trial was planned with.

        Raises:
            DataError: they have changed, or are not there.
        """
        filled = dict(values) if isinstance(values, dict) else values
        planned = filled.pop("fingerprint", None) if isinstance(filled, dict) else None
        params = build(filled)
        if planned not in (None, params.fingerprint):
            changed = " or ".join(filter(None, [params.source.rpartition(":")[0], params.weights]))
            raise DataError(f"{changed} has changed since this trial was planned; run the benchmark again")
        return params

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_used(self, dump: Any) -> dict[str, Any]:
        """Return the values; a trial that uses nothing new has the key that it always had."""
        values: dict[str, Any] = dump(self)
        return {name: value for name, value in values.items() if value or name not in SINCE_0_2}
