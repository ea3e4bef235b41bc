"""Small charts as SVG without any package: lines over logarithmic axes, and stacked areas."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from string import Template

WIDTH, HEIGHT = 460.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 14.0, 34.0, 44.0
COLOURS = ("#2f6fd0", "#d0662f", "#2f9e6b", "#9b51c9", "#b8932a", "#7a8794")
LIGHT = {"page": "#ffffff", "ink": "#1b1f24", "soft": "#59636e", "grid": "#e3e7ec"}
DARK = {"page": "#15181c", "ink": "#e8ebef", "soft": "#a3adb8", "grid": "#2c323a"}


def themed(rules: str, light: Mapping[str, str], dark: Mapping[str, str]) -> str:
    """Style rules with their $colours, light ones and, where the reader wants those, dark ones.

    Written out twice, not by CSS variables, which many converters do not know.
    """
    night = Template(rules).substitute(dark)
    return f"{Template(rules).substitute(light)}@media (prefers-color-scheme:dark){{{night}}}\n"


STYLE = """
.rl-plot{font-family:ui-sans-serif,system-ui,"Helvetica Neue",Arial,sans-serif}
.rl-plot .line{fill:none;stroke-width:2}
""" + themed(
    """.rl-plot .page{fill:$page}
.rl-plot text{fill:$soft;font-size:11px}
.rl-plot .title{fill:$ink;font-size:13px;font-weight:600}
.rl-plot .grid{stroke:$grid;stroke-width:1}
""", LIGHT, DARK,
)  # fmt: skip


def _number(value: float) -> str:
    return f"{value:.1f}"


def _short(value: float) -> str:
    """A number at an axis: 10⁵, 0.5, 200."""
    if value and (abs(value) >= 10_000 or abs(value) < 0.01):
        power = round(math.log10(abs(value)))
        if math.isclose(abs(value), 10.0**power):
            return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{value:.0e}"
    return f"{value:g}"


class Axis:
    """Maps values to pixels, evenly or by their logarithms, and chooses marks."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool) -> None:
        self.log, self.start, self.end = log, start, end
        if log:
            values = [value for value in values if value > 0] or [1.0]
            self.low = 10.0 ** math.floor(math.log10(min(values)) + 1e-9)
            self.high = 10.0 ** math.ceil(math.log10(max(values)) - 1e-9)
            self.high = max(self.high, self.low * 10)
        else:
            self.low, self.high = min(0.0, min(values, default=0.0)), max(values, default=1.0)
            self.high = self.high if self.high > self.low else self.low + 1

    def __call__(self, value: float) -> float:
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def marks(self) -> list[float]:
        if self.log:
            low, high = round(math.log10(self.low)), round(math.log10(self.high))
            step = max(1, -(-(high - low) // 6))
            return [10.0**power for power in range(low, high + 1, step)]
        raw = (self.high - self.low) / 5
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * k for k in (1, 2, 5, 10) if size * k >= raw)
        first = math.ceil(self.low / step)
        return [step * k for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _frame(
    title: str, xlabel: str, ylabel: str, x: Axis, y: Axis, named: Callable[[float], str]
) -> list[str]:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rl-plot" width="{WIDTH:.0f}"'
        f' height="{HEIGHT:.0f}" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH:.0f}" height="{HEIGHT:.0f}" rx="6"/>',
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
    ]
    bottom = HEIGHT - BOTTOM
    for mark in x.marks():
        at = _number(x(mark))
        parts.append(f'<path class="grid" d="M{at} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 15}" text-anchor="middle">{_short(mark)}</text>')
    for mark in y.marks():
        at = y(mark)
        parts.append(f'<path class="grid" d="M{LEFT} {_number(at)}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{_number(at + 4)}" text-anchor="end">{named(mark)}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 9}" text-anchor="middle">{escape(xlabel)}</text>'
    )
    parts.append(
        f'<text transform="translate(13 {(TOP + bottom) / 2}) rotate(-90)"'
        f' text-anchor="middle">{escape(ylabel)}</text>'
    )
    return parts


def _legend(names: Sequence[str], left: float = LEFT) -> list[str]:
    parts = []
    for place, name in enumerate(names):
        y = TOP + 14 + 15 * place
        colour = COLOURS[place % len(COLOURS)]
        parts.append(
            f'<rect x="{left + 8}" y="{y - 8}" width="10" height="10" rx="2" fill="{colour}"/>'
            f'<text x="{left + 23}" y="{y + 1}">{escape(name)}</text>'
        )
    return parts


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]], title: str, xlabel: str, ylabel: str,
    log: bool = True, named: Callable[[float], str] = _short, legend: float = LEFT,
    marks: Mapping[str, float] | None = None,
) -> str:  # fmt: skip
    """Curves through (x, y) points as an SVG document; `log` is for both axes.

    `legend` is where the names stand, in pixels from the left; `marks` are dashed verticals, in the
    colour of the curve of that name.

    >>> lines({"a": [(1, 1), (10, 100)]}, "growth", "n", "steps").count("<circle")
    2
    """
    points = [point for curve in series.values() for point in curve]
    x = Axis([p for p, _ in points], LEFT, WIDTH - RIGHT, log)
    y = Axis([p for _, p in points], HEIGHT - BOTTOM, TOP, log)
    parts = _frame(title, xlabel, ylabel, x, y, named)
    for place, curve in enumerate(series.values()):
        colour = COLOURS[place % len(COLOURS)]
        path = "L".join(f"{_number(x(a))} {_number(y(b))}" for a, b in curve)
        parts.append(f'<path class="line" stroke="{colour}" d="M{path}"/>')
        parts += [
            f'<circle cx="{_number(x(a))}" cy="{_number(y(b))}" r="3" fill="{colour}"/>'
            for a, b in curve
        ]
    for place, name in enumerate(series):
        if marks and name in marks:
            at = f"M{_number(x(marks[name]))} {TOP}V{HEIGHT - BOTTOM}"
            colour = COLOURS[place % len(COLOURS)]
            parts.append(f'<path class="line" stroke="{colour}" stroke-dasharray="3 4" d="{at}"/>')
    return "\n".join([*parts, *_legend(list(series), legend), "</svg>"])


def areas(
    x: Sequence[float], series: Mapping[str, Sequence[float]], title: str, xlabel: str,
    ylabel: str, named: Callable[[float], str] = _short,
) -> str:  # fmt: skip
    """Values stacked on each other over `x` as an SVG document."""
    totals = [sum(values) for values in zip(*series.values())]
    across = Axis(x, LEFT, WIDTH - RIGHT, False)
    up = Axis(totals, HEIGHT - BOTTOM, TOP, False)
    parts = _frame(title, xlabel, ylabel, across, up, named)
    below = [0.0] * len(x)
    for place, values in enumerate(series.values()):
        above = [a + b for a, b in zip(below, values)]
        outline = [(across(a), up(b)) for a, b in zip(x, above)]
        outline += [(across(a), up(b)) for a, b in zip(reversed(x), reversed(below))]
        path = "L".join(f"{_number(a)} {_number(b)}" for a, b in outline)
        colour = COLOURS[place % len(COLOURS)]
        parts.append(f'<path d="M{path}Z" fill="{colour}" fill-opacity="0.75"/>')
        below = above
    return "\n".join([*parts, *_legend(list(series)), "</svg>"])
