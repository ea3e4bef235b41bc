"""A line chart with logarithmic axes as SVG, without any plotting package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, isfinite, log10

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48
COLOURS = ("#2563c9", "#c2410c", "#15803d", "#7c3aed", "#a16207")
Point = tuple[float, float]


class _Axis:
    """A logarithmic axis from one power of ten to another."""

    def __init__(self, values: Sequence[float], start: float, stop: float) -> None:
        logs = [log10(v) for v in values]
        self.low = floor(min(logs, default=0))
        self.high = max(ceil(max(logs, default=1)), self.low + 1)
        self.start, self.stop = start, stop

    def __call__(self, value: float) -> float:
        share = (log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[int]:
        """At most nine powers of ten."""
        step = max(1, ceil((self.high - self.low) / 8))
        return list(range(self.low, self.high + 1, step))


def line_chart(
    curves: Mapping[str, Sequence[Point]], title: str, xlabel: str, ylabel: str,
    marks: Sequence[tuple[float, str]] = (), notes: Sequence[str] = (),
) -> str:  # fmt: skip
    """Curves over logarithmic axes; `marks` are dashed verticals, `notes` stand left and right."""
    shown = {
        name: [(x, y) for x, y in points if x > 0 and y > 0 and isfinite(x) and isfinite(y)]
        for name, points in curves.items()
    }
    points = [point for one in shown.values() for point in one]
    across = _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [_frame(title, xlabel, ylabel), *_grid(across, up)]
    for place, (name, one) in enumerate(shown.items()):
        colour = COLOURS[place % len(COLOURS)]
        parts += _curve(name, one, colour, across, up, place)
        parts += [
            f'<line x1="{across(x):.1f}" x2="{across(x):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"'
            f' stroke="{colour}" stroke-dasharray="3 4"><title>{escape(text)}</title></line>'
            for x, text in marks if text.startswith(name) and across.low <= log10(x) <= across.high
        ]  # fmt: skip
    anchors = ((LEFT + 8, "start"), (WIDTH - RIGHT - 8, "end"))
    for note, (x, anchor) in zip(notes, anchors):
        parts.append(_text(x, HEIGHT - BOTTOM - 8, note, anchor, "#666"))
    return "\n".join([*parts, "</svg>"])


def _frame(title: str, xlabel: str, ylabel: str) -> str:
    middle = (LEFT + WIDTH - RIGHT) / 2
    centre = (TOP + HEIGHT - BOTTOM) / 2
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(middle, 22, title, "middle", "#111"),
        _text(middle, HEIGHT - 10, xlabel, "middle", "#333"),
        f'<text transform="translate(16 {centre}) rotate(-90)" text-anchor="middle" fill="#333">'
        f"{escape(ylabel)}</text>",
    ))  # fmt: skip


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}">{escape(text)}</text>'


def _grid(across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for power in across.ticks():
        x = across(10.0**power)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"'
                     ' stroke="#e5e5e5"/>')  # fmt: skip
        parts.append(_text(x, HEIGHT - BOTTOM + 16, f"1e{power}", "middle", "#555"))
    for power in up.ticks():
        y = up(10.0**power)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
                     ' stroke="#e5e5e5"/>')  # fmt: skip
        parts.append(_text(LEFT - 6, y + 4, f"1e{power}", "end", "#555"))
    return parts


def _curve(
    name: str, points: Sequence[Point], colour: str, across: _Axis, up: _Axis, place: int
) -> list[str]:
    places = [(across(x), up(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
    y = TOP + 16 + 20 * place
    x = WIDTH - RIGHT + 16
    parts.append(f'<line x1="{x}" x2="{x + 20}" y1="{y}" y2="{y}" stroke="{colour}"'
                 ' stroke-width="2"/>')  # fmt: skip
    parts.append(_text(x + 26, y + 4, name, "start", "#111"))
    return parts
