"""Plots as SVG files, by pygal."""

from __future__ import annotations

from math import floor, log10
from pathlib import Path

import pygal
from pygal.style import CleanStyle

from benchmarks.report import Bars, Plot


def write(plot: Plot | Bars, folder: Path) -> None:
    """Write a plot into a folder."""
    chart = _lines(plot) if isinstance(plot, Plot) else _bars(plot)
    folder.joinpath(f"{plot.name}.svg").write_bytes(chart.render(is_unicode=False))


def _lines(plot: Plot) -> pygal.XY:
    points = [point for line in plot.lines.values() for point in line]
    chart = pygal.XY(
        **_options(plot.title), x_title=plot.x, y_title=plot.y, logarithmic_x=True, range=(0, max(y for _, y in points))
    )
    # pygal's own logarithm of x leaves out the values: the ticks are the powers of ten instead.
    chart.x_labels = [10**power for power in range(floor(log10(max(x for x, _ in points))) + 1)]
    chart.x_value_formatter = lambda value: f"{value:,.0f}"
    for name, line in plot.lines.items():
        chart.add(name, list(line))
    return chart


def _bars(bars: Bars) -> pygal.HorizontalBar:
    chart = pygal.HorizontalBar(**_options(bars.title), x_title=bars.y, print_values=True)
    for name, value in bars.values.items():
        chart.add(name, value, formatter=lambda found: f"{found:,.0f}")
    return chart


def _options(title: str) -> dict[str, object]:
    # Without scripts and fonts from elsewhere: the picture is all there is.
    return {
        "title": title,
        "style": CleanStyle(font_family="sans-serif"),
        "js": [],
        "width": 800,
        "height": 400,
        "disable_xml_declaration": False,
        "legend_at_bottom": True,
        "uuid": title,
    }
