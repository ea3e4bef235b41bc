"""How long each phase of compiling takes, by wrapping the functions that the phases begin with."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

# phase, module, name of the function or class.method there; the second list once that is imported
PLACES = [
    ("trace", "api", "capture"), ("bind", "api", "Bound"), ("bind", "api", "make"),
]  # fmt: skip
FAR = [
    ("lower", "middle.lowering", "lower"), ("lower", "middle.verify", "verify"),
    ("simplify", "middle.simplify", "simplify"),
    ("simplify", "middle.gathering", "gathered"), ("simplify", "middle.joins", "merged"),
    ("schedule", "kernels.program", "normalise"),
    ("schedule", "kernels.program", "schedule"), ("schedule", "kernels.memory", "plan"),
    ("write", "kernels.program", "_fill"), ("write", "kernels.program", "_compile"),
    ("modules", "code.llvm", "library"), ("modules", "code.llvm", "_engine"),
    ("generate", "code.llvm", "_emit"),
    ("load", "code.llvm", "_link"), ("load", "kernels.recall", "load"),
    ("load", "disk.remembered", "load"), ("digest", "disk.remembered", "name"),
    ("keep", "disk.remembered", "store"), ("bind", "kernels.running", "Program.__init__"),
]  # fmt: skip


class Phases:
    """Process time by phase, each without the phases inside it, from its making on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[float] = []
        api = importlib.import_module("rushlight.compile.api")
        self._modules(api)
        self._wrap(PLACES)

    def _modules(self, user: Any) -> None:
        """Count what a module imports late, and wrap the phases behind it."""
        real = importlib.import_module

        class Importing:
            @staticmethod
            def import_module(name: str, package: str | None = None) -> Any:
                module = self.timed("modules", real)(name, package)
                self._wrap(FAR)
                if module.__name__.endswith(".native") and module.importlib is importlib:
                    self._modules(module)
                return module

        user.importlib = Importing

    def _wrap(self, places: list[tuple[str, str, str]]) -> None:
        for phase, name, attribute in places:
            owner: Any = sys.modules.get(f"rushlight.compile.{name}")
            if owner is None:
                continue
            *path, last = attribute.split(".")
            for part in path:
                owner = getattr(owner, part)
            found = getattr(owner, last)
            if not hasattr(found, "phase"):
                setattr(owner, last, self.timed(phase, found))

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0.0)
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.process_time() - start
                own = spent - self._inside.pop()
                self.seconds[phase] = self.seconds.get(phase, 0.0) + own
                if self._inside:
                    self._inside[-1] += spent

        run.phase = phase
        return run
