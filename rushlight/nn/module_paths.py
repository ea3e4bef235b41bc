"""Reaching into a module by dotted path: get_submodule, get_parameter, get_buffer."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..core.errors import fail
from .parameter import Parameter


def _no_attribute(owner: Any, name: str) -> BaseException:
    """torch's message, and the children or tensors whose names are close."""
    import difflib  # only a mistake needs it

    names = [*owner._modules, *owner._parameters, *owner._buffers]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    notes = [f"it has: {', '.join(near or names[:12])}"] if names else []
    return fail(AttributeError, f"{owner._get_name()} has no attribute `{name}`", *notes)


class PathMixin:
    """The part of Module that follows dotted paths."""

    def get_submodule(self, target: str) -> Any:
        """The module at the dotted path `target`; "" is the module itself.

        >>> import rushlight as torch
        >>> torch.nn.Sequential(torch.nn.ReLU()).get_submodule("0")
        ReLU()
        """
        module: Any = self
        for name in target.split(".") if target else []:
            if not hasattr(module, name):
                raise _no_attribute(module, name)
            module = getattr(module, name)
            if not isinstance(module, PathMixin):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Any, strict: bool = False) -> None:
        """Put `module` at the dotted path `target`; with `strict` the place must be taken.

        >>> import rushlight as torch
        >>> net = torch.nn.Sequential(torch.nn.ReLU())
        >>> net.set_submodule("0", torch.nn.Tanh())
        >>> net
        Sequential(
          (0): Tanh()
        )
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, PathMixin):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        taken = hasattr(parent, name)
        if strict and not taken:
            raise _no_attribute(parent, name)
        if taken and not isinstance(getattr(parent, name), PathMixin):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the dotted path `target`.

        >>> import rushlight as torch
        >>> torch.nn.Sequential(torch.nn.Linear(2, 3)).get_parameter("0.bias").shape
        torch.Size([3])
        """
        found, name = self._lookup(target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Any:
        """The buffer at the dotted path `target`.

        >>> import rushlight as torch
        >>> torch.nn.Sequential(torch.nn.BatchNorm1d(3)).get_buffer("0.running_mean")
        tensor([0., 0., 0.])
        """
        path, _, _ = target.rpartition(".")
        found, name = self._lookup(target)
        buffers = self.get_submodule(path)._buffers
        if not isinstance(found, rl.Tensor) or name not in buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    def _lookup(self, target: str) -> tuple[Any, str]:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise _no_attribute(owner, name)
        return getattr(owner, name), name
