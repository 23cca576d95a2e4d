import pytest

from serhpo.cli.scatter import NARROWEST, Point, can_draw, scatter

POINTS = [
    Point(0.60, 0.30, "front", "12"),
    Point(0.50, 0.45, "front", "3"),
    Point(0.55, 0.25, "dominated"),
    Point(0.30, 0.05, "pruned"),
    Point(0.58, 0.29, "tie"),
]


@pytest.mark.parametrize("width", [NARROWEST, 80, 300])
def test_no_line_is_wider_than_the_terminal(width):
    lines = scatter(POINTS, "UA", "CCC", width, ascii_only=False).plain.split("\n")

    assert max(map(len, lines[:-1])) <= min(width, 84)


def test_better_is_up_and_right_and_every_mark_is_there():
    lines = scatter(POINTS, "UA", "CCC", 80, ascii_only=False).plain.split("\n")
    (top,) = [line for line in lines if "●3" in line]
    (right,) = [line for line in lines if "●12" in line]

    assert lines.index(top) < lines.index(right)
    assert top.index("●") < right.index("●")
    assert all(any(mark in line for line in lines[1:15]) for mark in "×·○")


def test_ascii_has_the_same_marks():
    text = scatter(POINTS, "UA", "CCC", 80, ascii_only=True).plain

    assert text.isascii()
    assert "*12" in text
    assert "* front" in text


def test_one_point_is_a_plot_too():
    assert "●" in scatter(POINTS[:1], "UA", "CCC", 80, ascii_only=False).plain


def test_what_an_encoding_can_draw():
    assert can_draw("utf-8")
    assert not can_draw("ascii")
    assert not can_draw("latin-1")
    assert not can_draw("no-such-encoding")
