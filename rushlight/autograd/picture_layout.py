"""Layered drawing of a directed acyclic graph: boxes in rows, every edge downward.

The four steps of Sugiyama, Tagawa and Toda (1981): rows by longest path, bends for edges that skip
rows, an order in each row with few crossings (barycentres), and places that pull neighbours under
each other without overlap (isotonic regression). Pure geometry: boxes are sizes, edges are pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]
SIDE, BETWEEN = 18.0, 34.0  # free space beside and below a box
BEND = 6.0  # the width that an edge takes where it passes a row


class Layout:
    """Where everything is: box centres and rows, and for each edge the points it runs through."""

    def __init__(self, sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]):
        self.sizes, self.edges = list(sizes), list(edges)
        self.rows, self.side = rows_of(len(sizes), edges)
        self._bend()
        self._order()
        self._place()
        self._route()

    def _bend(self) -> None:
        """Cut edges over several rows into pieces over one: `chains` lists each edge's nodes."""
        self.row_of = list(self.rows)
        self.widths = [width for width, _ in self.sizes]
        self.light = list(self.side)  # what may stand anywhere and follows the others
        self.chains: list[list[int]] = []
        for a, b in self.edges:
            chain = [a]
            for row in range(self.rows[a] + 1, self.rows[b]):
                chain.append(len(self.row_of))
                self.row_of.append(row)
                self.widths.append(BEND)
                self.light.append(False)
            self.chains.append([*chain, b])
        count = len(self.row_of)
        self.above: list[list[int]] = [[] for _ in range(count)]
        self.below: list[list[int]] = [[] for _ in range(count)]
        for chain in self.chains:
            for a, b in pairwise(chain):
                self.below[a].append(b)
                self.above[b].append(a)

    def _order(self) -> None:
        """Sweeps down and up, each row sorted by the mean place of its neighbours."""
        self.layers: list[list[int]] = [[] for _ in range(max(self.row_of, default=-1) + 1)]
        for node in _depth_first(self.above, self.below, len(self.row_of)):
            self.layers[self.row_of[node]].append(node)
        best, least = [list(layer) for layer in self.layers], self._crossings()
        for turn in range(8 if len(self.row_of) < 4000 else 4):
            if not least:
                break
            self._sweep(turn % 2 == 0)
            found = self._crossings()
            if found < least:
                best, least = [list(layer) for layer in self.layers], found
        self.layers = best

    def _sweep(self, down: bool) -> None:
        """Sort each row by the mean place of its neighbours in the row before."""
        near = self.above if down else self.below
        place = [0.0] * len(self.row_of)
        for layer in self.layers if down else reversed(self.layers):
            keys = {}
            for i, node in enumerate(layer):
                around = [place[m] for m in near[node]]
                keys[node] = sum(around) / len(around) if around else float(i)
            layer.sort(key=keys.__getitem__)
            for i, node in enumerate(layer):
                place[node] = float(i)

    def _crossings(self) -> int:
        """How often edges between neighbouring rows cross, counted by a tree of sums."""
        place = [0] * len(self.row_of)
        for layer in self.layers:
            for i, node in enumerate(layer):
                place[node] = i
        total = 0
        for upper, lower in pairwise(self.layers):
            ends = [place[b] for a in upper for b in sorted(self.below[a], key=place.__getitem__)]
            tree = [0] * (len(lower) + 1)
            for seen, end in enumerate(ends):
                i, before = end + 1, 0
                while i:
                    before += tree[i]
                    i -= i & -i
                total += seen - before
                i = end + 1
                while i <= len(lower):
                    tree[i] += 1
                    i += i & -i
        return total

    def _place(self) -> None:
        """Centres: every row as near as it can be to the means of its neighbours."""
        x = [0.0] * len(self.row_of)
        for layer in self.layers:
            at = 0.0
            for node in layer:
                x[node] = at + self.widths[node] / 2
                at += self.widths[node] + SIDE
        for turn in range(12):
            for layer in self.layers if turn % 2 == 0 else reversed(self.layers):
                near = self.above if turn % 2 == 0 else self.below
                wanted = [self._mean(x, near[n]) if near[n] else x[n] for n in layer]
                # edges that pass a row are to be straight
                weights = [
                    4.0 if n >= len(self.sizes) else 0.02 if self.light[n] else 1.0 for n in layer
                ]
                for n, at in zip(layer, apart(wanted, [self.widths[n] for n in layer], weights)):
                    x[n] = at
        left = min((x[n] - self.widths[n] / 2 for n in range(len(x))), default=0.0)
        self.x = [at - left + SIDE for at in x]

    def _mean(self, x: list[float], near: list[int]) -> float:
        """The middle of the neighbours; side branches hardly count."""
        weights = [0.01 if self.light[m] else 1.0 for m in near]
        return sum(x[m] * weight for m, weight in zip(near, weights)) / sum(weights)

    def _route(self) -> None:
        """Heights of the rows, centres of the boxes, and the edges' points."""
        top = SIDE
        self.tops, self.bottoms = [], []
        for layer in self.layers:
            real = [self.sizes[n][1] for n in layer if n < len(self.sizes)]
            self.tops.append(top)
            self.bottoms.append(top + max(real, default=0.0))
            top = self.bottoms[-1] + BETWEEN
        right = (at + width / 2 for at, width in zip(self.x, self.widths))
        self.width = max(right, default=0.0) + SIDE
        self.height = (self.bottoms[-1] if self.bottoms else 0.0) + SIDE
        self.centres: list[Point] = [
            (self.x[n], (self.tops[self.rows[n]] + self.bottoms[self.rows[n]]) / 2)
            for n in range(len(self.sizes))
        ]
        out, into = self._ends(self.below), self._ends(self.above)
        self.paths: list[list[Point]] = []
        for chain in self.chains:
            a, b = chain[0], chain[-1]
            path = [(out[a, chain[1]], self.centres[a][1] + self.sizes[a][1] / 2)]
            for n in chain[1:-1]:
                row = self.row_of[n]
                path += [(self.x[n], self.tops[row]), (self.x[n], self.bottoms[row])]
            path.append((into[b, chain[-2]], self.centres[b][1] - self.sizes[b][1] / 2))
            self.paths.append(path)

    def _ends(self, near: list[list[int]]) -> dict[tuple[int, int], float]:
        """Where on a box's edge each line begins: side by side, in the order of the other ends."""
        found = {}
        for n, (width, _) in enumerate(self.sizes):
            others = sorted(set(near[n]), key=self.x.__getitem__)
            step = min(12.0, 0.7 * width / max(1, len(others)))
            for i, m in enumerate(others):
                found[n, m] = self.x[n] + (i - (len(others) - 1) / 2) * step
        return found


def rows_of(count: int, edges: Sequence[tuple[int, int]]) -> tuple[list[int], list[bool]]:
    """The row of each node, below all it depends on, and whether it belongs to a side branch.

    A side branch has no more than one line of ancestors; it stands just above its first use.

    >>> rows_of(4, [(0, 1), (1, 3), (2, 3)])[0]
    [0, 1, 1, 2]
    """
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        below[a].append(b)
        above[b].append(a)
    rows, side = [0] * count, [False] * count
    sources_first = _sources_first(above, below)
    for a in sources_first:
        rows[a] = max((rows[b] + 1 for b in above[a]), default=0)
        side[a] = not above[a] or (len(above[a]) == 1 and side[above[a][0]])
    for a in reversed(sources_first):
        if side[a] and below[a]:
            rows[a] = min(rows[b] for b in below[a]) - 1
    return rows, side


def _sources_first(above: list[list[int]], below: list[list[int]]) -> list[int]:
    """The nodes in an order in which each stands behind all above it."""
    missing = [len(found) for found in above]
    found = [i for i, count in enumerate(missing) if not count]
    for a in found:  # which grows
        for b in below[a]:
            missing[b] -= 1
            if not missing[b]:
                found.append(b)
    if len(found) < len(above):
        raise ValueError("the graph has a cycle")
    return found


def _depth_first(above: list[list[int]], below: list[list[int]], count: int) -> list[int]:
    """All nodes, each beside what it is connected to: a first order with few crossings."""
    seen = [False] * count
    found = []
    for start in range(count):
        stack = [] if above[start] else [start]
        while stack:
            node = stack.pop()
            if seen[node]:
                continue
            seen[node] = True
            found.append(node)
            stack.extend(m for m in reversed(below[node]) if not seen[m])
    return found


def apart(
    wanted: Sequence[float], widths: Sequence[float], weights: Sequence[float]
) -> list[float]:
    """The places nearest to `wanted` (least squares) in the given order that do not overlap.

    With the distances taken off, places must only not decrease: isotonic regression, by pooling
    neighbours that are the wrong way round.

    >>> apart([0.0, 0.0], [10.0, 10.0], [1.0, 1.0])
    [-14.0, 14.0]
    """
    offsets = [0.0]
    for a, b in pairwise(widths):
        offsets.append(offsets[-1] + (a + b) / 2 + SIDE)
    pools: list[list[float]] = []  # mean, weight, count
    for want, offset, weight in zip(wanted, offsets, weights):
        mean, count = want - offset, 1.0
        while pools and pools[-1][0] > mean:
            other, heavy, many = pools.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + many
        pools.append([mean, weight, count])
    means = [mean for mean, _, count in pools for _ in range(int(count))]
    return [mean + offset for mean, offset in zip(means, offsets)]
