"""Spaces in which a denominator is 0, or what rounding leaves of 0: a sane value, or the reason for none."""

from __future__ import annotations

import math

import pytest
import torch

from latentbench import LatentSpace, NotApplicableError, Posterior
from latentbench.api import score
from latentbench.plugins import Plugins
from latentbench.testing import gallery, moved
from latentbench_metrics.clusters import calinski_harabasz, davies_bouldin, fisher_ratio, kmeans_agreement
from latentbench_metrics.intrinsic_dimension import levina_bickel, two_nn
from latentbench_metrics.neighborhoods import distance_correlation
from latentbench_metrics.reconstruction import r2
from latentbench_metrics.robustness import code_drift

ITEMS = 120
SLOW = ("iwae", "dci", "factor_vae", "edit_gain", "flip_rate", "infomec_explicitness", "infomec_shares")
NAMES = [name for name in Plugins().names("metric") if name not in SLOW]


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def with_codes(space, change):
    """The space with codes, encoder and posterior changed by a function of codes, in all splits."""

    def changed(space):
        codes = change(space.codes)
        posterior = Posterior(codes, torch.full_like(codes, 0.01))
        encode = space.encode
        return space.replaced(codes=codes, posterior=posterior, encode=lambda inputs: change(encode(inputs)))

    others = {name: changed(getattr(space, name)) for name in ("train", "validation")}
    decode = space.decoder
    return changed(space).replaced(**others, decode=lambda codes: decode(codes.clamp(-9, 9)))


def with_labels(space, change):
    return space.replaced(
        labels=change(space.labels), train=space.train.replaced(labels=change(space.train.labels))
    )


def one_step_copies(codes):
    copied = codes.clone()
    tenth = len(codes) // 10
    copied[:tenth] = torch.nextafter(codes[tenth : 2 * tenth], torch.full_like(codes[:tenth], torch.inf))
    return copied


def of_class(codes):
    """Three codes, one for each class of the gallery."""
    return codes[:, 3:4].div(3).round().clamp(-1, 1).expand(-1, codes.shape[1]).contiguous()


def alone(labels):
    return (torch.arange(len(labels)) == 5).long()


SPACES = {
    "constant": lambda space: with_codes(space, lambda codes: torch.full_like(codes, 0.1)),
    "constant, far": lambda space: with_codes(space, lambda codes: torch.full_like(codes, 1000.1)),
    "constant but for a step": lambda space: with_codes(space, lambda codes: 1000.1 + 3e-5 * codes.sign()),
    "two values": lambda space: with_codes(space, lambda codes: (codes > 0)[:, :1].float().expand_as(codes) + 0.1),
    "one a class": lambda space: with_codes(space, of_class),
    "one-step copies": lambda space: with_codes(space, one_step_copies),
    "one row twice": lambda space: with_codes(space, lambda codes: torch.cat([codes[:1], codes[:-1]])),
    "one dimension": lambda space: with_codes(space, lambda codes: codes * torch.tensor([1.0, 0, 0, 0, 0])),
    "huge": lambda space: moved(space, "scale", size=1e30),
    "tiny": lambda space: moved(space, "scale", size=1e-30),
    "one class": lambda space: with_labels(space, torch.zeros_like),
    "class of one": lambda space: with_labels(space, alone),
}


def check(frame, names):
    declared = {}
    for name in names:
        declared |= Plugins().load("metric", name).scores
    for row in frame.itertuples():
        if row.status == "not applicable":
            assert row.reason, row.score
            continue
        assert row.status == "ok", f"{row.score}: {row.reason}"
        low, high = declared[row.score].range
        slack = 1e-6 * max(1, abs(row.value))
        assert math.isfinite(row.value), row.score
        assert low - slack <= row.value <= high + slack, f"{row.score} = {row.value}"
        assert abs(row.value) < 1e15 or row.score in GROW, f"{row.score} = {row.value}"


GROW = {"jacobian_lipschitz", "bures_w2_squared_prior", "sliced_w2_squared_prior"}  # with the unit of codes


@pytest.fixture(scope="module")
def small():
    return gallery(ITEMS, ITEMS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", SPACES.values(), ids=SPACES)
def test_every_score_is_sane_or_says_why_not(make, small, monkeypatch):
    monkeypatch.setattr("latentbench_metrics.path_geometry.PAIRS", 4)
    monkeypatch.setattr("latentbench_metrics.path_geometry.ITERATIONS", 5)
    monkeypatch.setattr("latentbench_metrics.neighborhoods.PAIRS", 1000)
    check(score(make(small), NAMES), NAMES)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SLOW)
def test_slow_scores_are_sane_or_say_why_not(name, small):
    for make in SPACES.values():
        check(score(make(small), [name]), [name])


@pytest.mark.filterwarnings("ignore")
def test_every_score_is_sane_of_as_few_items_as_it_takes(small):
    for name in NAMES:
        least = Plugins().load("metric", name).min_items
        if least <= ITEMS:
            check(score(small.take(torch.arange(least)), [name]), [name])


LABELS = torch.arange(90) % 3
FAR = (0.0, 0.1, 1000.1)


@pytest.mark.parametrize("shift", FAR)
@pytest.mark.parametrize("jitter", [0, 1], ids=["exactly", "but for a step"])
def test_classes_without_spread(shift, jitter):
    codes = torch.eye(3)[LABELS] + shift
    if jitter:
        codes = torch.where(normal(90, 3) > 0, codes, torch.nextafter(codes, torch.full_like(codes, torch.inf)))
    for index in (calinski_harabasz, fisher_ratio):
        with pytest.raises(NotApplicableError, match="no class has two different codes"):
            index(codes, LABELS)
    frame = score(LatentSpace.from_arrays(codes=codes, labels=LABELS), ["separation"]).set_index("score")
    assert frame.status.to_dict() == {
        "silhouette": "ok", "davies_bouldin": "ok", "calinski_harabasz": "not applicable",
    }  # fmt: skip
    assert frame.value["silhouette"] > 0.999
    assert frame.value["davies_bouldin"] < 1e-3
    assert "no class has two different codes" in frame.reason["calinski_harabasz"]


@pytest.mark.parametrize("shift", FAR)
@pytest.mark.parametrize("turn", [False, True], ids=["exactly", "but for rounding"])
def test_two_classes_with_one_center(shift, turn):
    points = normal(40, 3)
    codes = torch.cat([points, -points, 2 * points, -2 * points])
    codes = codes @ torch.linalg.qr(normal(3, 3, seed=1)).Q if turn else codes
    labels = torch.arange(160) // 80
    with pytest.raises(NotApplicableError, match="two classes have one center"):
        davies_bouldin(codes + shift, labels)
    frame = score(LatentSpace.from_arrays(codes=codes + shift, labels=labels), ["separation"]).set_index("score")
    assert frame.status["davies_bouldin"] == "not applicable"
    assert frame.status["silhouette"] == "ok"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [0, 1])
def test_copies_do_not_hide_the_dimension(seed, steps):
    cube = torch.rand(1000, 3, generator=torch.Generator().manual_seed(seed))
    copies = cube[:100]
    for _ in range(steps):
        copies = torch.nextafter(copies, torch.full_like(copies, 2.0))
    codes = torch.cat([cube, copies])
    assert two_nn(codes) == pytest.approx(two_nn(cube), rel=1e-6)
    assert two_nn(cube) == pytest.approx(3, abs=0.3)
    assert levina_bickel(codes, 10) == pytest.approx(levina_bickel(cube, 10), rel=1e-5)


@pytest.mark.parametrize("step", [1.0, 0.1, 1e-3])
def test_a_lattice_has_no_two_distances(step):
    axis = step * torch.arange(8, dtype=torch.float32)
    lattice = torch.cartesian_prod(axis, axis, axis) + 0.3
    with pytest.raises(NotApplicableError, match="two neighbors equally far"):
        two_nn(lattice)


@pytest.mark.parametrize("turn", [False, True])
def test_corners_of_a_simplex_are_equally_far(turn):
    corners = torch.eye(30)
    corners = corners @ torch.linalg.qr(normal(30, 30)).Q if turn else corners
    with pytest.raises(NotApplicableError, match="equally far"):
        distance_correlation(normal(30, 4), corners)


def test_other_denominators():
    with pytest.raises(NotApplicableError, match="1 class"):
        kmeans_agreement(normal(30, 2), torch.zeros(30).long(), seed=0)
    with pytest.raises(NotApplicableError, match="do not vary"):
        r2(torch.ones(3, 2), torch.ones(3, 2), 0.0)
    pairs = normal(20, 2).repeat(2, 1) + 7
    near = torch.nextafter(pairs[20:], torch.full_like(pairs[20:], 100.0))
    for codes in (pairs, torch.cat([pairs[:20], near])):
        with pytest.raises(NotApplicableError, match="every code lies on another"):
            code_drift(codes, codes + 1)
    constant = torch.full((30, 4), 1000.1)
    inputs = torch.where(normal(30, 4) > 0, constant, torch.nextafter(constant, 2 * constant))
    for given in (constant, inputs):
        train = LatentSpace.from_arrays(codes=normal(30, 2), inputs=given)
        space = train.replaced(train=train, reconstructions=given)
        (reason,) = score(space, ["r2"]).reason
        assert reason == "the training inputs do not vary"
