"""Charts as geometry: numbers in, places of bars and lines in an SVG's units out. Pure.

The macros in ``templates/macros/charts.html`` draw them. Colours come from CSS classes, and
the figures go with each chart as a table, so that nothing is told by shape or colour alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from babel.numbers import format_compact_decimal, get_currency_precision, get_currency_symbol

from countersign.web.filters import LOCALE, money, number

WIDTH, WIDE, HEIGHT = 640.0, 1100.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 12.0, 16.0, 40.0
MAX_POINTS = 400
MAX_SERIES = 6
_LABELS = 12
"""The most labels below the axis; further ones are left out, evenly."""


@dataclass(frozen=True, slots=True)
class Series:
    """One row of numbers."""

    label: str
    values: Sequence[int]
    tone: str = ""
    """good, info, warn, bad or neutral; empty: the next colour of the chart's own."""


Rows = Sequence[Series | tuple[str, Sequence[int]] | tuple[str, Sequence[int], str]]
"""Series, or what makes one."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across, with its value."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Label:
    """A word below the axis."""

    x: float
    text: str
    minor: bool
    """Whether it is left out where there is little room."""
    last: bool
    """Whether it ends at ``x`` instead of having its middle there."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a line."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points."""

    path: str
    dots: list[Dot]
    style: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole chart, ready to be drawn."""

    title: str
    description: str
    slug: str
    """Part of the ids of its elements."""
    ticks: list[Tick]
    labels: list[Label]
    bars: list[Bar]
    lines: list[Line]
    legend: list[tuple[str, str]]
    """Label and class of each series."""
    rows: list[tuple[str, list[str]]]
    """The figures: label, then the value of each series."""
    unit: str
    """What the values are in; empty: plain numbers."""
    width: float
    right: float
    height: float = HEIGHT
    left: float = LEFT
    base: float = HEIGHT - BOTTOM


def steps(largest: float) -> list[float]:
    """Return three to six round values for an axis, from 0 to at least the largest value."""
    if largest <= 1:
        return [0, 1]
    rough = largest / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * 0.999)
    # Counts have no fractions.
    step = max(1.0, step if step >= 10 or step.is_integer() else math.ceil(step))
    return [step * k for k in range(math.ceil(largest / step) + 1)]


def bars(
    title: str,
    labels: Sequence[str],
    values: Sequence[int],
    *,
    currency: str = "",
    tone: str = "",
    wide: bool = False,
) -> Chart:
    """Return a chart with one bar for each label; as :func:`stacked` otherwise."""
    row = Series(title, values, tone)
    return stacked(title, labels, [row], currency=currency, wide=wide)


def stacked(
    title: str, labels: Sequence[str], series: Rows, *, currency: str = "", wide: bool = False
) -> Chart:
    """Return a chart with one bar for each label, made of a part for each series.

    values: integers from 0 up; with a currency, amounts in its minor unit. Raises
    :class:`ValueError` for rows of unlike length, negative values, or too many of either.
    """
    series = _series(series, labels)
    sums = [sum(one.values[k] for one in series) for k in range(len(labels))]
    axis = _Axis(len(labels), max(sums, default=0), currency, wide)
    marks: list[Bar] = []
    width = axis.slot * (0.72 if axis.slot > 8 else 0.9)
    for k, label in enumerate(labels):
        below = 0
        for at, one in enumerate(series):
            value = one.values[k]
            if value:
                top, bottom = axis.y(below + value), axis.y(below)
                name = label if len(series) == 1 else f"{label}, {one.label}"
                text = f"{name}: {axis.value(value)}"
                x = round(axis.x(k) - width / 2, 1)
                place = (x, top, round(width, 1), round(bottom - top, 1))
                marks.append(Bar(*place, _style(at, one), text))
                below += value
    return _chart(title, labels, series, axis, bars=marks)


def line(
    title: str, labels: Sequence[str], series: Rows, *, currency: str = "", wide: bool = False
) -> Chart:
    """Return a chart with a line for each series; as :func:`stacked` otherwise."""
    series = _series(series, labels)
    largest = max((value for one in series for value in one.values), default=0)
    axis = _Axis(len(labels), largest, currency, wide)
    lines: list[Line] = []
    for at, one in enumerate(series):
        dots = [
            Dot(axis.x(k), axis.y(value), f"{labels[k]}, {one.label}: {axis.value(value)}")
            for k, value in enumerate(one.values)
        ]
        path = "L".join(f"{dot.x:g} {dot.y:g}" for dot in dots)
        lines.append(Line(f"M{path}" if path else "", dots, _style(at, one)))
    return _chart(title, labels, series, axis, lines=lines)


class _Axis:
    """Where values and labels lie."""

    def __init__(self, count: int, largest: float, currency: str, wide: bool) -> None:
        self.currency = currency
        self.scale = 10 ** get_currency_precision(currency) if currency else 1
        self.values = steps(largest / self.scale)
        self.width = WIDE if wide else WIDTH
        self.slot = (self.width - LEFT - RIGHT) / max(count, 1)

    def x(self, index: int) -> float:
        return round(LEFT + self.slot * (index + 0.5), 1)

    def y(self, value: float) -> float:
        part = value / self.scale / self.values[-1]
        return round(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM), 1)

    def value(self, value: int) -> str:
        return money(value, self.currency) if self.currency else number(value)

    def ticks(self) -> list[Tick]:
        return [
            Tick(
                self.y(value * self.scale),
                format_compact_decimal(value, locale=LOCALE, fraction_digits=1),
            )
            for value in self.values
        ]

    def labels(self, texts: Sequence[str]) -> list[Label]:
        step = math.ceil(len(texts) / _LABELS)
        last = len(texts) - 1
        kept = [k for k in range(len(texts)) if (last - k) % step == 0]
        # Many points lie so close that the last one's label would run over the edge: it ends there.
        ends = step > 1
        return [
            Label(
                self.width if ends and k == last else self.x(k),
                texts[k],
                (len(kept) - 1 - at) % 3 != 0,
                ends and k == last,
            )
            for at, k in enumerate(kept)
        ]


def _series(given: Rows, labels: Sequence[str]) -> list[Series]:
    series = [one if isinstance(one, Series) else Series(*one) for one in given]
    if len(labels) > MAX_POINTS or len(series) > MAX_SERIES:
        raise ValueError(f"a chart has at most {MAX_POINTS} points of {MAX_SERIES} series")
    for one in series:
        if len(one.values) != len(labels):
            raise ValueError(f"'{one.label}' has {len(one.values)} values, not {len(labels)}")
        if any(value < 0 for value in one.values):
            raise ValueError(f"'{one.label}' has a negative value")
    return series


def _style(index: int, series: Series) -> str:
    return f"tone-{series.tone}" if series.tone else f"series-{index + 1}"


def _chart(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    axis: _Axis,
    *,
    bars: Sequence[Bar] = (),
    lines: Sequence[Line] = (),
) -> Chart:
    return Chart(
        title=title,
        description=_description(labels, series, axis),
        slug=re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "chart",
        ticks=axis.ticks(),
        labels=axis.labels(labels),
        unit=get_currency_symbol(axis.currency, LOCALE) if axis.currency else "",
        width=axis.width,
        right=axis.width - RIGHT,
        bars=list(bars),
        lines=list(lines),
        legend=[(one.label, _style(at, one)) for at, one in enumerate(series)],
        rows=[
            (label, [axis.value(one.values[k]) for one in series]) for k, label in enumerate(labels)
        ],
    )


def _description(labels: Sequence[str], series: Sequence[Series], axis: _Axis) -> str:
    if not labels:
        return "There are no figures yet."
    parts = [f"{len(labels)} values from {labels[0]} to {labels[-1]}."]
    for one in series:
        top = max(range(len(labels)), key=lambda k, row=one: row.values[k])  # type: ignore[misc]
        parts.append(
            f"{one.label}: highest {axis.value(one.values[top])} in {labels[top]}, "
            f"last {axis.value(one.values[-1])}."
        )
    return " ".join(parts)
