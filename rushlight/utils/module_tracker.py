"""Which modules run at the moment, in the forward pass and in the backward pass."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..autograd.engine import RUNNING
from ._pytree import tree_leaves

__all__ = ["ModuleTracker"]


class ModuleTracker:
    """A `with` block that knows by name the modules that are running: `parents`.

    In the backward pass a module runs from when the gradients of its outputs are there to when
    those of its inputs are. The outermost module goes by its class, "Global" is always there.

    >>> import rushlight as torch
    >>> from rushlight.utils.module_tracker import ModuleTracker
    >>> class Net(torch.nn.Module):
    ...     def forward(self, x):
    ...         print(sorted(tracker.parents), tracker.is_bw)
    ...         return x * 2
    >>> with ModuleTracker() as tracker:
    ...     y = Net()(torch.ones(1))
    ['Global', 'Net'] False
    """

    def __init__(self) -> None:
        self.parents = {"Global"}
        self._names: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._asked = False
        self._handles: list[Any] = []

    @property
    def is_bw(self) -> bool:
        """Whether a backward pass runs."""
        return RUNNING.depth > 0

    def __enter__(self) -> ModuleTracker:
        hooks: Any = rl.nn.modules.module
        self._handles = [
            hooks.register_module_forward_pre_hook(self._entered),
            hooks.register_module_forward_hook(self._left),
        ]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _name(self, module: Any) -> str:
        if module not in self._names:
            root = type(module).__name__
            for name, part in module.named_modules():
                self._names.setdefault(part, f"{root}.{name}" if name else root)
        return self._names[module]

    def _entered(self, module: Any, inputs: Any) -> None:
        name = self._name(module)
        self.parents.add(name)
        self._on_gradients(inputs, lambda *_: self.parents.discard(name))

    def _left(self, module: Any, inputs: Any, output: Any) -> None:
        name = self._name(module)
        self.parents.discard(name)
        self._on_gradients(output, lambda *_: self._back_in(name))

    def _on_gradients(self, value: Any, told: Callable[..., Any]) -> None:
        wanted = [x for x in tree_leaves(value) if isinstance(x, rl.Tensor) and x.requires_grad]
        if wanted:
            self._handles.append(rl.autograd.graph.register_multi_grad_hook(wanted, told))

    def _back_in(self, name: str) -> None:
        if not self._asked:
            self._asked = True
            rl.autograd.Variable._execution_engine.queue_callback(self._finished)
        self.parents.add(name)

    def _finished(self) -> None:
        self.parents, self._asked = {"Global"}, False
