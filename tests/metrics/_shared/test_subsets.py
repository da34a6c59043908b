from __future__ import annotations

import torch

from latentbench_metrics._shared.subsets import folds, pairs


def test_folds_are_stratified():
    labels = torch.arange(100) % 10
    fold = folds(labels, 5, seed=1)
    assert torch.equal(torch.bincount(labels * 5 + fold), torch.full((50,), 2))
    assert not torch.equal(fold, folds(labels, 5, seed=2))


def test_pairs_use_no_row_twice_and_cross_classes():
    labels = torch.arange(101) % 3
    starts, ends = pairs(101, 40, seed=0, labels=labels)
    assert (labels[starts] != labels[ends]).all()
    assert len(set(starts.tolist()) | set(ends.tolist())) == 2 * len(starts)
    assert len(pairs(101, 7)[0]) == 7
    assert len(pairs(101, 700)[0]) == 50
