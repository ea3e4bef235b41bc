"""Pictures of graphs: nothing overlaps, every edge goes down, large graphs fold to what fits."""

from __future__ import annotations

import itertools
import pathlib
import random
import time
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight import nn
from rushlight.autograd import plot
from rushlight.autograd.picture_fold import Part, fold, parts_by_module, repetitions
from rushlight.autograd.picture_layout import SIDE, Layout, apart


def check_geometry(layout: Layout) -> None:
    """No two boxes touch, every edge runs downward from box to box, and past all others."""
    boxes = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (x, y), (w, h) in zip(layout.centres, layout.sizes)
    ]
    rows: dict[int, list[Any]] = {}
    for box, row in zip(boxes, layout.rows):
        rows.setdefault(row, []).append(box)
    for members in rows.values():
        members.sort()
        for a, b in itertools.pairwise(members):
            assert b[0] - a[2] >= SIDE - 1e-6
    for upper, lower in itertools.pairwise([rows[row] for row in sorted(rows)]):
        assert max(box[3] for box in upper) < min(box[1] for box in lower)
    for (a, b), path in zip(layout.edges, layout.paths):
        assert path[0][1] == pytest.approx(boxes[a][3])
        assert path[-1][1] == pytest.approx(boxes[b][1])
        assert boxes[a][0] <= path[0][0] <= boxes[a][2]
        assert boxes[b][0] <= path[-1][0] <= boxes[b][2]
        assert all(p[1] < q[1] + 1e-9 for p, q in itertools.pairwise(path))
        for place in range(1, len(path) - 1, 2):  # the stretches through rows
            (x, top), (_, bottom) = path[place], path[place + 1]
            for left, above, right, below in boxes:
                if above < bottom and below > top:
                    assert not left < x < right
    assert all(box[0] >= 0 and box[2] <= layout.width for box in boxes)
    assert all(box[1] >= 0 and box[3] <= layout.height for box in boxes)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 25), st.integers(0, 60), st.randoms(use_true_random=False))
def test_no_boxes_overlap_and_edges_go_down(count: int, many: int, draw: random.Random) -> None:
    edges = set()
    for _ in range(many if count > 1 else 0):
        a, b = sorted(draw.sample(range(count), 2))
        edges.add((a, b))
    sizes = [(draw.uniform(20, 200), draw.uniform(10, 60)) for _ in range(count)]
    check_geometry(Layout(sizes, sorted(edges)))


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="has a cycle"):
        Layout([(10, 10)] * 2, [(0, 1), (1, 0)])


@given(
    st.lists(
        st.tuples(st.floats(-100, 100), st.floats(1, 50), st.floats(0.1, 5)),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_places_are_the_nearest_that_do_not_overlap(items: list[tuple[float, ...]]) -> None:
    wanted, widths, weights = zip(*items)
    found = apart(wanted, widths, weights)

    def cost(places: Any) -> float:
        return sum(k * (p - q) ** 2 for p, q, k in zip(places, wanted, weights))

    for place in range(1, len(found)):
        least = (widths[place - 1] + widths[place]) / 2 + SIDE
        assert found[place] - found[place - 1] >= least - 1e-6
    for cut in range(len(found)):  # moving all from some place on is allowed outward only
        for first, step in ((cut, 0.1), (cut, 0.0)):
            moved = [p + step if i >= first else p for i, p in enumerate(found)]
            assert cost(moved) >= cost(found) - 1e-6
            moved = [p - step if i <= first else p for i, p in enumerate(found)]
            assert cost(moved) >= cost(found) - 1e-6


def test_a_line_without_branches_is_straight() -> None:
    layout = Layout([(50, 20), (90, 20), (30, 20)], [(0, 1), (1, 2)])
    assert len({round(x, 3) for x, _ in layout.centres}) == 1


# -- folding ---------------------------------------------------------------------------------------


def parts(names: str) -> list[Part]:
    return parts_by_module(list(names), list(names), [None] * len(names))


def test_repetitions_are_found_wherever_they_begin() -> None:
    found = repetitions(parts("xyabcabcabcabczz"))
    assert [(part.title, part.count) for part in found] == [
        ("x", 1), ("y", 1), ("4 × (a → b → c)", 12), ("z", 1), ("z", 1),
    ]  # fmt: skip
    assert found[2].steps() == list(range(2, 14))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["m", "m.0", "m.1", "m.1.x", "n"]))),
    st.integers(1, 12),
)
def test_folding_keeps_every_operation_once_and_in_order(items: Any, limit: int) -> None:
    names = [name for name, _ in items]
    shown = fold(parts_by_module(names, names, [module for _, module in items]), limit)
    assert [step for part in shown for step in part.steps()] == list(range(len(items)))
    assert len(shown) <= max(limit, 1)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Any) -> Any:
        return x + self.second(self.first(x).relu())


class Deep(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(blocks)])
        self.head = nn.Linear(6, 2)

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_a_small_graph_is_drawn_whole() -> None:
    w = rl.ones(3, requires_grad=True)
    b = rl.zeros((), requires_grad=True)
    x = rl.tensor([1.0, 2.0, 3.0])
    picture = rl.graph_picture(1 / ((-((w * x).sum() + b)).exp() + 1))
    titles = [box.title for box in picture.boxes]
    assert titles == ["Mul", "Sum", "Add", "Neg", "Exp", "Add", "Div", "w", "x", "b", "1", "result"]
    named = {(titles[a], titles[b]) for a, b, _ in picture.edges}
    assert {("w", "Mul"), ("x", "Mul"), ("b", "Add"), ("1", "Div"), ("Div", "result")} <= named
    check_geometry(picture.layout)


def test_layers_are_opened_while_there_is_room() -> None:
    net, x = Deep(8), rl.rand(2, 6)
    folded = rl.graph_picture(net, x, limit=12)
    assert [box.title for box in folded.boxes if box.kind == "module"] == [
        f"Deep.blocks.{i}" for i in range(8)
    ]
    assert folded.boxes[0].lines == ("4 operations → 2×6", "84 parameters")
    whole = rl.graph_picture(net, x, limit=100)
    assert {box.kind for box in whole.boxes} == {"op", "leaf", "result"}
    assert sum(box.title.startswith("blocks.3.") for box in whole.boxes) == 4
    shallow = rl.graph_picture(net, x, limit=100, depth=0)
    assert [box.title for box in shallow.boxes] == ["Deep", "result"]
    for picture in (folded, whole, shallow):
        check_geometry(picture.layout)


@pytest.mark.parametrize("limit", [60, 10**6])
def test_five_thousand_operations(limit: int) -> None:
    a = rl.rand(2, requires_grad=True)
    y = a
    for _ in range(1250):
        y = (y * a).sin() + y.tanh()
    start = time.process_time()
    picture = rl.graph_picture(y, limit=limit)
    picture.svg()
    assert time.process_time() - start < 30
    assert picture.total == 5000
    if limit == 60:
        assert len(picture.boxes) < 20
        assert "1248 × (Mul → Sin → Tanh → Add)" in [box.title for box in picture.boxes]
        check_geometry(picture.layout)
    else:
        assert len(picture.boxes) > 5000
        assert len(picture.layout.paths) == len(picture.edges)


def test_functions_are_drawn_with_inputs_that_want_no_gradient() -> None:
    picture = rl.graph_picture(lambda x, y: {"out": [x @ y]}, rl.rand(2, 3), rl.rand(3, 4))
    assert [box.title for box in picture.boxes] == ["Mm", "input 0", "input 1", "result"]


def test_several_outputs_and_shared_layers() -> None:
    cell = nn.RNNCell(3, 4)

    def run(xs: Any) -> Any:
        h = rl.zeros(1, 4)
        for x in xs:
            h = cell(x[None], h)
        return h.sum(), h.max(dim=1).values

    picture = rl.graph_picture(run, rl.rand(5, 3), limit=24)
    assert [box.title for box in picture.boxes].count("RNNCell") >= 3
    assert {"result 0", "result 1"} <= {box.title for box in picture.boxes}
    check_geometry(picture.layout)


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(TypeError, match="draws tensors, modules and functions, not int"):
        rl.graph_picture(3)
    with pytest.raises(RuntimeError, match="there is no graph to draw"):
        rl.graph_picture(rl.ones(2) * 2)


def test_the_languages(tmp_path: pathlib.Path) -> None:
    x = rl.ones(2, requires_grad=True)
    picture = rl.graph_picture((x * 2).sum(), names={'a <b> & "c"': x})
    root = ElementTree.fromstring(picture.svg())
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Mul", 'a <b> & "c"', "result"} <= set(texts)
    assert "prefers-color-scheme:dark" in picture.svg()
    assert picture._repr_svg_() == picture.svg()
    dot = picture.dot()
    assert dot.startswith("digraph {")
    assert dot.count("->") == len(picture.edges)
    assert r"\"c\"" in dot
    mermaid = picture.mermaid()
    assert mermaid.startswith("flowchart TD\n")
    assert mermaid.count("-->") == len(picture.edges)
    for ending in ("svg", "dot", "gv", "mmd", "mermaid"):
        picture.save(tmp_path / f"graph.{ending}")
        assert (tmp_path / f"graph.{ending}").read_text()
    with pytest.raises(ValueError, match=r"'.png' is none of the endings .svg, .dot"):
        picture.save(tmp_path / "graph.png")


def test_traced_graphs_are_drawn_too() -> None:
    class Node:
        def __init__(self, op: str, *inputs: Any) -> None:
            self.op, self.inputs, self.shape, self.module = op, inputs, (2, 2), ""

    class Graph:
        a, b = Node("input"), Node("constant")
        c = Node("add", a, b)
        nodes = [a, b, c, Node("exp", c)]
        outputs = nodes[-1:]

    picture = rl.graph_picture(Graph())
    assert [box.title for box in picture.boxes] == ["add", "exp", "input", "constant"]
    assert sorted((a, b) for a, b, _ in picture.edges) == [(0, 1), (2, 0), (3, 0)]


def test_colours_need_no_css_variables() -> None:
    """Converters to PDF and PNG often know none, and draw everything black."""
    drawings = [
        rl.graph_picture(rl.ones(2, requires_grad=True).sin()).svg(),
        plot.lines({"f": [(1.0, 2.0), (3.0, 4.0)]}, "title", "x", "y"),
    ]
    for drawing in drawings:
        assert "var(" not in drawing
        assert "fill:#ffffff" in drawing.split("@media")[0]
        assert "fill:#15181c" in drawing.split("@media")[1]
        ElementTree.fromstring(drawing)
