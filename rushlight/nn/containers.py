"""Containers of modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import operator
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from .module import Module


def _checked_index(index: Any, length: int) -> int:
    """A position from 0, for a position that may count from the end."""
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range")
    return index % length if length else index


def _renumbered(modules: Iterable[Module]) -> dict[str, Module]:
    return {str(place): module for place, module in enumerate(modules)}


class Container(Module):
    """torch's deprecated container of keyword modules.

    Arguments: the modules, by their names. It warns and has no forward of its own.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.nn.Container(first=torch.nn.ReLU())
    Container(
      (first): ReLU()
    )
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in "
            "`nn.Module`. Subclass that instead.",
            FutureWarning,
            stacklevel=2,
        )
        for name, module in kwargs.items():
            self.add_module(name, module)


class _Numbered(Module):
    """Modules under the names "0", "1", ...: what Sequential and ModuleList share."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def _name_at(self, index: Any) -> str:
        return next(islice(self._modules, _checked_index(index, len(self)), None))

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns self.

        >>> import rushlight as torch
        >>> torch.nn.Sequential(torch.nn.Tanh()).append(torch.nn.ReLU())
        Sequential(
          (0): Tanh()
          (1): ReLU()
        )
        """
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: Any) -> Module:
        """Remove and return the module at a position, or several for a slice."""
        found = self[key]
        del self[key]
        return found

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._sliced(list(self._modules.items())[index])
        return self._modules[self._name_at(index)]

    def _sliced(self, items: list[tuple[str, Module]]) -> Any:
        return type(self)(*[module for _, module in items])

    def __setitem__(self, index: Any, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: Any) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._name_at(index)]:
            delattr(self, name)
        self._modules = _renumbered(self._modules.values())


class Sequential(_Numbered):
    """Modules called one after the other; each takes what the one before returned.

    args: modules, or one OrderedDict of named modules. Source:
    https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> net
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for place, module in enumerate(args):
                self.add_module(str(place), module)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    def _sliced(self, items: list[tuple[str, Module]]) -> Any:
        return type(self)(OrderedDict(items))

    def insert(self, index: int, module: Module) -> Any:
        """Put a module in front of position `index`; returns self.

        >>> import rushlight as torch
        >>> torch.nn.Sequential(torch.nn.Tanh()).insert(0, torch.nn.ReLU())
        Sequential(
          (0): ReLU()
          (1): Tanh()
        )
        """
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index % size if index < 0 else index, module)
        self._modules = _renumbered(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Any:
        """Add all modules of an iterable at the end; returns self.

        >>> import rushlight as torch
        >>> len(torch.nn.Sequential(torch.nn.Tanh()).extend([torch.nn.ReLU(), torch.nn.ReLU()]))
        3
        """
        for module in sequential:
            self.append(module)
        return self

    def __add__(self, other: Any) -> Any:
        _refuse_other(other)
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Any:
        _refuse_other(other)
        for place, module in enumerate(list(other), start=len(self)):
            self.add_module(str(place), module)
        return self

    def __mul__(self, other: int) -> Any:
        _check_factor(self, other)
        return Sequential(*chain.from_iterable([list(self)] * other))

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Any:
        _check_factor(self, other)
        for module in list(self) * (other - 1):
            self.append(module)
        return self


def _refuse_other(other: Any) -> None:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)} is given."
        )


def _check_factor(owner: Any, factor: Any) -> None:
    if not isinstance(factor, int):
        raise TypeError(f"unsupported operand type(s) for *: {type(owner)} and {type(factor)}")
    if factor <= 0:
        raise ValueError(f"Non-positive multiplication factor {factor} for {type(owner)}")


class ModuleList(_Numbered):
    """A list of modules, registered under their positions; it has no forward of its own.

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ModuleList.html

    >>> import rushlight as torch
    >>> torch.nn.ModuleList([torch.nn.Linear(2, 2) for _ in range(3)])
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _sliced(self, items: list[tuple[str, Module]]) -> Any:
        return type(self)([module for _, module in items])

    def insert(self, index: int, module: Module) -> None:
        """Put a module in front of position `index`."""
        modules = list(self)
        modules.insert(index, module)
        self._modules = _renumbered(modules)

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add all modules of an iterable at the end; returns self."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, but got "
                + type(modules).__name__
            )
        for place, module in enumerate(list(modules), start=len(self)):
            self.add_module(str(place), module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> Any:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> Any:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """Runs of modules that print alike are folded into one line."""
        if len(self) == 0:
            return self._get_name() + "()"
        runs: list[list[Any]] = []
        for place, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = place
            else:
                runs.append([place, place, text])
        lines = []
        for first, last, text in runs:
            count = last - first + 1
            head = f"({first}): " if count == 1 else f"({first}-{last}): {count} x "
            lines.append(head + text.replace("\n", "\n  "))
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules, registered under their keys.

    Arguments: a dict, or pairs of key and module. It has no forward of its own. Raises: TypeError
    for values that are no modules.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleDict.html

    >>> import rushlight as torch
    >>> list(torch.nn.ModuleDict({"act": torch.nn.ReLU()}))
    ['act']
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove everything."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Remove and return the module under `key`."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """The keys."""
        return self._modules.keys()

    def items(self) -> Any:
        """(key, module) pairs."""
        return self._modules.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping or of an iterable of (key, module) pairs."""
        for key, module in pairs_of("ModuleDict", "ModuleDict", modules):
            self[key] = module


def pairs_of(called: str, named: str, source: Any) -> list[tuple[Any, Any]]:
    """(key, value) pairs of a mapping or an iterable of pairs, or torch's errors."""
    if not isinstance(source, Iterable):
        raise TypeError(
            f"{called}.update should be called with an iterable of key/value pairs, but got "
            + type(source).__name__
        )
    if isinstance(source, Mapping) or hasattr(source, "items"):
        return list(source.items())  # type: ignore[attr-defined]  # it has them
    pairs = []
    for place, pair in enumerate(source):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{named} update sequence element #{place} should be Iterable; is"
                + type(pair).__name__
            )
        both: Any = list(pair)
        if len(both) != 2:
            raise ValueError(
                f"{named} update sequence element #{place} has length {len(both)}; 2 is required"
            )
        pairs.append((both[0], both[1]))
    return pairs
