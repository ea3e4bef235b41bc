"""The house rules, held by reading the source: floors, doors, sizes, and what a rule may say."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).resolve().parent.parent
ROOT = HOME / "rushlight"
FILES = sorted(ROOT.rglob("*.py"))
FLOOR_ONE = {
    "primitive", "tensor", "calls", "tape", "dispatch", "families", "inplace", "inference",
    "operands", "overrides", "shortage", "values", "elsewhere", "meta", "gates", "spelling",
    "sparse", "modes", "misuse", "outputs", "swift", "overlaps",
}  # fmt: skip
FLOORS = {
    "ops": 2, "autograd": 3, "compile": 3, "functions": 4, "nn": 5, "optim": 5, "utils": 5,
    "distributed": 5, "serialize": 5, "serialization": 6, "vision": 6, "tabular": 6,
    "cli": 6, "compat": 6, "viz": 6, "jit": 5, "distributions": 5, "array_api": 6,
    "func": 6, "profiler": 6, "amp": 5, "cpu": 6, "cuda": 6, "testing": 5, "hub": 6, "fx": 6,
    "_C": 6, "functional": 6, "overrides": 6, "_subclasses": 6, "types": 6, "_utils": 6,
    "library": 6, "accelerator": 6, "mps": 6, "xpu": 6, "quasirandom": 6, "export": 6,
    "aten": 6, "onnx": 6, "_dynamo": 6, "_inductor": 6, "_higher_order_ops": 6,
    "_functorch": 6, "functorch": 6, "custom_operators": 6, "storage": 6, "_VF": 6,
    "_jit_internal": 6, "_lobpcg": 6,
}  # fmt: skip
# Each third-party package (and the one file that may import it).
DOORS = {
    "llvmlite": "compile/code/llvm.py", "mpi4py": "distributed/mpi.py", "PIL": "vision/io.py",
    "onnx": "onnx/exporting.py", "sympy": "autograd/symbolic/sympy_door.py", "matplotlib": "viz.py",
    "einops": "compat/einops_backend.py", "opt_einsum": "compat/opt_einsum_backend.py",
    "tqdm": "cli/progress.py", "ml_dtypes": "core/dtypes.py",
    "safetensors": "serialize/safetensors.py", "tensorboardX": "utils/tensorboard.py",
    "scipy": "vision/datasets/matlab.py", "gdown": "vision/datasets/archives.py",
    "pycocotools": "vision/datasets/wrapped.py", "h5py": "vision/datasets/cells.py",
    "lmdb": "vision/datasets/lsun.py",
}  # fmt: skip
MAX_FILE, MAX_FUNCTION = 500, 40
# Names that torch has with an underscore, and that stand in one module and are used in another.
TORCHS = frozenset(
    """
    _add_batch_dim _assert _box_loss _broadcast_to_and_flatten _calculate_fan_in_and_fan_out
    _clipped_sigmoid _DatasetKind _DEFAULT_SPARSE_BLOCK_SIZE _disable_current_modes
    _EXTRA_STATE_KEY_SUFFIX _get_activation_fn _IncompatibleKeys _InverseTransform _Loss
    _make_divisible _mobilenet_extractor _remove_batch_dim _resnet_fpn_extractor
    _set_grad_enabled _SimpleSegmentationModel _StorageInfo _validate_trainable_layers
    _WeightedLoss
    """.split()
)


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
    return ast.parse(path.read_text("utf-8"))


def statements(
    body: list[Any], inside: bool = False, typed: bool = False
) -> Iterator[tuple[ast.stmt, bool, bool]]:
    """(statement, whether in a function, whether for checkers alone), those within others too."""
    for node in body:
        yield node, inside, typed
        within = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for_checkers = typed or (
            isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        )
        for holder in (node, *getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            for name in ("body", "orelse", "finalbody"):
                yield from statements(getattr(holder, name, []), within, for_checkers)


@functools.cache
def is_module(name: str) -> bool:
    there = HOME / Path(*name.split("."))
    return there.with_suffix(".py").exists() or (there / "__init__.py").exists()


@functools.cache
def all_imports(path: Path) -> list[tuple[str, int, bool, bool]]:
    """(absolute module, line, inside a function, for checkers alone) of a file's imports."""
    package = ("rushlight", *parts_of(path)[:-1])
    found = []
    for node, inside, typed in statements(parsed(path).body):
        where = node.lineno, inside, typed
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


def all_of(rule: Callable[[Path], Iterator[str]], files: Iterable[Path] = FILES) -> str:
    """What a rule finds wrong in any file, a line each: a test per file would take five times."""
    return "\n".join(f"{path.relative_to(ROOT)}: {wrong}" for path in files for wrong in rule(path))


def rising_imports(path: Path) -> Iterator[str]:
    here = parts_of(path)
    for module, line, inside in imports(path):
        names = tuple(module.split("."))
        if names[0] != "rushlight" or names == ("rushlight",):
            if names == ("rushlight",) and floor(here) < 5:
                yield f"line {line}: only floors 5 and up may import the whole package"
            continue
        there = names[1:]
        same_folder = len(here) > 1 and there[0] == here[0]
        if here == ("__init__",) or (here[-1] == "__init__" and same_folder):
            continue
        if floor(there) > floor(here) or (
            floor(there) == floor(here) >= 5 and there[0] != here[0] and floor(here) != 6
        ):
            yield f"line {line}: floor {floor(here)} imports {module} of floor {floor(there)}"
        if {here[0], there[0]} == {"autograd", "compile"}:
            yield f"line {line}: autograd and compile never import each other"
        if inside and floor(here) < 5:
            yield f"line {line}: {module} is imported inside a function"


def test_imports_go_down() -> None:
    assert not (wrong := all_of(rising_imports)), wrong


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Modules in circles of imports (and between two circles), if there are any."""
    left = dict(edges)
    while True:
        asked = set().union(*left.values())
        kept = {module: left[module] for module in left.keys() & asked}
        kept = {module: found for module, found in kept.items() if found & left.keys()}
        if len(kept) == len(left):
            return sorted(left)
        left = kept


def test_no_modules_import_each_other() -> None:
    """But for what a checker reads, what a function imports, and the files that open packages."""
    edges = {
        ".".join(("rushlight", *parts_of(path))): {
            module for module, _, inside in imports(path) if not inside
        }
        for path in FILES
        if path.name != "__init__.py"
    }
    assert not circle(edges)
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == ["b", "c"]


def is_private(name: str) -> bool:
    """Whether an underscore, not torch's, says that a name is its module's own."""
    ours = name not in TORCHS and not name.startswith("_global_")
    return ours and name.startswith("_") and not name.startswith("__")


def names_of_others(path: Path) -> Iterator[str]:
    """What stands in a package's `__init__` is its face, where other names would be public."""
    modules = set()
    for node, _, _ in statements(parsed(path).body):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = ("rushlight", *parts_of(path)[: -node.level])
        home = ".".join(filter(None, (*base, node.module)))
        for one in node.names:
            if is_module(f"{home}.{one.name}"):
                modules.add(one.asname or one.name)
            elif node.module and is_private(one.name):
                yield f"line {node.lineno}: {one.name} is private to {home}"
    for node in ast.walk(parsed(path)):
        of_module = isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in modules
        if of_module and is_private(node.attr):
            yield f"line {node.lineno}: {node.attr} is private to {node.value.id}"


def test_private_names_stay_in_their_module() -> None:
    assert not (wrong := all_of(names_of_others)), wrong


def other_doors(path: Path) -> Iterator[str]:
    here = "/".join(parts_of(path)) + ".py"
    for module, line, inside in imports(path):
        top = module.split(".")[0]
        if top in ("rushlight", "numpy", "") or top in sys.stdlib_module_names:
            continue
        if DOORS.get(top) != here:
            yield f"line {line}: {top} may only be imported in {DOORS.get(top)}"
        if not inside:
            yield f"line {line}: {top} must load on use, not at import"


def test_third_party_packages_come_through_their_door() -> None:
    assert not (wrong := all_of(other_doors)), wrong


def excess(path: Path) -> Iterator[str]:
    lines = len(path.read_text().splitlines())
    if lines > MAX_FILE:
        yield f"{lines} lines"
    for node, _, _ in statements(parsed(path).body):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if length > MAX_FUNCTION:
                yield f"the body of {node.name} has {length} lines"


def test_sizes() -> None:
    assert not (wrong := all_of(excess)), wrong


RULES = {"partials", "adjoint", "adjoints", "vjp", "jvp"}


def numpy_in_rules(path: Path) -> Iterator[str]:
    for call in ast.walk(parsed(path)):
        for keyword in call.keywords if isinstance(call, ast.Call) else ():
            for node in ast.walk(keyword.value) if keyword.arg in RULES else ():
                if isinstance(node, ast.Name) and node.id == "np":
                    yield f"line {node.lineno}: numpy inside {keyword.arg}"


def test_rules_do_not_speak_numpy() -> None:
    """A rule runs on arrays, tensors and traced values alike, so it may call ops but not NumPy."""
    wrong = all_of(numpy_in_rules, (ROOT / "ops").rglob("*.py"))
    assert not wrong, wrong


@pytest.mark.parametrize(
    "rule, name, text, told",
    [
        (rising_imports, "core/tape.py", "import rushlight", "whole package"),
        (rising_imports, "ops/scan.py", "from ..nn import module", "floor 2 imports"),
        (rising_imports, "compile/api.py", "from ..autograd import engine", "never import each"),
        (rising_imports, "ops/scan.py", "def f():\n    from . import sort", "inside a function"),
        (names_of_others, "ops/scan.py", "from .sort import _kind", "_kind is private"),
        (names_of_others, "ops/scan.py", "from . import sort\nsort._kind()", "private to sort"),
        (other_doors, "nn/init.py", "def f():\n    import PIL", "only be imported in vision/io"),
        (other_doors, "vision/io.py", "import PIL", "must load on use"),
        (excess, "nn/init.py", "x = 1\n" * 501, "501 lines"),
        (excess, "nn/init.py", "def f():\n" + "    f()\n" * 41, "f has 41 lines"),
        (numpy_in_rules, "ops/scan.py", "op(vjp=lambda g: np.cumsum(g))", "numpy inside vjp"),
    ],
)  # fmt: skip
def test_rules_of_the_house_can_be_broken(rule, name, text, told, tmp_path, monkeypatch) -> None:
    """A file of the house, with other text in it."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(text)
    assert told in all_of(rule, [path])


IGNORED = re.compile(
    r"#\s*(type: ignore|pyright: ignore|(ruff: )?noqa)(\[[\w, -]+\]|: [A-Z\d, ]+\d)?(.*)"
)


def test_what_checkers_are_to_ignore_has_a_reason() -> None:
    """A comment behind the mark, or words in brackets."""
    bare = []
    for folder in (ROOT, ROOT.parent / "tests", ROOT.parent / "benchmarks"):
        for path in folder.rglob("*.py"):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
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


def _guesses(call: ast.Call) -> bool:
    """Whether a text is read or written in whatever encoding the machine's settings say."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        mode = next((one.value for one in call.keywords if one.arg == "mode"), None)
        mode = mode or (call.args[1] if len(call.args) > 1 else ast.Constant("r"))
        bytes_ = not isinstance(mode, ast.Constant) or "b" in str(mode.value)
        return not bytes_ and all(one.arg != "encoding" for one in call.keywords)
    given = len(call.args) + sum(one.arg == "encoding" for one in call.keywords)
    return name in ("read_text", "write_text") and given < (1 if name == "read_text" else 2)


def test_texts_have_an_encoding() -> None:
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}" for path in FILES
        for node in ast.walk(parsed(path)) if isinstance(node, ast.Call) and _guesses(node)
    ]  # fmt: skip
    assert not calls, "Windows reads another encoding than Linux"
