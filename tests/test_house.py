"""The house rules, held by reading the source: floors, doors, sizes, and what a rule may say."""

from __future__ import annotations

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "rushlight"
FILES = sorted(ROOT.rglob("*.py"))
FLOOR_ONE = {
    "primitive", "tensor", "calls", "tape", "dispatch", "families", "inplace", "inference",
    "operands", "overrides", "shortage", "values", "elsewhere", "meta", "gates", "spelling",
    "sparse", "modes", "misuse",
}  # fmt: skip
FLOORS = {
    "ops": 2, "autograd": 3, "compile": 3, "functions": 4, "nn": 5, "optim": 5, "utils": 5,
    "distributed": 5, "serialize": 5, "serialization": 6, "vision": 6, "tabular": 6,
    "cli": 6, "compat": 6, "viz": 6, "jit": 5, "distributions": 5, "array_api": 6,
    "func": 6, "profiler": 6, "amp": 5, "cpu": 6, "cuda": 6, "testing": 5, "hub": 6, "fx": 6,
    "_C": 6, "functional": 6, "overrides": 6, "_subclasses": 6, "types": 6, "_utils": 6,
    "library": 6, "accelerator": 6, "mps": 6, "xpu": 6, "quasirandom": 6, "export": 6,
    "aten": 6, "onnx": 6, "_dynamo": 6, "_inductor": 6, "_higher_order_ops": 6,
    "_functorch": 6, "functorch": 6,
}  # fmt: skip
# Each third-party package (and the one file that may import it).
DOORS = {
    "llvmlite": "compile/code/llvm.py", "mpi4py": "distributed/mpi.py", "PIL": "vision/io.py",
    "onnx": "onnx/exporting.py", "sympy": "autograd/symbolic/sympy_door.py", "matplotlib": "viz.py",
    "einops": "compat/einops_backend.py", "opt_einsum": "compat/opt_einsum_backend.py",
    "tqdm": "cli/progress.py", "ml_dtypes": "core/dtypes.py",
    "safetensors": "serialize/safetensors.py", "tensorboardX": "utils/tensorboard.py",
}  # fmt: skip
MAX_FILE, MAX_FUNCTION = 500, 40


def floor(parts: tuple[str, ...]) -> int:
    """The floor of a module path inside the package."""
    if not parts or parts == ("__init__",):
        return 7
    if parts[0] == "core":
        return 1 if len(parts) > 1 and parts[1] in FLOOR_ONE else 0
    return FLOORS.get(parts[0], 7 if parts[0] in ("__main__", "stubs") else 4)


def parts_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def inner(tree: ast.Module, outer: type[ast.AST] | tuple[type[ast.AST], ...]) -> list[ast.AST]:
    """The outermost nodes of some kinds."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            (found if isinstance(node, outer) else waiting).append(node)
    return found


@functools.cache
def is_module(name: str) -> bool:
    there = ROOT.parent / Path(*name.split("."))
    return there.with_suffix(".py").exists() or (there / "__init__.py").exists()


@functools.cache
def all_imports(path: Path) -> list[tuple[str, int, bool, bool]]:
    """(absolute module, line, inside a function, for checkers alone) of a file's imports."""
    tree = parsed(path)
    package = ("rushlight", *parts_of(path)[:-1])
    functions = inner(tree, (ast.FunctionDef, ast.AsyncFunctionDef))
    inside = {id(node) for function in functions for node in ast.walk(function)}
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If)
        and isinstance(branch.test, ast.Name)
        and branch.test.id == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found = []
    for node in ast.walk(tree):
        where = getattr(node, "lineno", 0), id(node) in inside, id(node) in typing_only
        if isinstance(node, ast.Import):
            found += [(name.name, *where) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module or "")))
            for name in node.names:
                whole = f"{module}.{name.name}"
                found.append((whole if is_module(whole) else module, *where))
    return found


def imports(path: Path, typed: bool = False) -> list[tuple[str, int, bool]]:
    """(absolute module, line, inside a function) of every import in a file.

    What stands under `if TYPE_CHECKING:` counts only if asked for.
    """
    return [found[:3] for found in all_imports(path) if typed or not found[3]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(parts_of(path)))
def test_imports_go_down(path: Path) -> None:
    here = parts_of(path)
    wrong = []
    for module, line, inside in imports(path):
        names = tuple(module.split("."))
        if names[0] != "rushlight" or names == ("rushlight",):
            if names == ("rushlight",) and floor(here) < 5:
                wrong.append(f"line {line}: only floors 5 and up may import the whole package")
            continue
        there = names[1:]
        same_folder = len(here) > 1 and there[0] == here[0]
        if here == ("__init__",) or (here[-1] == "__init__" and same_folder):
            continue
        if floor(there) > floor(here) or (
            floor(there) == floor(here) >= 5 and there[0] != here[0] and floor(here) != 6
        ):
            wrong.append(
                f"line {line}: floor {floor(here)} imports {module} of floor {floor(there)}"
            )
        if {here[0], there[0]} == {"autograd", "compile"}:
            wrong.append(f"line {line}: autograd and compile never import each other")
        if inside and floor(here) < 5:
            wrong.append(f"line {line}: {module} is imported inside a function")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(parts_of(path)))
def test_third_party_packages_come_through_their_door(path: Path) -> None:
    here = "/".join(parts_of(path)) + ".py"
    for module, line, inside in imports(path):
        top = module.split(".")[0]
        if top in ("rushlight", "numpy", "") or top in sys.stdlib_module_names:
            continue
        assert DOORS.get(top) == here, (
            f"line {line}: {top} may only be imported in {DOORS.get(top)}"
        )
        assert inside, f"line {line}: {top} must load on use, not at import"


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(parts_of(path)))
def test_sizes(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_FILE, f"{len(lines)} lines"
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= MAX_FUNCTION, f"the body of {node.name} has {length} lines"


RULES = {"partials", "adjoint", "adjoints", "vjp", "jvp"}


@pytest.mark.parametrize("path", sorted((ROOT / "ops").rglob("*.py")), ids=lambda path: path.stem)
def test_rules_do_not_speak_numpy(path: Path) -> None:
    """A rule runs on arrays, tensors and traced values alike, so it may call ops but not NumPy."""
    tree = parsed(path)
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        for keyword in call.keywords:
            if keyword.arg not in RULES:
                continue
            for node in ast.walk(keyword.value):
                assert not (isinstance(node, ast.Name) and node.id == "np"), (
                    f"line {node.lineno}: numpy inside {keyword.arg}"
                )


IGNORED = re.compile(
    r"#\s*(type: ignore|pyright: ignore|(ruff: )?noqa)(\[[\w, -]+\]|: [A-Z\d, ]+\d)?(.*)"
)


def test_what_checkers_are_to_ignore_has_a_reason() -> None:
    """A comment behind the mark, or words in brackets."""
    bare = []
    for folder in (ROOT, ROOT.parent / "tests", ROOT.parent / "benchmarks"):
        for path in folder.rglob("*.py"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                mark = IGNORED.search(line)
                if mark and not re.search(r"[a-z]{3}", mark[4]):
                    bare.append(f"{path.relative_to(ROOT.parent)}:{number}")
    assert not bare, "\n".join(bare)


def test_every_floor_is_of_something_there() -> None:
    there = {path.stem for path in ROOT.iterdir()}
    assert set(FLOORS) <= there, set(FLOORS) - there
    assert {f"{name}.py" for name in FLOOR_ONE} <= {path.name for path in (ROOT / "core").iterdir()}
    assert all((ROOT / door).exists() for door in DOORS.values())


def test_every_module_is_used() -> None:
    """Imported by another, or named by one that imports on use."""
    named: dict[str, set[Path]] = {}
    for path in FILES:
        for name in re.findall(r"(?<=[\"'.])\w+(?=[\"'])", path.read_text()):
            named.setdefault(name, set()).add(path)
    known = {module for path in FILES for module, _, _ in imports(path, typed=True)}
    started = {"__main__", "stubs", "torch", "torchvision"}  # by python -m, or under another name
    orphans = []
    for path in FILES:
        *_, name = here = parts_of(path)
        if name == "__init__" or name in started or ".".join(("rushlight", *here)) in known:
            continue
        if not named.get(name, set()) - {path}:
            orphans.append("/".join(here))
    assert not orphans


def test_core_names_no_op() -> None:
    for path in (ROOT / "core").glob("*.py"):
        for module, line, _ in imports(path):
            assert not module.startswith("rushlight.ops"), f"{path.name} line {line}"
