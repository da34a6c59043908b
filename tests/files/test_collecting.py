"""While many objects are made that stay, nobody looks for circles among them."""

import gc

import pytest

from latentbench.files.reading import MANY, uncollected


def test_nothing_is_collected_meanwhile():
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_is_spared_for_good_stays_spared():
    """The workers spare what they have imported, and so do these tests."""
    gc.freeze()
    spared = gc.get_freeze_count()
    with uncollected():
        made = [[] for _ in range(2 * MANY)]
    assert len(made) > MANY
    assert gc.get_freeze_count() > spared / 2 > 0  # a few may end meanwhile, and count no more


@pytest.mark.parametrize(("count", "called"), [(10, []), (2 * MANY, ["count", "freeze", "unfreeze"])])
def test_what_is_spared_is_counted_only_where_many_are_made(count, called, monkeypatch):
    """To count them takes as long as to look through them."""
    calls = []
    monkeypatch.setattr(gc, "get_freeze_count", lambda: calls.append("count") or 0)
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    monkeypatch.setattr(gc, "unfreeze", lambda: calls.append("unfreeze"))
    with uncollected():
        made = [[] for _ in range(count)]
    assert len(made) == count
    assert calls == called
