from __future__ import annotations

import math

import pytest

from latentbench.scores import Score, gain


@pytest.mark.parametrize(
    ("better", "expected"), [("up", 0.75), ("down", -0.75), ("near:0.5", -0.25), ("near:1", -0.25)]
)
def test_a_gain_is_larger_where_a_value_is_better(better, expected):
    assert gain(0.75, better) == expected
    assert Score(better, "made up").gain(0.75) == expected


def test_there_is_no_gain_without_a_better_direction():
    assert math.isnan(gain(0.75, "none"))
