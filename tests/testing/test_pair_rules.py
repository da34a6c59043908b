"""Each rule of pair metrics finds the mistake that it is there for, and right pair metrics keep them all."""

import itertools

import pytest
import torch

from latentbench import NotApplicableError, PairMetric, Score
from latentbench.errors import RequestError
from latentbench.plugins import Plugins
from latentbench.testing import cases_of, check_pair_metric, parametrize_with_checks

COUNTER = itertools.count()
HALVES = "fitted on one half of the items and scored on the other, both ways"


def train_together(a, b):
    return {"train"} <= a.supplies & b.supplies and len(a.train) == len(b.train)


class Neighbors(PairMetric):
    """Share of the five nearest neighbors that both spaces agree on."""

    score = Score("up", range=(0, 1))
    invariances = ("shift", "scale", "rotation")

    def prepare(self, space):
        codes = space.codes.double() - space.codes.double().mean(0)
        distances = torch.cdist(codes, codes).fill_diagonal_(torch.inf)
        near = torch.zeros_like(distances, dtype=torch.bool)
        return near.scatter_(1, distances.topk(min(5, len(codes) - 1), largest=False).indices, True)

    def compute(self, a, b):
        return float((a & b).sum() / a.sum())

    def reordered(self, prepared, order, train_order):
        return prepared[order][:, order]


class Kept(PairMetric):
    """Share of the variance of the second space that a linear map of the first keeps."""

    score = Score("up", range=(-torch.inf, 1))
    symmetric = False
    invariances = ("shift", "scale", "rotation")
    tolerance = 1e-3
    min_items = 8

    def compute(self, a, b):
        if train_together(a, b):
            return self.fitted(a.train.codes, b.train.codes, a.codes, b.codes)
        half = len(a) // 2
        parts = (a.codes[:half], b.codes[:half], a.codes[half:], b.codes[half:])
        return (self.fitted(*parts) + self.fitted(*parts[2:], *parts[:2])) / 2, HALVES

    def fitted(self, x, y, x_test, y_test):
        x, y, x_test, y_test = (codes.double() for codes in (x, y, x_test, y_test))
        x_test, y_test = x_test - x.mean(0), y_test - y.mean(0)
        if not (whole := y_test.square().sum()) > 0:
            raise NotApplicableError("the codes of the second space are all the same")
        map_of_x = torch.linalg.pinv(x - x.mean(0), rtol=1e-9) @ (y - y.mean(0))
        return float(1 - (y_test - x_test @ map_of_x).square().sum() / whole)


class Stitched(PairMetric):
    """How well the second decoder draws what the first encoder sees, a linear map between them."""

    score = Score("down", range=(0, torch.inf))
    symmetric = False
    needs = ("inputs", "train")
    needs_second = ("decoder",)
    has_null = False

    def compute(self, a, b):
        x, y = a.train.codes.double(), b.train.codes.double()
        if len(x) != len(y):
            raise NotApplicableError("the training splits differ")
        there = (a.codes - x.mean(0)) @ torch.linalg.pinv(x - x.mean(0)) @ (y - y.mean(0)) + y.mean(0)
        return float((b.decode(there.float()) - b.inputs).square().mean())


class Ranks(PairMetric):
    """Mean rank of the nearest neighbor in the first among those in the second, from full spaces alone."""

    score = Score("down", range=(0, torch.inf))
    symmetric = False
    max_items = 50

    def prepare(self, space):
        codes = space.codes.double()
        return torch.cdist(codes, codes).fill_diagonal_(torch.inf)

    def compute(self, a, b):
        return float(b.argsort(1).argsort(1).gather(1, a.argmin(1, keepdim=True)).double().mean())

    def reordered(self, prepared, order, train_order):
        return prepared[order][:, order]


@pytest.mark.parametrize("right", [Neighbors, Kept, Stitched, Ranks])
def test_right_pair_metrics_keep_all_rules(right):
    findings = check_pair_metric(right)
    assert [finding for finding in findings if not finding.passed] == []
    tried = {finding.rule for finding in findings if finding.status == "ok"}
    assert {"value", "needs", "lacking", "repeats", "rounding", "odd_codes"} <= tried
    assert ("reordered" in tried) == ("unrelated" in tried) == right.has_null
    assert ("symmetric" in tried) == right.symmetric


class Nan(Neighbors):
    def compute(self, a, b):
        return float("nan")


class Outside(Neighbors):
    def compute(self, a, b):
        return 2 * super().compute(a, a)


class Undeclared(Neighbors):
    def prepare(self, space):
        return super().prepare(space.train)

    def reordered(self, prepared, order, train_order):
        return prepared if train_order is None else super().reordered(prepared, train_order, None)


class UndeclaredDecoder(Stitched):
    needs_second = ()


class Crashing(Stitched):
    def prepare(self, space):
        return space.data.inputs.mean(), space

    def compute(self, a, b):
        return super().compute(a[1], b[1])


class Moody(Neighbors):
    def compute(self, a, b):
        return super().compute(a, b) * (1 - 1e-9 * (next(COUNTER) % 1000))


class WritesIntoPrepared(Neighbors):
    def compute(self, a, b):
        value = super().compute(a, b)
        b[0] = ~b[0]
        return value


class Drawing(Neighbors):
    def prepare(self, space):
        torch.rand(1)
        return super().prepare(space)


class Seeding(Neighbors):
    def compute(self, a, b):
        torch.manual_seed(0)
        return super().compute(a, b)


class Writing(Neighbors):
    def prepare(self, space):
        space.codes.sub_(space.codes.mean(0))
        return super().prepare(space)


class OneWay(Kept):
    symmetric = True


class TurnedRound(Neighbors):
    invariances = ("rotation",)

    def prepare(self, space):
        codes = space.codes.double().round()
        return super().prepare(space.replaced(codes=codes))


class SecondScaled(Kept):
    invariances = ("axis_scale",)


class Rounded(Neighbors):
    invariances = ()

    def prepare(self, space):
        noise = (space.codes * 2**20).frexp().mantissa.mul(2**22).frac().double()
        return super().prepare(space.replaced(codes=space.codes.double() + noise))


class ByPlace(Neighbors):
    invariances = ()

    def prepare(self, space):
        if "inputs" in space.supplies:
            return super().prepare(space)
        return super().prepare(space)[:30]

    def reordered(self, prepared, order, train_order):
        return prepared


class ByTrainPlace(Kept):
    def compute(self, a, b):
        if not train_together(a, b):
            return super().compute(a, b)
        return self.fitted(a.train.codes[:20], b.train.codes[:20], a.codes, b.codes)


class LessThanBest(Neighbors):
    def compute(self, a, b):
        return 0.5 * super().compute(a, b)


class WrongWay(Neighbors):
    score = Score("down", range=(0, 1))


class Blind(PairMetric):
    """Knows nothing of which item is which."""

    score = Score("up", range=(0, 1))

    def compute(self, a, b):
        spreads = [space.codes.double().std() for space in (a, b)]
        return float(min(spreads) / max(spreads)) if min(spreads) > 0 else 1.0


class HalfReordered(Neighbors):
    def reordered(self, prepared, order, train_order):
        return prepared[order]


class TrainLeft(Kept):
    def reordered(self, prepared, order, train_order):
        return super().reordered(prepared, order, None)


class ReorderedInPlace(Neighbors):
    def reordered(self, prepared, order, train_order):
        prepared.copy_(prepared[order][:, order])
        return prepared


class Fragile(Neighbors):
    """Divides by the spread of each dimension."""

    invariances = ()

    def prepare(self, space):
        return super().prepare(space.replaced(codes=space.codes / space.codes.std(0)))

    def compute(self, a, b):
        return super().compute(a, b) if a.any() else float("nan")


class FewNeighbors(Neighbors):
    def prepare(self, space):
        codes = space.codes.double()
        return torch.zeros(len(codes), len(codes), dtype=torch.bool).scatter_(
            1, torch.cdist(codes, codes).fill_diagonal_(torch.inf).topk(5, largest=False).indices, True
        )


class TrainOfAny(Kept):
    """Takes training splits for the same items whenever there are two."""

    def compute(self, a, b):
        if {"train"} <= a.supplies & b.supplies:
            return self.fitted(a.train.codes, b.train.codes, a.codes, b.codes)
        return super().compute(a, b)


class Noted(Neighbors):
    def compute(self, a, b):
        return super().compute(a, b), 5


MISTAKES = [
    (Nan, "value", "compute returned nan; raise NotApplicableError with the reason where there is no number"),
    (Outside, "value", "compute returned 2, and its score declares the range 0 to 1; correct one of them"),
    (Noted, "value", "compute must return a note beside its number as text, got int"),
    (Undeclared, "needs", "it is not applicable (no training split); declare in `needs` what it needs"),
    (UndeclaredDecoder, "needs", "it is not applicable (no decoder); declare in `needs` what it needs"),
    (Crashing, "lacking", "could not be tried: AttributeError at test_pair_rules.py"),
    (Moody, "repeats", "the same spaces, prepared once, give"),
    (WritesIntoPrepared, "repeats", "write nothing into what `prepare` returned"),
    (Drawing, "random_state_untouched", "it draws from the generator of torch that all share, or seeds it"),
    (Seeding, "random_state_untouched", "it draws from the generator of torch that all share, or seeds it"),
    (Writing, "spaces_untouched", "it wrote into codes of the first space; work on a copy"),
    (OneWay, "symmetric", "the other way round it gives"),
    (TurnedRound, "invariances", "rotation of the first space gives"),
    (SecondScaled, "invariances", "axis_scale of the second space gives"),
    (Rounded, "rounding", "codes changed in their last bits give"),
    (ByPlace, "items_in_another_order", "what it draws or cuts must not depend on their places"),
    (ByTrainPlace, "items_in_another_order", "items of both in another order give"),
    (LessThanBest, "itself", "a space compared with itself gives 0.5, the best of the range is 1"),
    (WrongWay, "itself", "a space compared with itself gives 1, which is worse than"),
    (WrongWay, "unrelated", "the score must tell which item is which and have the right direction"),
    (Blind, "unrelated", "the score must tell which item is which and have the right direction"),
    (HalfReordered, "reordered", "with items permuted, `reordered` gives"),
    (TrainLeft, "reordered", "with items and training items permuted, `reordered` gives"),
    (ReorderedInPlace, "reordered", "`reordered` spoils what it is given"),
    (TrainOfAny, "odd_codes", "could not be tried: RuntimeError at test_pair_rules.py"),
    (FewNeighbors, "odd_codes", "could not be tried: RuntimeError at test_pair_rules.py"),
]


@pytest.mark.parametrize(("wrong", "rule", "reason"), MISTAKES, ids=lambda part: getattr(part, "__name__", ""))
def test_each_rule_finds_its_mistake(wrong, rule, reason):
    findings = check_pair_metric(wrong)
    broken = [finding for finding in findings if not finding.passed and finding.rule == rule]
    assert broken, sorted({finding.rule for finding in findings if not finding.passed})
    assert any(reason in finding.reason for finding in broken), [finding.reason for finding in broken]


def test_every_rule_has_a_mistake():
    assert {rule for _, rule, _ in MISTAKES} == {case.title for case in cases_of(Neighbors)}


def test_a_failure_may_be_expected():
    findings = check_pair_metric(HalfReordered, expected={"reordered": "forgets a side"})
    assert {finding.status for finding in findings if finding.rule == "reordered"} == {"expected"}
    assert all(finding.passed for finding in findings)


def test_a_metric_of_one_space_is_no_pair_metric():
    from latentbench import Metric

    with pytest.raises(RequestError, match="check_pair_metric takes a PairMetric, got the class Metric"):
        check_pair_metric(Metric)


class Narrow(Neighbors):
    class Params(PairMetric.Params):
        k: int = 5

    def prepare(self, space):
        if self.params.k != 3:
            raise NotApplicableError("k must be 3 here")
        return super().prepare(space)


def test_parameters_are_given_on():
    assert not all(finding.passed for finding in check_pair_metric(Narrow))
    assert all(finding.passed for finding in check_pair_metric(Narrow, params={"k": 3}))


@pytest.mark.parametrize("name", Plugins().names("pair_metric"))
def test_built_in_pair_metrics_keep_all_rules(name):
    assert [finding for finding in check_pair_metric(name) if not finding.passed] == []


@parametrize_with_checks(Neighbors)
def test_each_rule_is_a_test(check):
    check()
