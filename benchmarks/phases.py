"""How long each phase of compiling takes, by wrapping the functions that the phases begin with."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

# phase, module, name of the function or class.method there
PLACES = [
    ("trace", "api", "capture"), ("lower", "native", "lower"), ("lower", "native", "verify"),
    ("simplify", "native", "simplify"), ("schedule", "kernels.program", "normalise"),
    ("schedule", "kernels.program", "schedule"), ("schedule", "kernels.memory", "plan"),
    ("write", "kernels.program", "_fill"), ("write", "kernels.program", "_compile"),
    ("bind", "kernels.program", "Program"), ("bind", "api", "Bound"), ("bind", "api", "make"),
    ("modules", "code.llvm", "library"), ("generate", "code.llvm", "_emit"),
    ("load", "code.llvm", "_link"), ("load", "kernels.recall", "load"),
]  # fmt: skip


class Phases:
    """Process time by phase, each without the phases inside it, from its making on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[float] = []
        api = importlib.import_module("rushlight.compile.api")
        self._modules(api)

    def _modules(self, api: Any) -> None:
        """Count the import of what native code needs, and wrap the phases behind it."""
        real = api.importlib.import_module

        class Importing:
            @staticmethod
            def import_module(name: str, package: str | None = None) -> Any:
                module = self.timed("modules", real)(name, package)
                self._wrap([place for place in PLACES if place[1] != "api"])
                return module

        api.importlib = Importing
        self._wrap([place for place in PLACES if place[1] == "api"])

    def _wrap(self, places: list[tuple[str, str, str]]) -> None:
        for phase, name, attribute in places:
            owner = importlib.import_module(f"rushlight.compile.{name}")
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

        run.phase = phase  # type: ignore[attr-defined]
        return run
