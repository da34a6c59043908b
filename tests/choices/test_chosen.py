"""What was chosen, as JSON and in the words below a table."""

import json

import pytest

from latentbench.choices.chosen import Chosen, Tried, choices_in_words


def chosen(label="wide", by=("r2",), place=1, ended=True, names=("width",)):
    values = [dict.fromkeys(names, value) for value in (2, 8.0)]
    tried = [Tried(each, f"{label}({each[names[0]]:g})", "0" * 64, dict.fromkeys(by, 0.5), 1.5) for each in values]
    return Chosen("digits", label, place, tuple(tried), by, ended)


def test_a_choice_comes_back_from_json_as_it_was():
    choice = chosen()
    assert Chosen.from_json(json.loads(json.dumps(choice.to_json()))) == choice


@pytest.mark.parametrize("damage", [{"place": 2}, {"tried": 3}, {"by": "r2"}, {"other": 1}])
def test_a_damaged_choice_is_refused(damage):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Chosen.from_json({**chosen().to_json(), **damage})


def test_below_a_table_stands_what_was_chosen_among_what_and_by_what():
    both = chosen(by=("r2", "knn10"))
    assert choices_in_words([both, chosen("plain", by=("knn10",), place=0)]) == (
        "chosen on the validation split with seed 0, by the mean rank in r2, knn10",
        "wide(8): width=8 of 2, 8",
        "plain(2): width=2 of 2, 8 (by knn10)",
    )
    assert choices_in_words([]) == ()


def test_parameters_that_belong_together_stand_together():
    words = choices_in_words([chosen(names=("width", "depth"))])
    assert words[1] == "wide(8): width=8, depth=8 of (2, 2), (8, 8)"


def test_below_a_table_stands_that_nothing_could_be_chosen_or_has_been_yet():
    nothing, not_yet = chosen(by=(), place=0), chosen(by=(), place=0, ended=False)
    assert choices_in_words([nothing])[1] == "wide(2): width=2, the first of 2, 8; none of them has a score"
    assert choices_in_words([not_yet])[1] == "wide(2): width=2, the first of 2, 8; not chosen yet"
