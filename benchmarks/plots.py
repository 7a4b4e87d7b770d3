"""Plots as SVG files, by pygal."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element

import pygal
from pygal.style import CleanStyle

from benchmarks.report import Bars, Plot

Chart = TypeVar("Chart", pygal.Line, pygal.HorizontalBar)
STYLE = CleanStyle(font_family="sans-serif", background="white", label_font_size=12, value_font_size=12)


def write(plot: Plot | Bars, folder: Path) -> None:
    """Write a plot into a folder."""
    chart = _line(plot) if isinstance(plot, Plot) else _bars(plot)
    chart.uuid = plot.name  # or it is another one each time
    chart.add_xml_filter(_without_scripts)
    folder.joinpath(f"{plot.name}.svg").write_bytes(chart.render())


def _line(plot: Plot) -> pygal.Line:
    chart = _sized(pygal.Line(x_title=plot.x, range=(0, max(plot.points.values()) * 1.1)), plot.title)
    chart.x_labels = list(plot.points)
    chart.add(None, list(plot.points.values()))
    return chart


def _bars(bars: Bars) -> pygal.HorizontalBar:
    chart = _sized(pygal.HorizontalBar(x_title=bars.unit, print_values=True, print_values_position="top"), bars.title)
    names = list(reversed(bars.values))  # the first one is at the bottom
    chart.x_labels = names
    chart.add(None, [bars.values[name] for name in names], formatter=lambda found: f"{found:,.0f}")
    return chart


def _sized(chart: Chart, title: str) -> Chart:
    chart.config(title=title, style=STYLE, width=800, height=340, js=[], show_legend=False)
    return chart


def _without_scripts(root: Element) -> Element:
    for parent in list(root.iter()):
        for script in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(script)
    return root
