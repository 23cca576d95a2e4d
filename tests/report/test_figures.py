import pytest

from serhpo.pareto import Objective, standard_objectives
from serhpo.report.colours import AREA, HALO, PAGE, PANEL, PAPER, SERIES, series, twins
from serhpo.report.compute import compute
from serhpo.report.curve_figures import curve_figure, hypervolume_figure
from serhpo.report.front_figure import front_figure, stairs
from tests.fakes import STANDARD, FakeTrial, make_study, random_trials

UA, CCC = standard_objectives(4)


def numbers_of(tmp_path, trials=STANDARD, **options):
    return compute(make_study(tmp_path / "study", trials, **options))


def points(figure, **wanted):
    """``{trial number: (x, y)}`` over the marker traces that have all these marker properties."""
    found = {}
    for trace in figure.data:
        marks = "markers" in (trace.mode or "") and trace.customdata
        if marks and all(trace.marker[key] == value for key, value in wanted.items()):
            found |= dict(zip(trace.customdata, zip(trace.x, trace.y, strict=True), strict=True))
    return found


def test_the_front_figure_shows_every_trial_that_has_values(tmp_path):
    figure = front_figure(numbers_of(tmp_path))

    assert points(figure, size=14) == {0: (0.60, 0.30), 2: (0.50, 0.45)}
    assert points(figure, size=9) == {1: (0.55, 0.25)}
    assert points(figure, symbol="x-thin") == {3: (0.30, 0.05)}
    assert points(figure, symbol="circle-open") == {5: (0.41, 0.12)}


def test_only_front_members_have_error_bars(tmp_path):
    figure = front_figure(numbers_of(tmp_path))

    for trace in figure.data:
        if trace.error_x.array is not None and len(trace.error_x.array):
            assert trace.marker.size == 14
            assert set(trace.error_x.array) == {0.03}
            assert set(trace.error_y.array) == {0.02}


def test_the_shaded_area_is_the_hypervolume(tmp_path):
    figure = front_figure(numbers_of(tmp_path))
    (area,) = [trace for trace in figure.data if trace.fill == "toself"]

    # Shoelace formula over the closed outline.
    corners = list(zip(area.x, area.y, strict=True))
    double = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, corners[1:] + corners[:1], strict=True))
    assert abs(double) / 2 == pytest.approx(0.1425)


def test_stairs_step_through_the_corner_that_both_neighbours_dominate():
    down = Objective(metric="loss", direction="minimise")

    assert stairs([(0.5, 0.45), (0.6, 0.3)], (UA, CCC)) == [(0.5, 0.45), (0.5, 0.3), (0.6, 0.3)]
    assert stairs([(1.0, 0.2), (2.0, 0.4)], (down, CCC)) == [(1.0, 0.2), (2.0, 0.2), (2.0, 0.4)]


def test_baselines_are_drawn_where_they_stand(tmp_path):
    figure = front_figure(numbers_of(tmp_path))

    crosses = {t.text[0]: (t.x[0], t.y[0]) for t in figure.data if t.marker.symbol == "cross-thin"}
    assert crosses == {"class means": (0.58, 0.36), "posterior class means": (0.58, 0.40)}
    assert {(s.x0, s.x1) for s in figure.layout.shapes if s.yref == "paper"} == {(0.25, 0.25)}
    assert {(s.y0, s.y1) for s in figure.layout.shapes if s.xref == "paper"} == {(0.62, 0.62)}


def test_the_whole_picture_holds_everything_and_the_front_view_the_error_bars(tmp_path):
    figure = front_figure(numbers_of(tmp_path))
    (x, y), (near_x, near_y) = (figure.layout.meta["views"][name] for name in ("whole", "front"))

    assert tuple(x) == figure.layout.xaxis.range
    assert x[0] < 0.25 < 0.63 < x[1]
    assert y[0] < 0.0 < 0.62 < y[1]
    assert 0.41 < near_x[0] < 0.47 < 0.63 < near_x[1]
    assert 0.25 < near_y[0] < 0.28 < 0.47 < near_y[1]


def test_the_knee_is_labelled(tmp_path):
    bent = [FakeTrial("COMPLETE", [point]) for point in ((0.4, 0.5), (0.58, 0.45), (0.6, 0.1))]
    figure = front_figure(numbers_of(tmp_path, bent, epochs=1, rungs=()))

    labels = {text for trace in figure.data if trace.marker.size == 14 for text in trace.text}
    assert labels == {"0", "1 knee", "2"}


def test_numbers_of_close_neighbours_stand_on_different_sides(tmp_path):
    near = [
        FakeTrial("COMPLETE", [point]) for point in ((0.3, 0.5), (0.50, 0.40), (0.51, 0.39), (0.52, 0.38))
    ]
    figure = front_figure(numbers_of(tmp_path, near, epochs=1, rungs=()))

    (members,) = [trace for trace in figure.data if trace.marker.size == 14]
    placed = dict(zip(members.customdata, members.textposition, strict=True))
    assert placed == {0: "top right", 1: "top right", 2: "bottom left", 3: "top right"}


def test_each_streams_keeps_its_colour_in_every_figure(tmp_path):
    numbers = numbers_of(tmp_path)

    for index, streams in enumerate(numbers.streams):
        colour = series(index)[0].light
        own = {trial.number for trial in numbers.trials if trial.streams == streams}
        for figure in (front_figure(numbers), curve_figure(numbers, UA)):
            drawn = [t for t in figure.data if t.customdata and set(t.customdata) & own]
            assert drawn
            for trace in drawn:
                assert set(trace.customdata) <= own
                assert colour in (trace.line.color, trace.marker.color, trace.marker.line.color)


def test_hover_text_from_a_study_is_escaped(tmp_path, monkeypatch):
    numbers = numbers_of(tmp_path)
    trial = numbers.trials[0]
    monkeypatch.setitem(trial.params, "model.<b>", "<a href='//evil'>x</a>")

    cards = [card for trace in front_figure(numbers).data for card in trace.hovertext or ()]
    assert any("model.&lt;b&gt;: &lt;a href='//evil'&gt;x&lt;/a&gt;" in card for card in cards)
    assert not any("<a" in card for card in cards)


def test_curves_of_one_kind_share_a_trace_with_gaps_between_trials(tmp_path):
    twins_on_front = [FakeTrial("COMPLETE", [(0.3, 0.1), (0.5, 0.3)])] * 2
    figure = curve_figure(numbers_of(tmp_path, twins_on_front, epochs=2), CCC)
    (line,) = [trace for trace in figure.data if trace.mode == "lines"]

    assert line.x == (1, 2, None, 1, 2, None)
    assert line.y == (0.1, 0.3, None, 0.1, 0.3, None)
    assert line.customdata == (0, 0, 0, 1, 1, 1)


def test_curves_mark_how_each_trial_ended(tmp_path):
    figure = curve_figure(numbers_of(tmp_path), UA)

    assert points(figure, symbol="x-thin") == {3: (1, 0.30)}
    assert points(figure, symbol="triangle-down") == {4: (1, 0.26)}
    assert points(figure, symbol="circle-open") == {5: (2, 0.41)}
    assert points(figure, size=9) == {0: (3, 0.60), 2: (2, 0.50)}  # the epoch that counts, not the last


def test_rungs_are_dotted_and_tell_how_many_went_on(tmp_path):
    figure = curve_figure(numbers_of(tmp_path), UA)

    assert [s.x0 for s in figure.layout.shapes if s.line.dash == "dot"] == [1]
    assert "rung 1<br>6 → 5" in [a.text for a in figure.layout.annotations]


@pytest.mark.parametrize(
    ("epochs", "rungs", "kind", "places"),
    [(9, (1, 3), "linear", [1, 3]), (81, (1, 3, 9, 27), "log", [0, 0.4771, 0.9542, 1.4314])],
)
def test_crowded_rungs_get_a_logarithmic_axis(tmp_path, epochs, rungs, kind, places):
    trials = random_trials(6, epochs=epochs, rungs=rungs)
    figure = curve_figure(numbers_of(tmp_path, trials, epochs=epochs, rungs=rungs, baselines=None), UA)

    assert figure.layout.xaxis.type == kind
    assert [a.x for a in figure.layout.annotations] == pytest.approx(places, abs=1e-4)


def test_curves_stand_beside_the_baseline_of_their_objective(tmp_path):
    numbers = numbers_of(tmp_path)

    for objective, value, label in ((UA, 0.25, "majority class"), (CCC, 0.36, "class means")):
        figure = curve_figure(numbers, objective)
        assert [s.y0 for s in figure.layout.shapes if s.line.dash == "dash"] == [value]
        assert label in [a.text for a in figure.layout.annotations]


def test_hypervolume_steps_up_where_a_trial_moved_the_front(tmp_path):
    figure = hypervolume_figure(numbers_of(tmp_path))
    line, moved = figure.data[1], figure.data[2]

    assert line.line.shape == "hv"
    assert line.x == (0, 1, 2, 3, 4, 5)
    assert line.y == pytest.approx((0, 0.105, 0.105, 0.1425, 0.1425, 0.1425))
    assert moved.customdata == (0, 2)


def test_nothing_to_draw_gives_no_figure(tmp_path):
    empty = numbers_of(tmp_path, ())

    assert front_figure(empty) is None
    assert curve_figure(empty, UA) is None
    assert hypervolume_figure(empty) is None


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def test_marks_and_texts_stand_out_on_light_and_on_dark_paper():
    for side in ("light", "dark"):
        paper, panel = getattr(PAPER, side), getattr(PANEL, side)
        assert min(contrast(getattr(shade, side), paper) for shade in SERIES) >= 3.0
        for name in ("ink", "muted", "front"):
            assert contrast(getattr(PAGE[name], side), paper) >= 4.5
            assert contrast(getattr(PAGE[name], side), panel) >= 4.5


def test_every_light_colour_has_one_dark_twin():
    shades = (*PAGE.values(), AREA, HALO, *SERIES)

    assert len({shade.light for shade in shades}) == len(shades) == len(twins())


def test_series_differ_in_colour_or_mark():
    assert len({series(index) for index in range(64)}) == 64
