"""Where the value of a cell lies between floor and ceiling."""

import pytest

from latentbench.report.page.gauges import beyond_ceiling, ceiling_words, gauge, has_gauges
from latentbench.table.comparison import Cell, ComparisonRow
from latentbench.table.display import Display, DisplayCell, DisplayRow

NAN = float("nan")


def row(*means, floor=NAN, ceiling=NAN, better="up", **changes):
    cells = tuple(Cell(mean, status="ok") for mean in means)
    source = ComparisonRow("r2", "keep", better, cells, floor, ceiling, **changes)
    return DisplayRow((), tuple(DisplayCell("") for _ in cells), "", source)


@pytest.mark.parametrize(
    ("shown", "bars", "ticks"),
    [
        (row(0.25, 1.0, floor=0.0, ceiling=1.0), [(0, 25), (0, 100)], {"floor": 0, "ceiling": 100}),
        (row(6.0, 2.0, floor=10.0, ceiling=0.0, better="down"), [(0, 40), (0, 80)], {"floor": 0, "ceiling": 100}),
        (row(2.0, 0.5, floor=0.0, ceiling=1.0, exceeded=True), [(0, 100), (0, 25)], {"floor": 0, "ceiling": 50}),
        (row(1.5, 0.5, floor=1.0, ceiling=1.0, better="down"), [(0, 50), (50, 50)], {"floor": 50}),
    ],
)
def test_bars_go_from_the_floor_to_the_value_and_better_is_to_the_right(shown, bars, ticks):
    drawn = [gauge(shown, place) for place in (0, 1)]
    assert [(each.left, each.width) for each in drawn] == bars
    assert {name: at for at, name in drawn[0].ticks} == ticks


def test_a_value_worse_than_the_floor_goes_to_the_left_of_it():
    shown = row(1.5, 0.5, floor=1.0, ceiling=1.0, better="down")
    assert [gauge(shown, place).worse for place in (0, 1)] == [True, False]
    assert ceiling_words(shown) == ""


@pytest.mark.parametrize(
    "shown",
    [
        row(0.5),
        row(0.5, ceiling=1.0),
        row(NAN, floor=0.0, ceiling=1.0),
        row(0.5, floor=0.0, ceiling=1.0, better="none"),
        row(0.5, floor=0.0, kind="cost"),
        DisplayRow((), (), ""),
    ],
)
def test_without_value_or_bounds_there_is_no_bar(shown):
    assert gauge(shown, 0) is None


def test_bounds_are_told_in_words():
    shown = row(0.251, 0.5, floor=0.0, ceiling=1.0)
    assert gauge(shown, 0).words == "floor .000, ceiling 1.000, 25 % of the way from floor to ceiling"
    assert ceiling_words(shown) == "1.000"
    beyond = row(2.0, floor=0.0, ceiling=1.0, exceeded=True)
    assert gauge(beyond, 0).words.endswith("which some model exceeds")
    table = Display((), (), (), (beyond, row(0.5)), (), ())
    assert has_gauges(table)
    assert not has_gauges(Display((), (), (), (row(NAN, floor=0.0),), (), ()))
    assert beyond_ceiling(table) == ["r2"]


def test_equal_values_have_a_bar_of_no_length():
    assert gauge(row(1.0, floor=1.0), 0).width == 0
