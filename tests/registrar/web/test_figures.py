"""Geometry of the charts and of the map of the world."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.registrar.web import world_map
from countersign.registrar.web.world_map import City
from countersign.web import charts
from countersign.web.charts import Series

COUNTS = st.integers(0, 10**12)
ROWS = st.integers(1, 60).flatmap(
    lambda size: st.lists(st.lists(COUNTS, min_size=size, max_size=size), min_size=1, max_size=6)
)


@given(st.floats(0, 1e15))
def test_an_axis_begins_at_nought_and_covers_the_largest_value(largest: float) -> None:
    axis = charts.steps(largest)
    assert axis[0] == 0
    assert axis[-1] >= largest * (1 - 1e-9)
    assert 2 <= len(axis) <= 6
    assert all(value == int(value) for value in axis)


def test_bars_are_as_high_as_their_values() -> None:
    chart = charts.bars("Reports", ["Jan", "Feb"], [50, 100])
    low, high = chart.bars
    assert high.height == pytest.approx(2 * low.height, abs=0.2)
    assert low.y + low.height == pytest.approx(chart.base)
    assert high.title == "Feb: 100"


def test_parts_of_a_bar_lie_on_each_other() -> None:
    chart = charts.stacked("Servers", ["Jan"], [("a", [3]), ("b", [0]), ("c", [5], "bad")])
    lower, upper = chart.bars
    assert upper.y + upper.height == pytest.approx(lower.y, abs=0.11)
    assert (lower.style, upper.style) == ("series-1", "tone-bad")


@given(ROWS)
def test_everything_stays_inside_the_drawing(rows: list[list[int]]) -> None:
    labels = [f"m{k}" for k in range(len(rows[0]))]
    series = [Series(f"s{k}", row) for k, row in enumerate(rows)]
    for chart in (charts.stacked("t", labels, series), charts.line("t", labels, series)):
        for bar in chart.bars:
            assert chart.left - 0.2 <= bar.x and bar.x + bar.width <= chart.right + 0.2
            assert bar.y >= charts.TOP - 0.2 and bar.y + bar.height <= chart.base + 0.2
        for drawn in chart.lines:
            for dot in drawn.dots:
                assert chart.left <= dot.x <= chart.right
                assert charts.TOP - 0.2 <= dot.y <= chart.base
        assert len(chart.labels) <= 13
        assert len(chart.rows) == len(labels)


def test_money_is_written_in_its_currency() -> None:
    chart = charts.line("Held", ["Jan"], [("Held", [250_000])], currency="USD")
    assert chart.unit == "US$"
    assert chart.rows == [("Jan", ["US$2,500.00"])]
    assert chart.ticks[-1].label == "3K"


def test_a_chart_without_figures_says_so() -> None:
    assert charts.bars("Reports", [], []).description == "There are no figures yet."


def test_the_description_tells_what_the_eye_would_see() -> None:
    text = charts.bars("Reports", ["Jan", "Feb", "Mar"], [1, 9, 4]).description
    assert "highest 9 in Feb" in text
    assert "last 4" in text


@pytest.mark.parametrize(
    "values", [[1], [1, -1], [1, 2, 3]], ids=["too few", "negative", "too many"]
)
def test_figures_that_do_not_fit_are_refused(values: list[int]) -> None:
    with pytest.raises(ValueError, match="value"):
        charts.bars("Reports", ["Jan", "Feb"], values)


def test_a_chart_is_bounded() -> None:
    with pytest.raises(ValueError, match="at most"):
        charts.bars("Reports", ["d"] * 401, [1] * 401)


def test_the_middle_of_the_projection_is_the_middle_of_the_map() -> None:
    x, y = world_map.project(0, 0)
    assert x == pytest.approx(500)
    assert 0 < y < world_map.HEIGHT


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_place_on_earth_has_a_place_across(latitude: float, longitude: float) -> None:
    assert -0.01 <= world_map.project(latitude, longitude)[0] <= 1000.01


@pytest.mark.parametrize("place", [(91, 0), (0, 181), (math.nan, 0)])
def test_what_is_no_place_on_earth_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no place"):
        world_map.project(*place)


def test_a_country_lies_where_its_capital_is() -> None:
    drawn = world_map.draw({"AU": 3})
    path = next(shape for shape in drawn.shapes if shape.code == "AU").path
    start = path[1 : path.index("l")].split()
    x, y = world_map.project(-25, 134)
    assert abs(float(start[0]) - x) < 80
    assert abs(float(start[1]) - y) < 80


def test_no_outline_leaves_the_map_or_crosses_it() -> None:
    """A country at the 180th meridian must not be drawn across the whole world."""
    for shape in world_map.draw({}).shapes:
        for ring in shape.path.split("M")[1:]:
            moves = ring.rstrip("z").replace("l", " ").replace("-", " -").split()
            steps = [float(move) for move in moves]
            assert all(abs(dx) < 200 for dx in steps[2::2]), shape.code
            assert 0 <= steps[0] <= 1000


def test_all_inhabited_countries_are_on_the_map() -> None:
    codes = {shape.code for shape in world_map.draw({}).shapes}
    assert {"AU", "US", "SG", "MT", "XK", "VA", "HK", "TV", "FJ", "RU"} <= codes
    assert len(codes) > 240


def test_only_countries_with_servers_are_links() -> None:
    drawn = world_map.draw({"NZ": 7, "SG": 1, "XX": 5}, "/directory/{code}")
    links = {shape.code: shape for shape in drawn.shapes if shape.url}
    assert {code: shape.url for code, shape in links.items()} == {
        "NZ": "/directory/NZ",
        "SG": "/directory/SG",
    }
    assert links["SG"].label == "Singapore: 1 registered server"


@given(st.integers(0, 10**9))
def test_shades_rise_in_round_numbers(largest: int) -> None:
    bounds = world_map.levels(largest)
    assert bounds[0] == 1
    assert len(bounds) <= world_map.CLASSES
    assert bounds == sorted(set(bounds))
    assert bounds[-1] <= max(largest, 1)


def test_the_legend_names_the_shades_of_the_map() -> None:
    drawn = world_map.draw({"AU": 1204, "NZ": 77, "FJ": 1})
    levels = {shape.code: shape.level for shape in drawn.shapes}
    assert levels["AU"] == 5
    assert levels["AU"] > levels["NZ"] > levels["FJ"] == 1
    assert drawn.legend[0] == (0, "none")
    assert drawn.legend[-1][1].endswith("or more")


def test_the_area_of_a_city_goes_by_its_servers() -> None:
    large, small = world_map.dots([City(1, 2, 100), City(3, 4, 25), City(5, 6, 0)])
    assert large.radius == world_map.LARGEST_DOT
    assert small.radius == pytest.approx(large.radius / 2)
