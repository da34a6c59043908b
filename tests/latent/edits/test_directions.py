from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import LatentSpace, NotApplicableError
from latentbench.errors import RequestError, UnknownNameError
from latentbench.latent.edits.attributes import attribute_names, find_attribute
from latentbench.latent.edits.directions import (
    Direction,
    attribute_direction,
    balanced_means,
    mean_difference,
    orthogonalized,
    paired,
    probe_normal,
    random_direction,
)
from latentbench.latent.edits.editing import (
    best_strength,
    chain,
    counterfactual,
    edit,
    masked_error,
    originals,
    validation_items,
)
from latentbench.testing import CHANGES, gallery, moved

METHODS = ("mean_difference", "balanced_means", "probe_normal", "paired")


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def spots():
    return gallery(200, 1500)


def labelled(codes, **more):
    """A space that is its own training split."""
    space = LatentSpace.from_arrays(codes=codes, **more)
    return space.replaced(train=space)


# directions, against independent references


def test_mean_difference_is_that_and_the_slope_of_a_line():
    codes, values = normal(300, 4), (normal(300, seed=1) > 0.4).double()
    expected = codes[values == 1].mean(0) - codes[values == 0].mean(0)
    assert torch.allclose(mean_difference(codes, values), expected)
    numbers = normal(300, seed=2)
    slopes = [np.polyfit(numbers.numpy(), column.numpy(), 1)[0] for column in codes.T]
    assert mean_difference(codes, numbers).tolist() == pytest.approx(slopes)
    wide = torch.cat([codes] * 30)  # more rows than are summed at once
    assert torch.allclose(mean_difference(wide, values.repeat(30)), expected)


def test_balanced_means_are_the_coefficients_of_a_joint_regression():
    from sklearn.linear_model import LinearRegression

    codes, factors = normal(200, 5), normal(200, 3, seed=1)
    expected = LinearRegression().fit(factors.numpy(), codes.numpy()).coef_[:, 0]
    vector = balanced_means(codes, factors[:, 0], factors[:, 1:])
    assert vector.tolist() == pytest.approx(expected.tolist())


def test_balanced_means_undo_a_correlation_that_mean_differences_take_over():
    hat = (normal(4000) > 0).double()
    beard = torch.where(normal(4000, seed=1).abs() < 0.8, hat, 1 - hat)
    codes = hat[:, None] * torch.tensor([2.0, 0]) + beard[:, None] * torch.tensor([0, 3.0])
    codes = codes + 0.1 * normal(4000, 2, seed=2)
    assert balanced_means(codes, hat, beard[:, None]).tolist() == pytest.approx([2, 0], abs=0.02)
    assert float(mean_difference(codes, hat)[1]) > 0.4


def test_other_attributes_that_are_constant_or_the_same_again_are_left_out():
    codes, values = normal(100, 2), (normal(100, seed=1) > 0).double()
    others = torch.stack([torch.ones(100), 1 - 2 * values], 1)
    assert torch.allclose(balanced_means(codes, values, others), mean_difference(codes, values))


def test_the_probe_ignores_what_does_not_separate_and_spans_the_gap():
    values = (torch.arange(2000) % 2).double()
    noise = normal(2000) * 5
    codes = torch.stack([values + noise + 0.2 * normal(2000, seed=1), noise], 1)  # x - y tells the class
    normal_vector = probe_normal(codes, values)
    assert (normal_vector / normal_vector.norm()).tolist() == pytest.approx([0.5**0.5, -(0.5**0.5)], abs=0.02)
    projected = codes @ (normal_vector / normal_vector.norm())
    assert float(normal_vector.norm()) == pytest.approx(
        float(projected[values == 1].mean() - projected[values == 0].mean()), rel=1e-6
    )


def test_the_probe_of_a_continuous_attribute_is_per_unit():
    values = normal(2000)
    codes = torch.stack([3 * values, normal(2000, seed=1)], 1)
    assert probe_normal(codes, values).tolist() == pytest.approx([3, 0], abs=0.02)


def test_pairs_are_averaged_towards_the_higher_value():
    before, change = normal(50, 3), torch.where(normal(50, seed=1) > 0, 1.0, -1.0)
    after = before + change[:, None] * torch.tensor([1.0, 0, -2]) + 0.01 * normal(50, 3, seed=2)
    signed = ((after - before) * change[:, None]).mean(0)
    assert torch.allclose(paired(before, after, change), signed)


@pytest.mark.parametrize("how", METHODS)
def test_every_method_finds_the_axes_of_the_gallery(spots, how):
    for column, name in enumerate(spots.factor_names):
        direction = attribute_direction(spots, name, how)
        cosine = torch.nn.functional.cosine_similarity(direction.vector, torch.eye(5)[column], dim=0)
        assert cosine > (0.999 if how == "paired" else 0.97)
    step = attribute_direction(spots, "x", how).vector[0]
    assert float(step) == pytest.approx((63 / 12) ** -0.5, rel=0.02)  # grid numbers are standardized


@pytest.mark.parametrize("how", METHODS[:2])
@pytest.mark.parametrize("change", CHANGES)
def test_directions_go_with_the_coordinates(spots, how, change):
    codes = spots.codes[:1] + attribute_direction(spots, "size", how).vector
    other = moved(spots, change)
    there = other.codes[:1] + attribute_direction(other, "size", how).vector
    assert torch.allclose(other.decode(there), spots.decode(codes), atol=1e-4)


def test_a_pair_of_classes_goes_from_mean_to_mean(spots):
    codes, labels = spots.train.codes, spots.train.labels
    direction = attribute_direction(spots, "label:0->2", "mean_difference")
    assert torch.allclose(direction.vector, codes[labels == 2].mean(0) - codes[labels == 0].mean(0), atol=1e-5)
    assert direction.unit == "the gap between the classes' means"
    assert torch.equal(attribute_direction(spots, "label:0-2", "mean_difference").vector, direction.vector)
    back = attribute_direction(spots, "label:2->0", "mean_difference")
    assert torch.allclose(back.vector, -direction.vector, atol=1e-6)
    balanced = attribute_direction(spots, "label:0->2")  # its other factors held still, the aspect left out
    assert float(balanced.vector[3]) == pytest.approx(float(direction.vector[3]), rel=0.01)
    without = labelled(codes, labels=labels)
    plain = attribute_direction(without, "label:0->2", "balanced_means")
    assert torch.allclose(plain.vector, direction.vector, atol=1e-6)


def test_locked_attributes_are_taken_out():
    first, *others = (Direction(name, vector, "", "") for name, vector in zip("abc", normal(3, 6), strict=True))
    left = orthogonalized(first, others)
    assert max(abs(float(left.vector @ other.vector)) for other in others) < 1e-9
    span = torch.stack([left.vector - first.vector, others[0].vector, others[1].vector])
    assert torch.linalg.matrix_rank(span) == 2
    with pytest.raises(NotApplicableError, match="a has no direction of its own beside b, c"):
        orthogonalized(Direction("a", others[0].vector - 2 * others[1].vector, "", ""), others)


def test_locking_by_name():
    factors = (normal(500, 2) > 0).double()
    codes = factors @ torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    space = labelled(codes, factors=factors, factor_names=("hat", "beard"))
    direction = attribute_direction(space, "hat", orthogonal_to=["beard"])
    assert direction.vector.tolist() == pytest.approx([1, 0], abs=1e-5)


def test_a_random_direction_has_the_length_and_lies_where_codes_do():
    codes = normal(500, 3) * torch.tensor([1.0, 1.0, 0.0])
    vector = random_direction(codes, torch.tensor(2.5), seed=3)
    assert float(vector.norm()) == pytest.approx(2.5)
    assert vector[2] == 0
    assert torch.equal(vector, random_direction(codes, torch.tensor(2.5), seed=3))
    assert not torch.allclose(vector, random_direction(codes, torch.tensor(2.5), seed=4))


# goals


def factors_of(**columns):
    stacked = torch.tensor(list(columns.values()), dtype=torch.float64).T
    return labelled(torch.randn(len(stacked), 2), factors=stacked, factor_names=tuple(columns))


def test_the_opposite_of_two_values_and_of_many():
    space = factors_of(hat=[0.0, 1, 1, 0, 1], smile=[0.0, 1, 2, 3, 4], rare=[0.0, 0, 0, 0, 5])
    hat, smile, rare = (find_attribute(space, name) for name in space.factor_names)
    assert hat.binary
    assert hat.opposite(torch.tensor([0.0, 1.0])).tolist() == [1, 0]
    assert not smile.binary
    assert smile.opposite(torch.arange(5.0)).tolist() == [3, 3, 1, 1, 1]  # the quartiles are 1 and 3
    assert rare.opposite(torch.tensor([0.0, 5.0])).tolist() == [5, 0]
    assert smile.is_high(torch.arange(5.0)).tolist() == [False, False, True, True, True]


def test_steps_go_up_or_down_and_stay_in_range():
    space = factors_of(hat=[0.0, 1, 1, 0, 1], smile=[0.0, 1, 2, 3, 4])
    hat, smile = (find_attribute(space, name) for name in space.factor_names)
    assert hat.moved(torch.tensor([0.0, 1.0]), 0.5).tolist() == [1, 1]
    assert hat.moved(torch.tensor([0.0, 1.0]), -1).tolist() == [0, 0]
    wide = float(smile.values.std())
    assert smile.moved(torch.tensor([0.0, 4.0]), 1).tolist() == pytest.approx([wide, 4])
    spots = gallery(20, 500)
    aspect = find_attribute(spots, "aspect")
    assert aspect.moved(torch.tensor([0.0, 1.0, 2.0]), 1.0).tolist() == [1, 2, 2]  # 0.82 up, on to a level


def test_names_that_are_not_there_are_answered_with_near_ones(spots):
    assert attribute_names(spots) == ("x", "y", "size", "aspect", "tone")
    with pytest.raises(UnknownNameError, match=r"there is no attribute 'siez'; did you mean 'size'\?; attributes"):
        attribute_direction(spots, "siez")
    with pytest.raises(UnknownNameError, match=r"no class 7; classes are tall \(0\), round \(1\), wide \(2\)"):
        attribute_direction(spots, "label:0->7")
    with pytest.raises(RequestError, match="in quotes"):
        attribute_direction(spots, "label:5-")  # what is left when the shell took the rest
    with pytest.raises(RequestError, match="two different classes are written 'label:5->9'"):
        attribute_direction(spots, "label:1->1")
    with pytest.raises(UnknownNameError, match=r"no class 'tal'; did you mean 'tall'\?; classes are tall"):
        attribute_direction(spots, "label:tal->wide")


@pytest.mark.parametrize("name", ["label:tall->wide", "label:Tall-WIDE", "label:0-wide", "label:tall -> 2"])
def test_classes_are_asked_for_by_name(spots, name):
    named, numbered = find_attribute(spots, name), find_attribute(spots, "label:0->2")
    assert named.name == numbered.name == "label:tall->wide"
    assert named.classes == (0, 2)
    assert named.class_words == ("tall", "wide")
    assert torch.equal(named.values, numbered.values)


@pytest.mark.parametrize(
    ("names", "request_", "title"),
    [
        ((), "label:0->2", "label:0->2"),
        (("5", "9", "12"), "label:5-12", "label:5->12"),
        (("a-b", "a", "b"), "label:a-b-b", "label:a-b->b"),
        (("T-shirt/top", "->", "日本"), "label:t-shirt/TOP->日本", "label:T-shirt/top->日本"),
        (("a=b", " ", "a<b&c"), "label:a=b->a<b&c", "label:a=b->a<b&c"),
    ],
)
def test_pairs_of_any_names(spots, names, request_, title):
    named = spots.replaced(train=spots.train.replaced(class_names=names))
    assert find_attribute(named, request_).name == title


def test_a_pair_that_can_be_read_in_several_ways(spots):
    named = spots.replaced(train=spots.train.replaced(class_names=("a", "a-a", "b")))
    with pytest.raises(RequestError, match="names two classes in several ways; give their numbers"):
        find_attribute(named, "label:a-a-a")


def test_what_is_missing_is_said(spots):
    with pytest.raises(NotApplicableError, match="no training split"):
        attribute_direction(spots.replaced(train=None), "size")
    with pytest.raises(NotApplicableError, match="flat has a single value"):
        attribute_direction(factors_of(flat=[1.0, 1.0, 1.0]), "flat")
    with pytest.raises(NotApplicableError, match="no renderer"):
        attribute_direction(spots.replaced(render=None), "size", "paired")
    with pytest.raises(NotApplicableError, match="is not a factor"):
        attribute_direction(spots, "label:0->1", "paired")
    with pytest.raises(NotApplicableError, match="no labels"):
        attribute_direction(spots.replaced(train=spots.train.replaced(labels=None)), "label:0->1")


# edits


def test_an_edit_moves_and_decodes(spots):
    direction = attribute_direction(spots, "x", "paired")
    step = edit(spots, spots.codes[:3], direction, torch.tensor([0.0, 1.0, -2.0]))
    moved_by = (step.codes - spots.codes[:3])[:, 0]
    assert moved_by.tolist() == pytest.approx([0, float(direction.vector[0]), -2 * float(direction.vector[0])])
    assert torch.equal(step.outputs, spots.decode(step.codes))
    assert step.name == "x"


def test_a_chain_adds_up_in_any_order_and_begins_anew_when_re_encoded(spots):
    codes = spots.codes[:4]
    first, second = ((attribute_direction(spots, name), 0.7) for name in ("x", "size"))
    ahead, back = chain(spots, codes, [first, second]), chain(spots, codes, [second, first])
    assert [step.name for step in ahead] == ["reconstruction", "x", "size"]
    assert torch.equal(ahead[0].outputs, spots.decode(codes))
    assert torch.allclose(ahead[-1].codes, back[-1].codes, atol=1e-6)
    blurry = spots.replaced(encode=lambda images: 0.5 * spots.encode(images))
    again = chain(blurry, codes, [first, second], reencode=True)
    moved = codes + 0.7 * first[0].vector
    assert torch.allclose(again[1].codes, moved)
    assert torch.allclose(again[2].codes, 0.5 * spots.encode(spots.decode(moved)) + 0.7 * second[0].vector)


def test_counterfactuals_are_what_the_factors_draw(spots):
    items = originals(spots, spots.factors[:20])
    tone, aspect = find_attribute(spots, "tone"), find_attribute(spots, "aspect")
    case = counterfactual(spots, items, tone, aspect)
    factors = spots.factors[:20].clone()
    for column, attribute in ((4, tone), (3, aspect)):
        factors[:, column] = attribute.opposite(factors[:, column])
    assert torch.equal(case.truth, spots.render(factors))
    assert torch.equal(case.change, (factors - spots.factors[:20])[:, [4, 3]])
    assert torch.equal(case.changed, (case.truth - items.inputs).abs() > 8 / 255)
    assert 0.05 < float(case.changed.double().mean()) < 0.7
    aims = [torch.zeros(20, dtype=torch.float64)]
    factors = spots.factors[:20].clone()
    factors[:, 4] = 0
    assert torch.equal(counterfactual(spots, items, tone, aims=aims).truth, spots.render(factors))
    with pytest.raises(NotApplicableError, match="is not a factor"):
        counterfactual(spots, items, find_attribute(spots, "label:0->1"))


def test_numbers_beyond_images_have_a_threshold_of_their_own_range():
    factors = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    pattern = torch.tensor([[100.0, 2.0, 0.0]])
    space = labelled(
        factors.float(), factors=factors, factor_names=("f",), encode=lambda x: x[:, :1] / 100,
        decode=lambda z: z @ pattern, render=lambda f: f.float() @ pattern,
    )  # fmt: skip
    case = counterfactual(space, originals(space, factors), find_attribute(space, "f"))
    assert case.changed.tolist() == [[True, False, False]] * 2  # 2 is under 8/255 of 100


def test_masked_error_against_numpy():
    outputs, truth = normal(6, 2, 3), normal(6, 2, 3, seed=1)
    mask = normal(6, 2, 3, seed=2) > 0
    mask[0] = False
    expected = [0.0] + [
        float(np.mean((outputs[i].numpy() - truth[i].numpy())[mask[i].numpy()] ** 2)) for i in range(1, 6)
    ]
    assert masked_error(outputs, truth, mask).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("factor", [0.3, 0.4, 1.0, 3.0])
def test_the_strength_undoes_a_direction_of_another_length(spots, factor):
    right = attribute_direction(spots, "tone", "paired")
    wrong = Direction("tone", right.vector * factor, right.unit, right.how)
    case = counterfactual(spots, validation_items(spots), find_attribute(spots, "tone"))
    strength = best_strength(spots, case, wrong)
    assert strength == pytest.approx(1 / factor, rel=0.05)


def test_a_strength_is_exact_where_images_are_linear_and_0_where_nothing_helps():
    factors = torch.tensor([[0.0], [1.0]], dtype=torch.float64).repeat(10, 1)
    space = labelled(
        factors.float() @ torch.tensor([[1.0, 0.0]]), factors=factors, factor_names=("f",),
        encode=lambda x: x, decode=lambda z: z, render=lambda f: f.float() @ torch.tensor([[1.0, 0.0]]),
    )  # fmt: skip
    case = counterfactual(space, originals(space, factors), find_attribute(space, "f"))
    assert best_strength(space, case, Direction("f", torch.tensor([0.37, 0.2]), "", "")) == pytest.approx(1 / 0.37)
    assert best_strength(space, case, Direction("f", torch.tensor([-1.0, 0.0]), "", "")) == 0


def test_strengths_need_a_validation_split(spots):
    chosen = validation_items(spots).factors
    assert chosen.shape == (100, 5)
    known = {tuple(row) for row in spots.validation.factors.tolist()}
    assert {tuple(row) for row in chosen.tolist()} <= known
    with pytest.raises(NotApplicableError, match="no validation split"):
        validation_items(spots.replaced(validation=None))
