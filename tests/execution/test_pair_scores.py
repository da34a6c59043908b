"""What a pair metric is given of two spaces, and what it may return."""

import numpy as np
import pytest
import torch

from latentbench import ContractError, LatentSpace, NotApplicableError, PairMetric, RequestError, Score
from latentbench.execution.pair_scores import common_order, compared, given_to_pair, prepared, reordered


class Sum(PairMetric):
    """The sum of the first space's first codes and the second's, each weighted by its place."""

    score = Score("up", range=(0, 100))

    def compute(self, a, b):
        return float((a.codes[:, 0] * torch.arange(len(a))).sum() + (b.codes[:, 0] * torch.arange(len(b))).sum())


def metric(**traits):
    cls = type("Tried", (Sum,), traits)
    return cls(cls.Params())


def space(numbers, name, **arrays):
    return LatentSpace.from_arrays(codes=np.array(numbers, float)[:, None], name=name, **arrays)


INPUTS = np.array([[5.0, 1.0], [2.0, 7.0], [4.0, 4.0], [0.0, 3.0]])


def test_items_without_inputs_keep_their_order():
    a, b = space([1, 2, 3], "a"), space([4, 5, 6], "b")
    order = common_order((a, b))
    assert order.tolist() == [0, 1, 2]
    assert given_to_pair(metric(), b, order).codes.flatten().tolist() == [4, 5, 6]


@pytest.mark.parametrize("first_has_inputs", [True, False])
def test_the_inputs_of_one_order_the_items_of_both(first_has_inputs):
    seen, bare = space([0, 1, 2, 3], "seen", inputs=INPUTS), space([0, 1, 2, 3], "bare")
    pair = (seen, bare) if first_has_inputs else (bare, seen)
    order = common_order(pair)
    a, b = (given_to_pair(metric(), one, order) for one in pair)
    assert a.codes.flatten().tolist() == b.codes.flatten().tolist() == order.tolist() != [0, 1, 2, 3]


def test_the_same_inputs_with_labels_and_without_are_the_same_items():
    a, b = space([1, 2, 3, 4], "a", inputs=INPUTS, labels=[0, 1, 1, 0]), space([1, 2, 3, 4], "b", inputs=INPUTS)
    assert common_order((a, b)).tolist() == a.order.tolist()


def test_spaces_of_other_items_are_refused():
    a = space([1, 2, 3, 4], "a", inputs=INPUTS, labels=[0, 1, 1, 0])
    with pytest.raises(
        RequestError, match=r"^a has 4 items and b 3: give spaces of the same items, one row an item"
    ):
        common_order((a, space([1, 2, 3], "b")))
    sentence = "^row by row, a and b hold different items: give both the same items in the same order$"
    with pytest.raises(RequestError, match=sentence):
        common_order((a, space([1, 2, 3, 4], "b", inputs=INPUTS[::-1])))
    with pytest.raises(RequestError, match=sentence):
        common_order((a, space([1, 2, 3, 4], "b", labels=[0, 0, 1, 1])))


def test_classes_by_other_names_are_the_same_classes():
    a, b = space([1, 2, 3], "a", labels=["cat", "dog", "cat"]), space([1, 2, 3], "b", labels=[7, 2, 7])
    assert common_order((a, b)).tolist() == [0, 1, 2]


def test_what_a_space_lacks_is_told():
    a = space([1, 2, 3], "a")
    order = common_order((a,))
    with pytest.raises(NotApplicableError, match=r"^no training split$"):
        given_to_pair(metric(needs=("train",)), a, order)
    with pytest.raises(NotApplicableError, match=r"^needs 4 test items, there are 3$"):
        given_to_pair(metric(min_items=4), a, order)


def test_the_second_alone_must_have_what_the_second_needs():
    a, stitched = space([1, 2, 3], "a"), metric(needs_second=("decoder",))
    order = common_order((a,))
    assert len(given_to_pair(stitched, a, order)) == 3
    with pytest.raises(NotApplicableError, match=r"^no decoder$"):
        given_to_pair(stitched, a, order, second=True)


def test_of_more_items_both_get_the_same():
    a, b = space(range(50), "a"), space(range(50), "b")
    order, few = common_order((a, b)), metric(max_items=10)
    first, second = (given_to_pair(few, one, order).codes.flatten() for one in (a, b))
    assert first.tolist() == second.tolist() == sorted(first.tolist())
    assert len(set(first.tolist())) == 10


def test_a_reordered_space_is_compared():
    a, b = space([1, 1, 1], "a"), space([1, 2, 3], "b")
    order, tried = common_order((a, b)), metric()
    first, second = (prepared(tried, given_to_pair(tried, one, order)) for one in (a, b))
    assert compared(tried, first, second) == (3 + 8, "")
    assert compared(tried, first, reordered(tried, second, torch.tensor([2, 0, 1]))) == (3 + 5, "")


RETURNED = {
    "nan": (
        float("nan"),
        "compute returned nan; raise NotApplicableError with the reason where there is no number",
    ),
    "infinity": (float("inf"), "compute returned inf; raise NotApplicableError"),
    "outside": (100.5, "compute returned 100.5, and its score declares the range 0 to 100; correct one of them"),
    "no number": ("much", "compute must return a number, got 'much'"),
    "several": (torch.zeros(3), r"compute must return a number, got shape \(3,\)"),
    "nothing": (None, "compute must return a number, got None"),
    "a note that is none": ((1.0, 5), "compute must return a note beside its number as text, got int"),
}


@pytest.mark.parametrize("case", RETURNED)
def test_what_is_no_score_is_refused(case):
    value, sentence = RETURNED[case]
    with pytest.raises(ContractError, match=f"^{sentence}"):
        compared(metric(compute=lambda self, a, b: value), None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [((2.0, "by halves"), (2.0, "by halves")), (torch.tensor(2.0), (2.0, "")), (np.float32(2), (2.0, ""))],
)
def test_numbers_of_any_kind_and_notes_are_taken(value, expected):
    assert compared(metric(compute=lambda self, a, b: value), None, None) == expected


def test_gradients_and_shared_generators_are_off():
    drawn = metric(compute=lambda self, a, b: float(torch.rand(1)) + torch.is_grad_enabled())
    assert compared(drawn, None, None) == compared(drawn, None, None)
    assert compared(drawn, None, None)[0] < 1
