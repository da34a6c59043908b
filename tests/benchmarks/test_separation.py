"""Models of known quality are told apart as often as promised: 200 tables a scenario, each with its own truth."""

import pytest

MOST = 17  # of 200 tables: more come by chance in under 2 of 100 scenarios with a true rate of 5 %


@pytest.fixture(scope="module")
def separation(script):
    return script("separation.py")


TRUTHS = range(6)  # places in separation.TRUTHS
SIZES = [(2, 9), (3, 1)]


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("truth", TRUTHS)
def test_equal_models_are_told_apart_in_at_most_five_percent_of_tables(separation, truth, seeds):
    counts = separation.false_separations(separation.TRUTHS[truth], seeds, SIZES)
    assert max(counts) <= MOST, counts


@pytest.mark.parametrize("truth", [0, 2, 4])  # one number, 0/1 and real values of 360 items
def test_so_are_five_models_and_a_deterministic_one(separation, truth):
    assert separation.false_separations(separation.TRUTHS[truth], 5, [(5, 3)])[0] <= MOST
    assert separation.false_separations(separation.TRUTHS[truth], 5, [(3, 9)], fixed=1)[0] <= MOST


@pytest.mark.parametrize("truth", TRUTHS)
def test_a_large_gap_is_found_in_one_score_and_with_ten_seeds_in_nine(separation, truth):
    for seeds, size in ((5, (2, 1)), (10, (3, 9))):
        [(found, wrong)] = separation.power(separation.TRUTHS[truth], seeds, size, gaps=[4.0], repeats=50)
        assert found > 0.9
        assert wrong <= 7  # of 50


def test_no_gap_is_no_find_and_a_wrong_promise_would_be_seen(separation):
    [(found, _)] = separation.power(separation.TRUTHS[0], 5, (2, 1), gaps=[0.0])
    assert found < 0.05
    assert separation.false_separations(separation.OTHER_TEST_SET, 5, [(2, 1)])[0] > MOST


@pytest.mark.parametrize("truth", [2, 3, 4, 5])
def test_single_trials_are_told_apart_by_items_as_often_as_promised(separation, truth):
    truth = separation.TRUTHS[truth]
    assert max(separation.false_separations(truth, 1, [(2, 9), (5, 1)], fixed=5)) <= MOST
    [(found, wrong)] = separation.item_power(truth, (3, 9), gaps=[6.0], repeats=50)
    assert found > 0.9
    assert wrong <= 7  # of 50
