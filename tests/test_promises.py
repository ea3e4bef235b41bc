"""The tables of promises name only what there is, hold every point, and count right."""

from __future__ import annotations

import ast
import functools
import json
import re
from pathlib import Path

import pytest

from rushlight.core.primitive import REGISTRY
from tests.points.points import points

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "promises").glob("*.md"))
INDEX = ROOT / "docs" / "promises.md"
POINTS = points()
AREAS = {name.partition(":")[0] for name in POINTS}
CODE = re.compile(r"`([^`]+)`")
STATES = ("met", "missed: ", "not there")


def rows(page: Path) -> list[list[str]]:
    """The cells of a page's rows: promise, what shows it, state."""
    found = []
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells[0] != "promise" and set(cells[0]) != {"-"}:
            found.append(cells)
    return found


@functools.cache
def functions(path: Path) -> set[str]:
    """The names of a test file's functions."""
    return {node.name for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef)}  # fmt: skip


@functools.cache
def titles(path: Path) -> set[str]:
    return {line[4:].partition("|")[0].strip() for line in path.read_text().splitlines()
            if line.startswith("--- ")}  # fmt: skip


def missing(name: str) -> str | None:
    """What is wrong with a name in the second column; None if it is there."""
    area, _, point = name.partition(": ")
    if area in AREAS and point:
        return None if name in POINTS else "no such point"
    path, _, test = name.partition("::")
    if path.endswith(".txt") or area.endswith(".txt"):
        file = ROOT / area
        known = file.exists() and (not point or point in titles(file))
        return None if known else "no such program"
    if re.fullmatch(r"[\w./-]+\.(py|md|toml|json|yaml)", path):
        if not (ROOT / path).exists():
            return "no such file"
        return None if not test or test in functions(ROOT / path) else "no such test"
    for script in re.findall(r"(?:benchmarks|tests|examples)/[\w./-]+", name):
        if not (ROOT / script).exists():
            return f"no {script}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_table_names_exists(page: Path) -> None:
    table = rows(page)
    assert table and len(page.read_text().splitlines()) <= 500
    for promise, shown, state in table:
        assert state.startswith(STATES), (promise, state)
        assert promise and shown, promise
        for name in CODE.findall(shown):
            wrong = missing(name)
            assert wrong is None, f"{promise}: {name}: {wrong}"


def test_every_point_is_in_a_table() -> None:
    named = {name for page in PAGES for _, shown, _ in rows(page) for name in CODE.findall(shown)}
    assert not set(POINTS) - named


def test_the_counts_are_right() -> None:
    text, whole = INDEX.read_text(), [0, 0, 0]
    for page in PAGES:
        states = [state for _, _, state in rows(page)]
        counts = [sum(state.startswith(kind) for state in states) for kind in STATES]
        whole = [a + b for a, b in zip(whole, counts)]
        line = rf"\(promises/{page.stem}\.md\) \| {counts[0]} \| {counts[1]} \| {counts[2]} \|"
        assert re.search(line, text), (page.stem, counts)
        for promise, _, state in rows(page):
            assert state.startswith("met") or f"| {promise} | {state} |" in text, promise
    assert f"| **all** | {whole[0]} | {whole[1]} | {whole[2]} |" in text


def test_the_op_that_is_walked_through_is_the_declared_one() -> None:
    """The code in docs/one-op.md stands word for word where it says."""
    page = (ROOT / "docs" / "one-op.md").read_text()
    for file in ("rushlight/ops/elementwise.py", "tests/ops/samples_core.py"):
        section = page[page.index(f"(`{file}`)") :]
        code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
        assert code is not None
        wanted = re.sub(r"\s+", "", code[1]).rstrip(",")
        assert wanted.rstrip(",)") in re.sub(r"\s+", "", (ROOT / file).read_text()), file
    assert "hypot" in REGISTRY


def test_recorded_answers_are_many() -> None:
    recorded = json.loads((ROOT / "tests" / "points" / "answers.json").read_text())
    assert len(recorded) >= 1_200
    data = ROOT / "tests" / "parity" / "data"
    files = ("creation", "programs", "protocol", "visible", "tensor_assembly", "tensor_placing")
    more = sum(len(json.loads((data / f"{name}.json").read_text())) for name in files)
    assert len(recorded) + more >= 2_500
