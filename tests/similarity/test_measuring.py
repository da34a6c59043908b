import pytest
import torch

from latentbench.similarity.measuring import measure, model_pairs, null_key, space_pairs
from latentbench.similarity.store import PairStore
from tests.similarity.conftest import PERMUTATIONS, Explained, Shared, asked, model_of

ORDER = torch.arange(60)


def test_each_two_models_are_compared_once_where_the_score_is_symmetric(models):
    pairs = [(a.label, b.label) for a, b in model_pairs(models, symmetric=True)]
    assert pairs == [
        ("ae", "ae"),
        ("ae", "vae"),
        ("ae", "network"),
        ("vae", "vae"),
        ("vae", "network"),
        ("network", "network"),
    ]
    assert len(list(model_pairs(models, symmetric=False))) == 9


def test_a_model_of_one_seed_is_not_compared_with_itself(models):
    alone = model_of("pca", [torch.randn(60, 2)])
    assert [(a.label, b.label) for a, b in model_pairs([alone, models[0]], symmetric=True)] == [
        ("pca", "ae"),
        ("ae", "ae"),
    ]


def test_no_space_is_compared_with_itself(models):
    for symmetric, count in ((True, 3), (False, 6)):
        pairs = list(space_pairs(models[0], models[0], symmetric))
        assert len(pairs) == count
        assert all(a is not b for a, b in pairs)
    assert len(list(space_pairs(models[0], models[1], True))) == 9


def test_values_are_those_of_the_metric(models, tmp_path):
    store, request = PairStore(tmp_path / "shared.json"), asked(Shared)
    measure(request, models, ORDER, store)
    for a, b in space_pairs(models[0], models[2], True):
        codes = torch.stack([space.space.codes[:, 0].double() for space in (a, b)])
        assert store.pair(a.key, b.key, True).value == pytest.approx(float(torch.corrcoef(codes)[0, 1]), abs=1e-6)


def test_a_second_call_computes_nothing_and_a_third_only_what_is_new(models, tmp_path):
    path, request = tmp_path / "shared.json", asked(Shared)
    measure(request, models[:2], ORDER, PairStore(path))
    assert Shared.computed == 3 + 9 + 3 + 3 * PERMUTATIONS
    content, Shared.computed = path.read_bytes(), 0
    measure(request, models[:2], ORDER, PairStore.read(path))
    measure(request, models[1::-1], ORDER, PairStore.read(path))  # in another order
    assert Shared.computed == 0
    assert path.read_bytes() == content
    measure(request, models, ORDER, PairStore.read(path))
    assert Shared.computed == 9 + 9 + 3 + 3 * PERMUTATIONS


def test_both_directions_are_computed_where_the_score_is_not_symmetric(models, tmp_path):
    store = PairStore(tmp_path / "explained.json")
    measure(asked(Explained), models[:2], ORDER, store)
    a, b = models[0].spaces[0], models[1].spaces[0]
    assert store.pair(a.key, b.key, False).value != store.pair(b.key, a.key, False).value
    assert Explained.computed == 6 + 9 + 9 + 6 + 4 * PERMUTATIONS


def test_all_pairs_of_models_see_the_same_permutations(models, tmp_path):
    twin = model_of("twin", [space.space.codes for space in models[1].spaces])
    store, request = PairStore(tmp_path / "shared.json"), asked(Shared)
    measure(request, [models[0], models[1], twin], ORDER, store)
    ae, vae, copy = (null_key(model) for model in (models[0], models[1], twin))
    assert store.null(ae, vae, True) == store.null(ae, copy, True)
    assert len(set(store.null(ae, vae, True))) == PERMUTATIONS


def test_what_is_done_is_kept_when_it_stops_on_its_way(models, tmp_path):
    path, request = tmp_path / "shared.json", asked(Shared)
    steps = iter([None, None])

    def stop():
        if next(steps, "over") == "over":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(request, models, ORDER, PairStore(path), stop)
    done, Shared.computed = PairStore.read(path), 0
    assert len(done.nulls) == 3
    measure(request, models[:2], ORDER, done)
    assert Shared.computed == 3 + PERMUTATIONS  # the seeds of the second alone


def test_each_pair_of_models_is_kept_when_it_is_done(models, tmp_path):
    path, counts = tmp_path / "shared.json", []
    measure(asked(Shared), models, ORDER, PairStore(path), lambda: counts.append(len(PairStore.read(path).nulls)))
    assert counts == [1, 2, 3, 4, 5, 6]


def test_a_pair_that_cannot_be_compared_has_a_reason_and_no_null(models, tmp_path):
    flat = model_of("flat", [torch.ones(60, 2), torch.randn(60, 2)])
    store = PairStore(tmp_path / "shared.json")
    measure(asked(Shared), [models[0], flat], ORDER, store)
    a, b = models[0].spaces[0], flat.spaces[0]
    assert store.pair(a.key, b.key, True).text == "the first dimension is constant"
    assert store.null(null_key(models[0]), null_key(flat), True) is None


def test_the_order_of_items_changes_nothing(models, tmp_path):
    request, order = asked(Shared), torch.randperm(60)
    stores = [PairStore(tmp_path / name) for name in ("a.json", "b.json")]
    measure(request, models, ORDER, stores[0])
    measure(request, models, order, stores[1])
    for pair, score in stores[0].pairs.items():
        assert stores[1].pairs[pair].value == pytest.approx(score.value, abs=1e-6)
