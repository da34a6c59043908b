from __future__ import annotations

import math
from typing import get_args

import pytest

from latentbench.errors import ContractError
from latentbench.scores import PURPOSES, Purpose, Score, gain


@pytest.mark.parametrize(
    ("better", "expected"), [("up", 0.75), ("down", -0.75), ("near:0.5", -0.25), ("near:1", -0.25)]
)
def test_a_gain_is_larger_where_a_value_is_better(better, expected):
    assert gain(0.75, better) == expected
    assert Score(better, "made up").gain(0.75) == expected


def test_there_is_no_gain_without_a_better_direction():
    assert math.isnan(gain(0.75, "none"))


def test_purposes_are_those_that_types_know():
    assert get_args(Purpose) == PURPOSES


MISTAKES = {
    "better": ({"better": "upp"}, "`better`.*'up', 'down', 'none' or 'near:VALUE', got 'upp'; did you mean 'up'"),
    "better near nothing": ({"better": "near:"}, "`better`.*got 'near:'"),
    "better near a word": ({"better": "near:one"}, "`better`.*got 'near:one'"),
    "better near infinity": ({"better": "near:inf"}, "`better`.*got 'near:inf'"),
    "better of no text": ({"better": 1}, "`better`.*got 1"),
    "purpose": ({"purpose": "kep"}, "`purpose`.*got 'kep'; did you mean 'keep'"),
    "kind": ({"kind": "costs"}, "`kind`.*got 'costs'; did you mean 'cost'"),
    "codes": ({"codes": "samples"}, "`codes`.*got 'samples'; did you mean 'sample'"),
    "range backwards": ({"range": (1, 0)}, r"`range`.*smallest.*got \(1, 0\)"),
    "range nan": ({"range": (0, math.nan)}, r"`range`.*got \(0, nan\)"),
    "range of one number": ({"range": (0,)}, r"`range`.*got \(0,\)"),
    "range of text": ({"range": ("0", 1)}, r"`range`.*got \('0', 1\)"),
    "floor as text": ({"floor": "0.1"}, "`floor`.*name.*got '0.1'"),
    "ceiling empty": ({"ceiling": ""}, "`ceiling`.*name.*got ''"),
    "floor nan": ({"floor": math.nan}, "`floor`.*finite number.*got nan"),
    "flag alone": ({"flag": "collapsed"}, "`flag`.*`flag_below`"),
    "flag_below alone": ({"flag_below": 1.0}, "`flag`.*`flag_below`"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake):
    fields, sentence = MISTAKES[mistake]
    with pytest.raises(ContractError, match=f"^correct {sentence}"):
        Score(**{"better": "up", "description": "made up", **fields})


def test_only_direction_and_description_go_without_a_name():
    with pytest.raises(TypeError, match="positional"):
        Score("up", "made up", "keep")


def test_a_sound_score_is_made():
    score = Score(
        "near:1",
        "made up",
        purpose="make",
        range=(0, math.inf),
        floor="untrained",
        ceiling=1,
        flag_below=0,
        flag="odd",
    )
    assert (score.floor, score.ceiling) == ("untrained", 1)
