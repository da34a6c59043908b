from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench.execution.scoring import compute
from latentbench_metrics import label_budgets
from latentbench_metrics.label_budgets import (
    BUDGETS,
    DRAWS,
    LinearProbeBudgets,
    NeighborBudgets,
    area_over_budgets,
    draws_of,
    knn10_n,
    knn10_n_per_item,
    label_order,
    labeled_rows,
    linear_probe_auc,
    linear_probe_n,
    linear_probe_n_per_item,
)
from latentbench_metrics.probes import linear_probe_accuracy

PROBES = ("linear_probe_n10", "linear_probe_n100", "linear_probe_n1000", "linear_probe_auc")
NEIGHBORS = ("knn10_n10", "knn10_n100", "knn10_n1000")
SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=8)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def clusters(count, classes=10, spread=0.01, seed=0):
    labels = torch.arange(count) % classes
    return torch.eye(classes, dtype=torch.float64)[labels] + spread * normal(count, classes, seed=seed), labels


def space_of(codes, labels, train=None):
    bank = None if train is None else LatentSpace.from_arrays(codes=train[0], labels=train[1])
    return LatentSpace.from_arrays(codes=codes, labels=labels, train=bank)


def scores(metric, space):
    return compute(metric(metric.Params()), space)


def means(metric, space):
    return {name: float(torch.as_tensor(value).mean()) for name, value in scores(metric, space).items()}


def of_sizes(sizes, seed=0):
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]


# which labels


@given(sizes=SIZES, seed=st.integers(0, 10_000), data=st.data())
@settings(max_examples=60, deadline=None)
def test_draws_are_nested_and_hold_one_of_each_class(sizes, seed, data):
    labels = of_sizes(sizes)
    order = label_order(labels, seed)
    assert torch.equal(order.sort().values, torch.arange(len(labels)))
    few = data.draw(st.integers(len(sizes), len(labels)))
    many = data.draw(st.integers(few, len(labels)))
    some, more = labeled_rows(labels, few, seed), labeled_rows(labels, many, seed)
    assert torch.equal(some, more[:few])
    assert len(torch.unique(some)) == few
    assert labels[some].bincount(minlength=len(sizes)).min() >= 1


@given(sizes=SIZES, seed=st.integers(0, 10_000), data=st.data())
@settings(max_examples=60, deadline=None)
def test_draws_are_stratified(sizes, seed, data):
    """What defines Sainte-Laguë's numbers: no class could give a label to another and be nearer to its share."""
    labels = of_sizes(sizes)
    budget = data.draw(st.integers(len(sizes), len(labels)))
    counts = labels[labeled_rows(labels, budget, seed)].bincount(minlength=len(sizes))
    gives = [(int(n) - 0.5) / size for n, size in zip(counts, sizes, strict=True) if n > 1]
    takes = [(int(n) + 0.5) / size for n, size in zip(counts, sizes, strict=True) if n < size]
    assert max(gives, default=0) <= min(takes, default=math.inf) + 1e-12


def test_classes_of_one_size_have_equally_many_labels():
    labels = torch.arange(2000) % 10
    for budget in (10, 100, 1000):
        assert labels[labeled_rows(labels, budget)].bincount().tolist() == [budget // 10] * 10
    assert sorted(labels[labeled_rows(labels, 25)].bincount().tolist()) == [2] * 5 + [3] * 5


def test_a_rare_class_has_one_label_and_the_others_their_share():
    labels = torch.cat([torch.zeros(900), torch.ones(99), torch.full((1,), 7.0)]).long()
    assert labels[labeled_rows(labels, 10)].bincount(minlength=8).tolist() == [8, 1, 0, 0, 0, 0, 0, 1]
    assert labels[labeled_rows(labels, 1000)].bincount(minlength=8).tolist() == [900, 99, 0, 0, 0, 0, 0, 1]


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_neither_the_names_of_classes_nor_their_order_matter(seed):
    labels = of_sizes([30, 30, 17, 4])
    renamed = torch.tensor([5, 2, 9, 0])[labels]
    assert torch.equal(label_order(labels, seed), label_order(renamed, seed))


def test_every_item_of_a_class_is_as_likely_to_be_drawn():
    labels = of_sizes([20, 10])
    drawn = sum(torch.zeros(30).index_fill(0, labeled_rows(labels, 6, seed), 1) for seed in range(3000)) / 3000
    assert drawn == pytest.approx(torch.full((30,), 0.2).numpy(), abs=0.03)


# known answers


@pytest.mark.parametrize("budget", [10, 100, 1000])
def test_clusters_far_apart_need_one_label_each(budget):
    bank, known = clusters(1500)
    codes, labels = clusters(400, seed=1)
    assert linear_probe_n(bank, known, codes, labels, budget) == 1
    assert knn10_n(bank, known, codes, labels, budget) == 1


def test_clusters_far_apart_have_the_area_of_one_and_random_codes_that_of_chance():
    bank, codes = clusters(1500), clusters(500, seed=1)
    assert linear_probe_auc(*bank, *codes) == 1
    noise = normal(4000, 8), torch.arange(4000) % 10
    space = space_of(*(part[:2000] for part in noise), [part[2000:] for part in noise])
    chance = means(LinearProbeBudgets, space) | means(NeighborBudgets, space)
    assert chance == pytest.approx(dict.fromkeys([*PROBES, *NEIGHBORS], 0.1), abs=0.02)


def test_the_nearest_of_two_labels_by_hand():
    """Classes at 0, 1, 2 and at 10, 11, 12: with one label each, the border lies halfway between the two."""
    bank, known = torch.tensor([[0.0], [1], [2], [10], [11], [12]]), torch.tensor([0, 0, 0, 1, 1, 1])
    codes, labels = torch.tensor([[4.0], [8.0], [5.75], [6.25]]), torch.tensor([0, 1, 1, 0])
    firsts = [labeled_rows(known, 2, draw) for draw in range(DRAWS)]
    borders = torch.tensor([float(bank[rows].mean()) for rows in firsts])  # 5, 5.5, ... 7
    expected = torch.stack([(codes[:, 0] > border).long() == labels for border in borders]).double().mean(0)
    assert knn10_n_per_item(bank, known, codes, labels, 2).tolist() == expected.tolist()
    assert linear_probe_n_per_item(bank, known, codes, labels, 2).tolist() == pytest.approx(expected.tolist())
    assert expected[:2].tolist() == [1, 1]


def test_as_many_neighbors_as_a_class_has_labels_up_to_ten(monkeypatch):
    asked = []
    monkeypatch.setattr(label_budgets, "draws_of", lambda budget: 1)
    real = label_budgets.nearest_rows
    monkeypatch.setattr(
        label_budgets, "nearest_rows", lambda bank, codes, k: asked.append(k) or real(bank, codes, k)
    )
    bank, known = clusters(1500)
    for budget in (10, 25, 100, 1000):
        knn10_n(bank, known, bank[:50], known[:50], budget)
    assert asked == [1, 2, 10, 10]


def test_the_area_is_a_mean_over_the_logarithm_of_the_budget():
    right = torch.tensor([[0.2], [0.6], [0.8], [0.9]], dtype=torch.float64)
    by_hand = (0.4 + 0.7 + 0.85) / 3
    assert area_over_budgets([10, 100, 1000, 10_000], right).item() == pytest.approx(by_hand, abs=1e-12)
    assert area_over_budgets([10, 1000], right[:2]).item() == pytest.approx(0.4, abs=1e-12)
    uneven = np.trapezoid([0.2, 0.6, 0.9], np.log([10, 100, 360])) / np.log(36)
    assert area_over_budgets([10, 100, 360], right[[0, 1, 3]]).item() == pytest.approx(uneven, abs=1e-12)


# an independent reference


def drawn_codes(spread, count=1600, dim=6):
    labels = torch.arange(count) % 5
    codes = 2 * normal(5, dim, seed=9)[labels] + spread * normal(count, dim, seed=1)
    return (codes[:1200], labels[:1200]), (codes[1200:], labels[1200:])


@pytest.mark.parametrize("budget", [10, 100, 1000])
@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_scikit_learn_on_the_same_labels_agrees(budget, spread):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

    (bank, known), (codes, labels) = drawn_codes(spread)
    scaler = StandardScaler().fit(bank.numpy())
    probes, voters = [], []
    for draw in range(draws_of(budget)):
        rows = labeled_rows(known, budget, draw)
        probe = LogisticRegression(C=1.0, max_iter=5000, tol=1e-8)
        probe.fit(scaler.transform(bank[rows].numpy()), known[rows].numpy())
        probes.append(probe.score(scaler.transform(codes.numpy()), labels.numpy()))
        voter = KNeighborsClassifier(min(10, budget // 5), algorithm="brute")
        voter.fit(bank[rows].numpy(), known[rows].numpy())
        voters.append(voter.score(codes.numpy(), labels.numpy()))
    assert linear_probe_n(bank, known, codes, labels, budget) == pytest.approx(np.mean(probes), abs=0.003)
    assert knn10_n(bank, known, codes, labels, budget) == pytest.approx(np.mean(voters), abs=1e-9)


def test_the_area_agrees_with_numpy_and_ends_at_the_probe_of_all_labels():
    train, test = drawn_codes(3.0)
    values = means(LinearProbeBudgets, space_of(*test, train))
    rounded = train[0].float(), train[1], test[0].float(), test[1]
    curve = [linear_probe_n(*rounded, budget) for budget in BUDGETS]
    assert [values[f"linear_probe_n{budget}"] for budget in BUDGETS] == curve
    curve += [linear_probe_accuracy(*rounded)]
    expected = np.trapezoid(curve, np.log10([*BUDGETS, 1200])) / np.log10(120)
    assert values["linear_probe_auc"] == pytest.approx(expected, abs=1e-9)
    assert values["linear_probe_auc"] == pytest.approx(linear_probe_auc(*train, *test), abs=0.003)


# the metrics


def test_two_models_are_given_the_same_labels(monkeypatch):
    given = []
    real = label_budgets.labeled_rows

    def overheard(*args):
        given.append(real(*args).tolist())
        return real(*args)

    monkeypatch.setattr(label_budgets, "labeled_rows", overheard)
    labels, known = torch.arange(200) % 4, torch.arange(1200) % 4
    asked = []
    for dim in (3, 4):
        train = normal(1200, dim, seed=dim), known
        for metric in (LinearProbeBudgets, NeighborBudgets):
            scores(metric, space_of(normal(200, dim, seed=dim), labels, train))
            asked.append(list(given))
            given.clear()
    assert len(asked[0]) == sum(map(draws_of, BUDGETS)) == 18
    assert asked[0] == asked[1] == asked[2] == asked[3]


def test_values_are_per_item_and_the_area_is_their_mean():
    train, test = drawn_codes(3.0)
    values = scores(LinearProbeBudgets, space_of(*test, train)) | scores(NeighborBudgets, space_of(*test, train))
    assert list(values) == [*PROBES, *NEIGHBORS]
    for value in values.values():
        assert value.shape == (400,)
        assert value.min() >= 0
        assert value.max() <= 1
    assert torch.equal((values["knn10_n10"] * DRAWS).round(), values["knn10_n10"] * DRAWS)


def test_more_labels_are_no_worse():
    train, test = drawn_codes(2.0)
    values = means(LinearProbeBudgets, space_of(*test, train)) | means(NeighborBudgets, space_of(*test, train))
    for family in ("linear_probe", "knn10"):
        few, some, many = (values[f"{family}_n{budget}"] for budget in BUDGETS)
        assert few < some < many
    assert values["linear_probe_n10"] < values["linear_probe_auc"] < values["linear_probe_n1000"]


def test_without_a_training_split_labels_come_from_folds():
    (codes, labels), _ = drawn_codes(0.05)
    for metric in (LinearProbeBudgets, NeighborBudgets):
        plain = space_of(codes, labels)
        assert "5-fold" in metric(metric.Params()).note(plain)
        values = scores(metric, plain)
        few, many = (next(name for name in values if name.endswith(end)) for end in ("_n10", "_n100"))
        assert float(values[few].mean()) == float(values[many].mean()) == 1
    each_once = torch.arange(40)
    values = scores(NeighborBudgets, space_of(each_once[:, None].float(), each_once))
    assert all(isinstance(value, NotApplicableError) for value in values.values())


def test_a_budget_above_what_there_is_is_not_applicable():
    bank, known = clusters(300, 3)
    values = scores(LinearProbeBudgets, space_of(bank[:60], known[:60], (bank, known)))
    values |= scores(NeighborBudgets, space_of(bank[:60], known[:60], (bank, known)))
    for name in ("linear_probe_n1000", "knn10_n1000"):
        assert str(values[name]) == "1000 labels are asked for, training has 300"
    assert float(values["linear_probe_auc"].mean()) == 1
    in_folds = scores(NeighborBudgets, space_of(bank[:110], known[:110]))
    assert str(in_folds["knn10_n100"]) == "100 labels are asked for, training has 88"


def test_all_labels_are_a_budget_like_others():
    bank, known = clusters(100, 4)
    assert sorted(labeled_rows(known, 100).tolist()) == list(range(100))
    values = scores(LinearProbeBudgets, space_of(bank[:60], known[:60], (bank, known)))
    assert float(values["linear_probe_n100"].mean()) == 1
    assert float(values["linear_probe_auc"].mean()) == 1  # of 10 and of all


def test_more_classes_than_labels_are_not_applicable():
    bank, known = clusters(1200, 30)
    values = scores(LinearProbeBudgets, space_of(bank[:90], known[:90], (bank, known)))
    assert str(values["linear_probe_n10"]) == "10 labels cannot hold one of each of 30 classes"
    assert float(values["linear_probe_n100"].mean()) == 1
    metric = LinearProbeBudgets(LinearProbeBudgets.Params())
    _, note = metric.compute(space_of(bank[:90], known[:90], (bank, known)))
    assert note == "linear_probe_auc over 100, 1000 and all 1200 labels"
    assert metric.compute(space_of(*clusters(400, 3), clusters(1500, 3)))[1] == ""


def test_without_two_budgets_there_is_no_area():
    bank, known = clusters(8, 2)
    values = scores(LinearProbeBudgets, space_of(*clusters(40, 2), (bank, known)))
    assert str(values["linear_probe_n10"]) == "10 labels are asked for, training has 8"
    assert (
        str(values["linear_probe_auc"]) == "no budget below all 8 labels: 10 labels are asked for, training has 8"
    )


@pytest.mark.parametrize("metric", [LinearProbeBudgets, NeighborBudgets])
def test_one_class_or_none_is_not_applicable(metric):
    codes, labels = clusters(300, 3)
    values = scores(metric, space_of(codes[:60], labels[:60], (codes, torch.zeros(300))))
    assert {str(value) for value in values.values()} == {"training labels hold a single class"}
    values = scores(metric, space_of(codes, torch.zeros(300)))
    assert {str(value) for value in values.values()} == {"training labels hold a single class"}
    with pytest.raises(NotApplicableError, match="no labels"):
        scores(metric, LatentSpace.from_arrays(codes=codes))


def test_a_class_with_one_item_is_among_the_labels_and_one_that_training_lacks_counts_as_wrong():
    bank, known = clusters(301, 3)
    known[300], bank[300] = 8, -torch.ones(3)
    codes, labels = clusters(60, 3)
    labels[:30] = 5
    for score in (linear_probe_n, knn10_n):
        assert score(bank, known, codes, labels, 10) == 0.5
        assert score(bank, known, -torch.ones(4, 3), torch.full((4,), 8), 4) == 1


def test_collapsed_codes_are_at_the_share_of_a_class():
    labels, known = torch.arange(400) % 4, torch.arange(1200) % 4
    space = space_of(torch.zeros(400, 3), labels, (torch.zeros(1200, 3), known))
    values = means(LinearProbeBudgets, space) | means(NeighborBudgets, space)
    assert values == pytest.approx(dict.fromkeys([*PROBES, *NEIGHBORS], 0.25), abs=0.01)


def test_dimensions_that_the_few_labels_do_not_show_do_not_blow_up():
    """Standardized over all training codes: over ten alone, a dimension may hardly vary among them."""
    bank, known = clusters(1200, 10, spread=0.1)
    rare = torch.zeros(1200, 1)
    rare[::50] = 5.0
    codes, labels = clusters(500, 10, spread=0.1, seed=1)
    seldom = torch.zeros(500, 1)
    seldom[::50] = 5.0
    value = linear_probe_n(torch.cat([bank, rare], 1), known, torch.cat([codes, seldom], 1), labels, 10)
    assert value > 0.93


@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=4, deadline=None)
def test_precision_scale_and_shift_do_not_matter(seed, scale, shift):
    (bank, known), (codes, labels) = drawn_codes(3.0)
    for score in (linear_probe_n, knn10_n):
        value = score(bank, known, codes, labels, 100)
        assert score(scale * bank + shift, known, scale * codes + shift, labels, 100) == pytest.approx(
            value, abs=0.005
        )
        assert score(bank.float(), known, codes.float(), labels, 100) == pytest.approx(value, abs=0.005)


def test_other_seeds_draw_other_labels():
    (bank, known), (codes, labels) = drawn_codes(3.0)
    first = knn10_n_per_item(bank, known, codes, labels, 10)
    assert torch.equal(first, knn10_n_per_item(bank, known, codes, labels, 10))
    assert not torch.equal(first, knn10_n_per_item(bank, known, codes, labels, 10, seed=1))
    assert not set(map(tuple, draws(known, 0))) & set(map(tuple, draws(known, 1)))


def draws(known, seed):
    return [labeled_rows(known, 10, seed * DRAWS + draw).tolist() for draw in range(DRAWS)]
