"""The guides lead to what is there, in the order of their entry page, and their code runs."""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path
from typing import Any

import pytest

from rushlight.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
ENTRY = ROOT / "docs" / "README.md"
LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
RUN = ["costs.md", "differentiation.md", "export.md", "from-torch.md"]  # one program each


def links(page: Path) -> list[str]:
    """Where a page's links and pictures lead, but for other sites."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [link for link in LINK.findall(text) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The names that headings of a page get, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_found_from_the_entry() -> None:
    seen, todo = {ENTRY}, [ENTRY]
    while todo:
        page = todo.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in seen:
                seen.add(target)
                todo.append(target)
    assert not set(PAGES) - seen


def test_files_that_the_entry_names_exist() -> None:
    rows = re.findall(r"^\| (`.*?) \|", ENTRY.read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([\w/.]+\.py)`", row)]
    assert len(named) > 12
    for name in named:
        path = name if name.startswith("rushlight/") else f"rushlight/{name}"
        assert (ROOT / path).exists(), name


def test_commands_that_the_guides_name_are_commands() -> None:
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:^ {4}|`)rushlight ([a-z]+)", page.read_text(encoding="utf-8"))
    }
    assert named >= {"train", "run", "info"}
    assert named <= set(main.COMMANDS)


@pytest.mark.parametrize("name", RUN)
def test_the_code_of_a_guide_runs(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    """The blocks of a page are one program."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": name}
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for block in CODE.findall(text):
        for statement in ast.parse(block).body:
            exec(compile(ast.Module([statement], []), name, "exec"), names)


def test_pages_that_are_not_run_are_none() -> None:
    """Every page with code is run: here, as a doctest, or beside the op that it walks through."""
    others = {"README.md", "compile.md", "one-op.md"}
    assert {page.name for page in PAGES if CODE.search(page.read_text(encoding="utf-8"))} == {
        *RUN, *others,
    }  # fmt: skip
    assert doctest.DocTestParser().get_examples((ROOT / "docs" / "compile.md").read_text())
