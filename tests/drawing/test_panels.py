"""Texts beside marks: each has a side of its own, or is left out where nobody could read it."""

from latentbench.drawing.panels import lay_out, panel_grid, write_beside

CROWD = [(0.5, 0.5 + place / 1000, f"0.00{place}", "black") for place in range(24)]
APART = [(0.2, 0.2, "left", "black"), (0.8, 0.8, "right", "black")]


def panel():
    figure, (only,) = panel_grid(1, "a title", {})
    only.set_xlim(0, 1)
    only.set_ylim(0, 1)
    lay_out(figure)
    return only


def overlaps(one, other):
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def test_texts_that_have_room_are_all_written():
    axes = panel()
    write_beside(axes, APART, every=False)
    assert [text.get_text() for text in axes.texts] == ["left", "right"]


def test_in_a_crowd_only_texts_that_cover_no_other_are_written():
    axes = panel()
    write_beside(axes, CROWD, every=False)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert 2 <= len(boxes) < len(CROWD)
    assert not any(overlaps(one, other) for place, one in enumerate(boxes) for other in boxes[:place])


def test_where_every_text_is_needed_a_crowd_is_written_too():
    axes = panel()
    write_beside(axes, CROWD)
    assert len(axes.texts) == len(CROWD)


def test_a_figure_that_was_laid_out_keeps_its_places_when_it_is_drawn():
    axes = panel()
    before = axes.get_position().bounds
    axes.set_xlabel("a line\nand another\nand a third")
    axes.figure.canvas.draw()
    assert axes.get_position().bounds == before
