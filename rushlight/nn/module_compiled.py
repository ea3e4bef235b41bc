"""What `torch.compile(module)` gives: a module around another one, whose calls run compiled."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .module import Module


class OptimizedModule(Module):
    """A module whose calls run compiled; everything else is the module's own (`_orig_mod`).

    What is assigned goes to the module too: a layer that is exchanged here is exchanged there.
    """

    def __init__(self, module: Module, make: Callable) -> None:
        super().__init__()
        self.__dict__["_modules"]["_orig_mod"] = module
        self.__dict__["_call"] = make(module)
        del self.__dict__["training"]  # it is the module's

    @property
    def training(self) -> bool:  # type: ignore[override]  # an attribute there
        """Whether the module trains: its own flag."""
        return self.__dict__["_modules"]["_orig_mod"].training

    @training.setter
    def training(self, value: bool) -> None:
        self.__dict__["_modules"]["_orig_mod"].training = value

    @property
    def dynamo_ctx(self) -> Callable[[Callable], Callable]:
        """What compiles a function as the module was: trainers use it for their other steps."""
        kind, (_, *settings) = self.__dict__["_call"].__reduce__()
        return lambda function: kind(function, *settings)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module through its compiled programs."""
        return self.__dict__["_call"](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self.__dict__["_modules"][name]
        if name in ("explain", "source", "ir", "graph", "picture"):  # of its programs
            return getattr(self.__dict__["_call"], name)
        return getattr(self.__dict__["_modules"]["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_own(name):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        if self._is_own(name):
            super().__delattr__(name)
        else:
            delattr(self._orig_mod, name)

    def _is_own(self, name: str) -> bool:
        """Whether an attribute is this module's: of its class, or of its books."""
        return name == "_orig_mod" or name in self.__dict__ or hasattr(type(self), name)

    def __getstate__(self) -> dict:
        """The module, and how it was compiled; programs are made again where it is loaded."""
        state = super().__getstate__()
        kind, (_, *settings) = state["_call"].__reduce__()
        if kind is _compiler().Compiled:
            del state["_call"]
            state["_settings"] = settings
        return state

    def __setstate__(self, state: dict) -> None:
        state = {key: value for key, value in state.items() if key != "training"}
        settings = state.pop("_settings", None)
        super().__setstate__(state)
        if settings is not None:
            self.__dict__["_call"] = _compiler().Compiled(self._orig_mod, *settings)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._orig_mod)})

    def __len__(self) -> int:
        module: Any = self._orig_mod
        if not hasattr(module, "__len__"):
            raise TypeError(f"{type(module).__name__} does not support len()")
        return len(module)


def _compiler() -> Any:
    return importlib.import_module("rushlight.compile.api")
