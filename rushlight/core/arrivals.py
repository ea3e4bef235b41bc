"""Something to do as soon as another package is imported, without importing it."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable
from typing import Any


class _Watch:
    """Finds one module like everyone else, and acts once it has run."""

    def __init__(self, name: str, action: Callable[[], Any]) -> None:
        self.name, self.action = name, action

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        sys.meta_path.remove(self)
        run = spec.loader.exec_module

        def run_and_act(module: Any) -> None:
            run(module)
            self.action()

        spec.loader.exec_module = run_and_act
        return spec


def when_imported(name: str, action: Callable[[], Any]) -> None:
    """Call `action` after the module `name` has been imported, or now if it has been."""
    if name in sys.modules:
        action()
    else:
        sys.meta_path.insert(0, _Watch(name, action))
