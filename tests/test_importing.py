"""What `import rushlight` loads, and that names which load on use are names like any other."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import stubs

MOST_MODULES = 81  # of ours that a bare import runs; a third of a millisecond each
# Of the standard library, beside what NumPy loads.
# The last is what `ctypes` asks for when a structure is described, from Python 3.14 on.
FEW = {
    "__future__", "_bisect", "_heapq", "bisect", "copy", "errno", "gc", "heapq", "threading",
    "ctypes._layout",
}  # fmt: skip


def printed(code: str, *arguments: str) -> str:
    """What a fresh process prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def loaded() -> tuple[set[str], set[str]]:
    """The modules that NumPy loads, and those that rushlight loads."""
    show = "; import sys; print(*sys.modules)"
    numpy, ours = (printed(f"import {name}{show}") for name in ("numpy", "rushlight"))
    return set(numpy.split()), set(ours.split())


def test_a_bare_import_runs_few_modules(loaded) -> None:
    ours = {name for name in loaded[1] if name.partition(".")[0] == "rushlight"}
    assert len(ours) <= MOST_MODULES, sorted(ours)


def test_nothing_comes_in_but_numpy_and_little_of_the_standard_library(loaded) -> None:
    numpy, ours = loaded
    others = {name for name in ours - numpy if name.partition(".")[0] != "rushlight"}
    assert others <= FEW, sorted(others - FEW)


def test_the_tables_of_names_are_as_the_modules_say() -> None:
    assert stubs.CONTENTS.read_text() == stubs.contents(), "run python -m rushlight.stubs"


def test_new_names_are_noted_before_the_stub_is_made(tmp_path, monkeypatch) -> None:
    """A method of a new function can be made only by a process that began with the new tables."""
    table, begun = tmp_path / "contents.py", []
    monkeypatch.setattr(stubs, "CONTENTS", table)
    monkeypatch.setattr(stubs, "text", lambda: pytest.fail("made with the old tables"))
    monkeypatch.setattr(subprocess, "call", lambda command: begun.append(command) or 0)
    monkeypatch.setattr(sys, "argv", ["stubs"])
    assert stubs.main() == 0 and begun == [[sys.executable, "-m", "rushlight.stubs"]]
    assert table.read_text() == stubs.contents()


def test_every_listed_name_is_there() -> None:
    for module in (torch, torch.functions, torch.autograd):
        for name in dir(module):
            getattr(module, name)


USES = """
import rushlight as torch
assert "nn" in dir(torch) and "nn" not in vars(torch)
assert "conv2d" in torch.__all__ and "cholesky" in dir(torch.Tensor)
assert not hasattr(torch, "Linear") and "nn" not in vars(torch), "asking loads nothing"
before = torch.Tensor.__dict__["cholesky"]
assert torch.Tensor.cholesky is not before and torch.Tensor.cholesky is not torch.cholesky
assert torch.Tensor.__dict__["cholesky"] is torch.Tensor.cholesky and torch.cholesky.__doc__
class Mine(torch.Tensor):
    pass
assert Mine.lu_solve is torch.Tensor.lu_solve and "lu_solve" not in vars(Mine)
x = torch.ones(2)
x.erf = 5
assert x.erf == 5 and torch.ones(2).erf().shape == (2,)
try:
    x.H = 3
except AttributeError as error:
    print("setter" in str(error), end=" ")
z = torch.zeros(2, dtype=torch.complex64)
z.imag = torch.ones(2)
from rushlight import nn
import rushlight.nn.functional as F
assert torch.nn is nn and nn.functional is F and torch.nn.Linear.__module__.startswith("rushlight")
import pickle
assert pickle.loads(pickle.dumps(torch.nn.Linear)) is nn.Linear
with torch.inference_mode():
    frozen = torch.ones(2)
    frozen.exp_()
try:
    frozen.exp_()
except RuntimeError as error:
    print("inference" in str(error), end=" ")
space = {}
exec("from rushlight import *", space)
assert space["nn"] is nn and space["svd"] is torch.svd and space["Tensor"] is torch.Tensor
from rushlight.autograd.gradcheck import gradgradcheck
w = torch.ones(2, dtype=torch.float64, requires_grad=True)
print(torch.autograd.gradcheck(lambda w: w * w, (w,)), z[0].item())
"""


def test_names_that_load_on_use_are_names_like_any_other() -> None:
    assert printed(USES) == "True True True 1j\n"


THREADS = """
import threading
import rushlight as torch
names = sorted(set(dir(torch)) - set(vars(torch)))
failed = []
def look(start):
    barrier.wait()
    for k in range(len(names)):
        name = names[(start * 89 + k) % len(names)]
        try:
            seen[name].add(id(getattr(torch, name)))
            getattr(torch.Tensor, name, None)
        except BaseException as error:
            failed.append((name, error))
seen = {name: set() for name in names}
barrier = threading.Barrier(6)
threads = [threading.Thread(target=look, args=(k,)) for k in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(failed, [name for name in names if len(seen[name]) != 1], len(names) > 500)
"""


def test_threads_may_ask_for_the_same_names_at_once() -> None:
    assert printed(THREADS) == "[] [] True\n"


OTHER_END = """
import pathlib, sys, threading, time, types
from rushlight.core.names import explain_missing
folder = pathlib.Path(sys.argv[1])
for name, text in {
    "house/__init__.py": "from . import door",
    "house/door.py": "import meeting; meeting.at.wait(); from . import inner; open = 1",
    "house/inner.py": "key = 2",
    "visitor.py": "from house.inner import key",
}.items():
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
sys.path.insert(0, str(folder))
sys.modules["meeting"] = meeting = types.ModuleType("meeting")
meeting.at = threading.Event()
sys.modules["street"] = types.ModuleType("street")
explain_missing("street", {"house": ("house", None), "key": ("visitor", "key")})
import street, importlib._bootstrap as bootstrap
taken = bootstrap._ModuleLock.acquire
def seen(self):
    if self.name == "house" and threading.current_thread() is visitor and not owner.ident:
        owner.start()  # the visitor has the inner room's lock; the owner takes the house's first
        while "house.door" not in sys.modules: time.sleep(0.001)
        meeting.at.set()
    return taken(self)
bootstrap._ModuleLock.acquire = seen
found, failed = [], []
def ask(name):
    try:
        found.append(getattr(street, name))
    except BaseException as error:
        failed.append(error)
owner = threading.Thread(target=ask, args=("house",))
visitor = threading.Thread(target=ask, args=("key",))
visitor.start()
visitor.join(); owner.join()
print(failed, 2 in found, street.house.door.open)
"""


def test_threads_that_import_a_package_from_both_ends_both_get_it(tmp_path: Path) -> None:
    assert printed(OTHER_END, str(tmp_path)) == "[] True 1\n"


REGISTRY = """
import sys, rushlight
from rushlight.core.primitive import REGISTRY
before = len(sys.modules)
print("add" in REGISTRY, before == len(sys.modules), end=" ")
print("rushlight.ops.fused.ctc" in sys.modules, end=" ")
print("ctc_loss" in REGISTRY, REGISTRY.get("no such op"), len(REGISTRY) > 300)
"""


def test_an_op_that_nothing_has_used_is_found_by_name() -> None:
    assert printed(REGISTRY) == "True True False True None True\n"


STARRED = (
    "amp.grad_scaler autograd.forward_ad autograd.function autograd.functional"
    " distributed.rendezvous nn.init nn.parameter nn.parallel.distributed nn.utils.clip_grad"
    " nn.utils.fusion nn.utils.parametrizations nn.utils.parametrize nn.utils.rnn"
    " nn.utils.spectral_norm nn.utils.stateless nn.utils.weight_norm"
).split()


@pytest.mark.parametrize("name", STARRED)
def test_star_imports_bring_what_a_module_is_for(name: str) -> None:
    space: dict[str, object] = {}
    exec(f"from rushlight.{name} import *", space)
    brought = space.keys() - {"__builtins__"}
    assert brought
    assert not brought & {"annotations", "Any", "Tensor", "wrap", "fail", "Callable"}


_PACKED = """
import rushlight as rl
assert ".zip" in rl.__file__
net = rl.nn.Linear(2, 1)
rl.compile(net)(rl.ones(3, 2)).sum().backward()
try:
    rl.mm(1, 2)
except TypeError as error:
    print(error)
print(rl.quasirandom.SobolEngine(2).draw(2).tolist())
print(rl.vision.models.get_model_weights("resnet18").DEFAULT.meta["categories"][0])
print(len(rl.export.export(net, (rl.ones(3, 2),)).graph.nodes) > 3)
"""


def test_the_package_runs_from_an_archive(tmp_path, monkeypatch) -> None:
    """Tables that came with it are read there, and the cache knows the archive by its state."""
    package, archive = Path(torch.__file__).parent, tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in package.rglob("*"):
            if path.suffix in {".py", ".txt", ".bin"}:
                target.write(path, path.relative_to(package.parent))
    monkeypatch.setenv("PYTHONPATH", str(archive))
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second finds what the first kept
        assert printed(_PACKED).splitlines() == [
            "mm(): argument 'input' (position 1) must be Tensor, not int",
            "[[0.0, 0.0], [0.5, 0.5]]", "tench", "True",
        ]  # fmt: skip


_WITHOUT_EXTRAS = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split()))  # importing these raises
import rushlight as rl
import rushlight.distributed, rushlight.fx, rushlight.onnx, rushlight.utils.data, rushlight.vision
net = rl.nn.Linear(2, 1)
for name in ("SGD", "Adam", "Adagrad", "NAdam"):
    optimizer = getattr(rl.optim, name)(net.parameters(), lr=0.1)
    rl.compile(net)(rl.ones(3, 2)).sum().backward()
    optimizer.step()
try:
    rl.ones(2).bfloat16()
except ImportError as error:
    print(*error.__notes__)
"""


def test_nothing_asks_for_extras_before_they_are_used() -> None:
    extras = "ml_dtypes llvmlite PIL matplotlib onnx mpi4py sympy tensorboardX"
    said = printed(_WITHOUT_EXTRAS, extras)
    assert said == "bfloat16 needs ml_dtypes: pip install ml_dtypes\n"
