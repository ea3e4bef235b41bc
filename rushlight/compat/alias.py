"""The alias: the names `torch...` and `torchvision...` stand for rushlight's own modules."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..core.arrivals import when_imported
from ..core.errors import fail
from ..core.names import nearest, submodules
from . import homes, vision_homes
from .homes import Renaming, rename, rename_all, restore

ROOTS = {
    "torch": "rushlight", "torchvision": "rushlight.vision", "functorch": "rushlight.functorch",
}  # fmt: skip
# Folders of rushlight that torch has not: `import torch.core` fails as it does there.
OURS = frozenset({
    "core", "ops", "methods", "functions", "compat", "cli", "vision", "text", "tabular", "lab",
    "viz", "serialize", "__main__",
})  # fmt: skip
ELSEWHERE = {"torch": homes.ELSEWHERE, "torchvision": vision_homes.ELSEWHERE}
NAMESAKES = (*homes.NAMESAKES, *vision_homes.NAMESAKES)
_CROWDED = frozenset(name.rpartition(".")[0] for name in NAMESAKES)
VERSIONS = {"torch": "2.13.0", "torchvision": "0.28.0"}  # whose behaviour is followed
STAND_IN = os.path.join(os.path.dirname(__file__), "stand_in")


def our_name(name: str) -> str | None:
    """rushlight's module for torch's name; None for one that is no part of torch.

    >>> our_name("torch.nn.functional"), our_name("torchvision.transforms"), our_name("numpy")
    ('rushlight.nn.functional', 'rushlight.vision.transforms', None)
    """
    root, _, rest = name.partition(".")
    if root not in ROOTS or (root == "torch" and rest.partition(".")[0] in OURS):
        return None
    rest = ELSEWHERE.get(root, {}).get(rest, rest)
    return f"{ROOTS[root]}.{rest}" if rest else ROOTS[root]


class _AliasLoader(importlib.abc.Loader):
    """Hands out a module that exists already, and leaves it as it is."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has put the alias's in its place


class _AliasFinder(importlib.abc.MetaPathFinder):
    """Answers for `torch`, `torchvision` and everything below them, before any other finder."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOTS:
            return None
        module = _find(fullname)
        if module is None:
            raise _missing(fullname)
        if fullname in _CROWDED:
            _name_namesakes()
        # `_name_layers` may have put it there by now, and importlib would then go by the module's
        # own spec instead of this one, and run its source a second time.
        if sys.modules.get(fullname) is module:
            del sys.modules[fullname]
        return ModuleSpec(fullname, _AliasLoader(module), is_package=hasattr(module, "__path__"))

    def find_distributions(self, context: Any = None) -> Iterator[importlib.metadata.Distribution]:
        """What `importlib.metadata.version("torch")` is told, as libraries ask for versions so."""
        name = getattr(context, "name", None)
        for root, version in VERSIONS.items():
            if name in (None, root):
                yield _Installed(root, version)


class _Installed(importlib.metadata.Distribution):
    """The distribution that a name stands for."""

    def __init__(self, name: str, version: str) -> None:
        self.text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self.text if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return os.path.join(os.path.dirname(os.path.dirname(__file__)), path)


def _find(fullname: str) -> ModuleType | None:
    """The module of ours behind torch's name, imported if need be."""
    ours = our_name(fullname)
    if ours is None:
        return None
    try:
        return importlib.import_module(ours)
    except ModuleNotFoundError as error:
        # Only the absence of this very module (or of a parent) means "torch has it, we do not".
        if error.name is None or not f"{ours}.".startswith(f"{error.name}."):
            raise
    return None


def _missing(fullname: str) -> BaseException:
    parent, _, last = fullname.rpartition(".")
    notes = [f"`{fullname.partition('.')[0]}` is rushlight here, and it has no such module (yet)"]
    home = sys.modules.get(our_name(parent) or "")
    known = submodules(home) if home else []
    near = nearest(last, [name for name in known if not name.startswith("_") and name not in OURS])
    if near:
        notes.append(f"the nearest is {parent}.{near[0]}")
    error: Any = fail(ModuleNotFoundError, f"No module named {fullname!r}", *notes)
    error.name = fullname
    return error


def _refuse_if_loaded(root: str) -> None:
    """The real one has been imported: two frameworks under one name would only mix."""
    module = sys.modules.get(root)
    if module is None or module is sys.modules.get(ROOTS[root]):
        return
    if getattr(module, "__file__", "") == os.path.join(STAND_IN, f"{root}.py"):
        return
    raise fail(
        RuntimeError,
        f"the real {root} is already loaded ({getattr(module, '__file__', 'built in')})",
        "call rushlight.compat.install() before anything imports it, or start the program with:",
        "rushlight run SCRIPT",
    )


def installed() -> bool:
    """Whether `import torch` finds rushlight."""
    return any(isinstance(finder, _AliasFinder) for finder in sys.meta_path)


def install() -> None:
    """Let `import torch`, `import torchvision` and what is below them find rushlight.

    `torch.nn` is then the very module `rushlight.nn`. A second call changes nothing.
    Raises: RuntimeError when the real torch or torchvision is loaded already.

    >>> import rushlight
    >>> rushlight.compat.install()
    >>> import torch.nn.functional as F
    >>> F is rushlight.nn.functional
    True
    >>> rushlight.compat.uninstall()
    """
    for root in ROOTS:
        _refuse_if_loaded(root)
    if not installed():
        sys.meta_path[:0] = [_AliasFinder(), Renaming()]
        rename_all(sys.modules["rushlight"])
    sys.modules["torch"] = sys.modules["rushlight"]  # torchvision is found when it is asked for
    when_imported("rushlight.nn", _name_layers)
    sys.modules["torch"].__name__ = "torch"  # which programs compare, and messages say


def _name_layers() -> None:
    """Have the modules of `nn` in `sys.modules` under torch's names: libraries look for them."""
    if installed():
        rename(sys.modules["rushlight.nn"])  # the watch for it came before the finder that renames
        for name in [name for name in sys.modules if f"{name}.".startswith("rushlight.nn.")]:
            sys.modules.setdefault(name.replace("rushlight", "torch", 1), sys.modules[name])
        _name_namesakes()


def _name_namesakes() -> None:
    """Have modules that go by the name of a function in `sys.modules` before anyone imports them.

    Importing one would put it in the function's place: `torch.nn.parallel.data_parallel` is both.
    """
    for name in NAMESAKES:
        module = sys.modules.get(our_name(name) or "")
        if module is not None:
            sys.modules.setdefault(name, module)


def take_over(stand_in: str) -> None:
    """Install, and put ours in the place of the stand-in module being imported."""
    install()
    sys.modules[stand_in] = importlib.import_module(ROOTS[stand_in])


def uninstall() -> None:
    """Undo `install`: later imports of torch find what is installed under that name."""
    sys.modules["rushlight"].__name__ = "rushlight"
    finders = (_AliasFinder, Renaming)
    sys.meta_path[:] = [item for item in sys.meta_path if not isinstance(item, finders)]
    restore()
    for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
        ours = our_name(name)
        if ours is not None and sys.modules[name] is sys.modules.get(ours):
            del sys.modules[name]
