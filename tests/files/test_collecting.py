"""While many objects are made that stay, nobody looks for circles among them."""

import gc

from latentbench.files.reading import uncollected


def test_nothing_is_collected_meanwhile():
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_is_spared_for_good_stays_spared():
    """The workers spare what they have imported, and so do these tests."""
    gc.freeze()
    spared = gc.get_freeze_count()
    with uncollected():
        pass
    assert gc.get_freeze_count() > spared / 2 > 0  # a few may end meanwhile, and count no more
