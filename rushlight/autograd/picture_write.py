"""Writes a drawing as SVG, DOT or Mermaid."""

from __future__ import annotations

from html import escape
from typing import Any

from . import plot
from .picture_boxes import LINE

LIGHT = {
    **plot.LIGHT, "line": "#8a94a0", "op": "#f3f5f8", "leaf": "#dbeafe", "constant": "#f0ede4",
    "module": "#ece5fb", "repeat": "#e0f2e9", "result": "#fde8cf",
}  # fmt: skip
DARK = {
    **plot.DARK, "line": "#6f7a86", "op": "#262b32", "leaf": "#1d3557", "constant": "#35322a",
    "module": "#37305a", "repeat": "#1f4034", "result": "#5a3d17",
}  # fmt: skip
STYLE = """
.rl-graph{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
""" + plot.themed(
    """.rl-graph .page{fill:$page}
.rl-graph text{fill:$ink;font-size:12px;text-anchor:middle}
.rl-graph .small{fill:$soft;font-size:10px}
.rl-graph .edge{fill:none;stroke:$line;stroke-width:1.2}
.rl-graph .tip{fill:$line}
.rl-graph rect.box{stroke:$line;stroke-width:1}
.rl-graph .op{fill:$op}.rl-graph .leaf{fill:$leaf}
.rl-graph .constant{fill:$constant}
.rl-graph .module,.rl-graph .stretch{fill:$module}.rl-graph .repeat{fill:$repeat}
.rl-graph .result{fill:$result}
""", LIGHT, DARK,
)  # fmt: skip
ROUND = {"leaf": 12, "constant": 12, "result": 3}


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _path(points: list[tuple[float, float]]) -> str:
    """A line that leaves and enters rows upright."""
    x, y = points[0]
    parts = [f"M{_number(x)} {_number(y)}"]
    for place, (nx, ny) in enumerate(points[1:]):
        if place % 2:  # through a row
            parts.append(f"L{_number(nx)} {_number(ny)}")
        else:
            middle = _number((y + ny) / 2)
            parts.append(
                f"C{_number(x)} {middle} {_number(nx)} {middle} {_number(nx)} {_number(ny)}"
            )
        x, y = nx, ny
    return "".join(parts)


def _box(box: Any, x: float, y: float) -> str:
    width, height = box.size
    left, top = x - width / 2, y - height / 2
    rounding = ROUND.get(box.kind, 5)
    shape = (
        f'<rect class="box {box.kind}" x="{_number(left)}" y="{_number(top)}"'
        f' width="{_number(width)}" height="{_number(height)}" rx="{rounding}"/>'
    )
    lines = [f'<text x="{_number(x)}" y="{_number(top + LINE + 1)}">{escape(box.title)}</text>']
    for place, line in enumerate(box.lines):
        at = _number(top + LINE * (place + 2) - 1)
        lines.append(f'<text class="small" x="{_number(x)}" y="{at}">{escape(line)}</text>')
    hint = f"<title>{escape(box.hint)}</title>" if box.hint else ""
    return f"<g>{hint}{shape}{''.join(lines)}</g>"


def as_svg(picture: Any) -> str:
    """The laid-out picture; the drawing carries its own background and both sets of colours."""
    layout = picture.layout
    width, height = _number(layout.width), _number(layout.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rl-graph" width="{width}"'
        f' height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>computation graph of {picture.total} operations</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
    ]
    for path, (_, _, label) in zip(layout.paths, picture.edges):
        x, y = path[-1]
        hint = f"<title>{escape(label)}</title>" if label else ""
        parts.append(f'<path class="edge" d="{_path([*path[:-1], (x, y - 5)])}">{hint}</path>')
        tip = f"M{_number(x - 3.5)} {_number(y - 6)}h7l-3.5 6z"
        parts.append(f'<path class="tip" d="{tip}"/>')
    for box, (x, y) in zip(picture.boxes, layout.centres):
        parts.append(_box(box, x, y))
    return "\n".join([*parts, "</svg>"])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def as_dot(picture: Any) -> str:
    """Graphviz's language, top to bottom."""
    shapes = {"leaf": "ellipse", "constant": "plaintext", "result": "box, peripheries=2"}
    lines = ["digraph {", '  node [shape=box, fontname="monospace", fontsize=11];']
    for place, box in enumerate(picture.boxes):
        label = _quoted("\n".join([box.title, *box.lines])).replace("\n", "\\n")
        lines.append(f'  n{place} [label="{label}", shape={shapes.get(box.kind, "box")}];')
    for a, b, label in picture.edges:
        more = f' [label="{_quoted(label)}"]' if label else ""
        lines.append(f"  n{a} -> n{b}{more};")
    return "\n".join([*lines, "}", ""])


def as_mermaid(picture: Any) -> str:
    """A Mermaid flowchart, top to bottom."""
    ends = {"leaf": ("([", "])"), "constant": (">", "]"), "result": ("[[", "]]")}
    lines = ["flowchart TD"]
    for place, box in enumerate(picture.boxes):
        a, b = ends.get(box.kind, ("[", "]"))
        text = "<br/>".join([box.title, *box.lines]).replace('"', "#quot;")
        lines.append(f'  n{place}{a}"{text}"{b}')
    for a, b, label in picture.edges:
        arrow = f'-- "{label}" -->' if label else "-->"
        lines.append(f"  n{a} {arrow} n{b}")
    return "\n".join([*lines, ""])
