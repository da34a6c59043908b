"""Every built-in dataset that needs no files keeps the contract of datasets."""

import pytest

from latentbench.plugins import Plugins

PLUGINS = Plugins()
SMALL = {"train": 120, "test": 40}
EXPECTED = {
    "lines": {"splits_disjoint": "lines of almost one angle are one image: a tenth of them are drawn twice"}
}


@pytest.mark.parametrize("name", ["digits", "sprites", "lines", "faces", "furniture", "garments"])
def test_a_built_in_dataset_keeps_every_rule(name, broken_rules):
    fields = PLUGINS.load("dataset", name).Params.model_fields
    params = {key: value for key, value in SMALL.items() if key in fields and name != "lines"}
    assert broken_rules(name, params=params, expected=EXPECTED.get(name, {})) == []
