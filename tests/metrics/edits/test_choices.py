from __future__ import annotations

import pytest
import torch

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.edits._choices import EditParams, scored_attributes


def test_binary_factors_are_edited_where_there_are_any_and_six_at_most(spots, normal):
    assert [attribute.name for attribute in scored_attributes(spots)] == ["x", "y", "size", "aspect", "tone"]
    assert [attribute.name for attribute in scored_attributes(spots, ["tone"])] == ["tone"]
    factors = torch.cat([normal(50, 2), (normal(50, 8, seed=1) > 0).double(), torch.ones(50, 1)], 1)
    names = tuple(f"f{number}" for number in range(11))
    train = LatentSpace.from_arrays(codes=normal(50, 2), factors=factors, factor_names=names)
    names = [attribute.name for attribute in scored_attributes(train.replaced(train=train))]
    assert names == ["f2", "f3", "f4", "f5", "f6", "f7"]
    with pytest.raises(NotApplicableError, match="no ground-truth factors in the training split"):
        scored_attributes(LatentSpace.from_arrays(codes=normal(5, 2)))


def test_a_single_attribute_needs_no_tuple():
    assert EditParams(attributes="smile").attributes == ("smile",)
