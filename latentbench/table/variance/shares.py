"""The analysis of variance of a nested design: seeds within settings, settings within methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Shares", "variance_shares"]


@dataclass(frozen=True)
class Shares:
    """Shares of the variance of all values; those of a kind add up to 1.

    Attributes:
        method: between the means of methods.
        setting: between the means of the settings of a method.
        seed: between the values of a setting: what neither explains.
        method_beyond_chance: `method` less what it would be on average if seeds alone made the difference
            (epsilon squared); below 0 where it is less than that. The other two likewise.
        setting_beyond_chance: see there.
        seed_beyond_chance: the rest.
        deviation: standard deviation of all values.
        values: how many there are.
    """

    method: float
    setting: float
    seed: float
    method_beyond_chance: float
    setting_beyond_chance: float
    seed_beyond_chance: float
    deviation: float
    values: int


def variance_shares(values: Mapping[str, Mapping[str, Sequence[float]]]) -> Shares:
    """Divide the sum of squared distances from the mean of all values into three.

    Sums of squares, with y the values, and means over all values of a method m, a setting s of it, and all:
    sum n_m (y_m - y)^2, sum n_ms (y_ms - y_m)^2 and sum (y_mst - y_ms)^2. They add up to the whole for any number
    of settings and of seeds, equal or not; every value counts alike.

    Args:
        values: method -> setting -> values of its seeds.

    Raises:
        ValueError: no setting has two seeds, or there is one setting in all.

    >>> variance_shares({"a": {"1": [0.0, 0.0], "2": [1.0, 1.0]}, "b": {"1": [3.0, 3.0], "2": [4.0, 4.0]}}).method
    0.9
    """
    methods = [
        [np.asarray(seeds, dtype=np.float64) for seeds in settings.values()] for settings in values.values()
    ]
    settings = [seeds for method in methods for seeds in method]
    every = np.concatenate(settings) if settings else np.empty(0)
    free = len(every) - len(settings)
    if free < 1:
        raise ValueError("no setting has the values of two seeds")
    if len(settings) < 2:
        raise ValueError("there is one setting in all")
    means = [np.concatenate(method).mean() for method in methods]
    of_method = sum(
        sum(map(len, method)) * (mean - every.mean()) ** 2 for method, mean in zip(methods, means, strict=True)
    )
    of_setting = sum(
        len(seeds) * (seeds.mean() - mean) ** 2
        for method, mean in zip(methods, means, strict=True)
        for seeds in method
    )
    of_seed = sum(((seeds - seeds.mean()) ** 2).sum() for seeds in settings)
    sums = [float(each) for each in (of_method, of_setting, of_seed)]
    return _divided(sums, [len(methods) - 1, len(settings) - len(methods), free], every)


def _divided(sums: Sequence[float], freedom: Sequence[int], every: np.ndarray) -> Shares:
    """Return sums of squares as shares of the whole, as they are and less what chance would make them."""
    whole = sum(sums)
    deviation = math.sqrt(whole / (len(every) - 1))
    if whole <= len(every) * (1e-12 * float(np.abs(every).max(initial=0.0))) ** 2:  # rounding alone
        return Shares(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, 0.0, len(every))
    chance = sums[2] / freedom[2]
    method, setting, seed = (part / whole for part in sums)
    of_method, of_setting = (
        (part - count * chance) / whole for part, count in zip(sums[:2], freedom[:2], strict=True)
    )
    beyond = 1 - of_method - of_setting
    return Shares(method, setting, seed, of_method, of_setting, beyond, deviation, len(every))
