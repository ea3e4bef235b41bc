"""Parameters, buffers and modules inside a module, by dotted name: read, set, swapped, deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing

_explain_missing(__name__)
_ABSENT = object()


def _checked(name: str) -> None:
    if "." in name:
        raise KeyError('tensor name can\'t contain "."')
    if name == "":
        raise KeyError('tensor name can\'t be empty string ""')


def set_tensor(module: Any, name: str, tensor: Any) -> None:
    """Put `tensor` in the place of a parameter, a buffer or an attribute of `module`.

    Raises: TypeError where `module` is none; KeyError for a dotted or empty name.
    """
    if not isinstance(module, rl.nn.Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if not isinstance(tensor, rl.Tensor) and tensor is not None:
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    _checked(name)
    for table in (module._parameters, module._buffers):
        if name in table:
            table[name] = tensor
            return
    setattr(module, name, tensor)


def swap_tensor(module: Any, name: str, tensor: Any, allow_missing: bool = False) -> Any:
    """Put `tensor` in the place of another, which is returned; a marker stands for a missing one.

    The marker handed in as `tensor` deletes the name. Raises: AttributeError for a name that is
    not there and may not be missing; TypeError for what is no tensor.

    >>> layer = rl.nn.Linear(2, 1)
    >>> before = swap_tensor(layer, "bias", rl.zeros(1))
    >>> layer.bias, type(before).__name__
    (tensor([0.]), 'Parameter')
    """
    if not isinstance(module, rl.nn.Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if tensor is not _ABSENT and not isinstance(tensor, rl.Tensor) and tensor is not None:
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    _checked(name)
    for table in (module._parameters, module._buffers):
        if name in table:
            found = table[name]
            if found is not None and not isinstance(found, rl.Tensor):
                raise TypeError(f"{found} is not an instance of torch.Tensor")
            if tensor is _ABSENT:
                del table[name]
            else:
                table[name] = tensor
            return found
    found = getattr(module, name, _ABSENT)
    if found is _ABSENT and not allow_missing:
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    if found is not _ABSENT and found is not None and not isinstance(found, rl.Tensor):
        raise TypeError(f"attribute `{name}`: {found} is not an instance of torch.Tensor")
    if tensor is not _ABSENT:
        setattr(module, name, tensor)
    elif found is not _ABSENT:
        delattr(module, name)
    return found


def swap_submodule(module: Any, name: str, submodule: Any) -> Any:
    """Put another module in the place of a direct part of `module`; the former one is returned.

    Raises: TypeError for what is no module; KeyError for a dotted name or one that is not there.
    """
    if not isinstance(module, rl.nn.Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if not isinstance(submodule, rl.nn.Module):
        raise TypeError(f"{submodule} is not an instance of torch.nn.Module")
    if "." in name:
        raise KeyError('submodule name can\'t contain "."')
    if name == "":
        raise KeyError('submodule name can\'t be empty string ""')
    if name not in module._modules:
        raise KeyError(f"submodule {name} does not exist")
    former, module._modules[name] = module._modules[name], submodule
    return former


def _paired(names: Iterable[str], values: Iterable[Any]) -> list[tuple[str, Any]]:
    """Each name with its value. Raises: AssertionError for unequal numbers."""
    names, values = list(names), list(values)
    if len(names) != len(values):
        raise AssertionError(
            "names and values must have the same length,"
            f" got {len(names)} names and {len(values)} values"
        )
    return list(zip(names, values))


class NamedMemberAccessor:
    """The tensors and modules inside `module` by dotted name.

    >>> net = rl.nn.Sequential(rl.nn.Linear(2, 1))
    >>> NamedMemberAccessor(net).get_tensor("0.bias") is net[0].bias
    True
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.memo: dict[str, Any] = {}

    def get_submodule(self, name: str) -> Any:
        """The module of that name; the whole for an empty one. Raises: AttributeError."""
        if not name:
            return self.module
        found: Any = self.module
        for part in name.split("."):
            if not hasattr(found, part):
                raise AttributeError(f"{found._get_name()} has no attribute `{part}`")
            found = getattr(found, part)
            if not isinstance(found, rl.nn.Module):
                raise TypeError(
                    f"submodule `{name}`: {found} is not an instance of torch.nn.Module"
                )
        return found

    def _owner(self, name: str) -> tuple[Any, str]:
        prefix, _, last = name.rpartition(".")
        return self.get_submodule(prefix), last

    def swap_submodule(self, path: str, value: Any) -> Any:
        """Another module in the place of the one at `path`, which is returned."""
        owner, name = self._owner(path)
        return swap_submodule(owner, name, value)

    def get_tensor(self, name: str) -> Any:
        """The tensor of that name. Raises: AttributeError where there is none; TypeError."""
        owner, last = self._owner(name)
        try:
            found = getattr(owner, last)
        except AttributeError as error:
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`") from error
        if found is not None and not isinstance(found, rl.Tensor):
            raise TypeError(f"{found} is not an instance of torch.Tensor")
        return found

    def set_tensor(self, name: str, value: Any) -> None:
        """`value` in the place of the tensor of that name."""
        owner, last = self._owner(name)
        set_tensor(owner, last, value)

    def del_tensor(self, name: str) -> None:
        """The tensor of that name taken away."""
        owner, last = self._owner(name)
        try:
            swap_tensor(owner, last, _ABSENT)
        except AttributeError as error:
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`") from error

    def swap_tensor(self, name: str, value: Any, allow_missing: bool = False) -> Any:
        """`value` in the place of the tensor of that name, which is returned."""
        owner, last = self._owner(name)
        return swap_tensor(owner, last, value, allow_missing)

    def get_tensors(self, names: Iterable[str]) -> list[Any]:
        """The tensors of those names."""
        return [self.get_tensor(name) for name in names]

    def set_tensors(self, names: Iterable[str], values: Iterable[Any]) -> None:
        """`set_tensor` for each name and its value. Raises: AssertionError for unequal numbers."""
        for name, value in _paired(names, values):
            self.set_tensor(name, value)

    def set_tensors_dict(self, named_tensors: dict[str, Any]) -> None:
        """`set_tensor` for each entry."""
        for name, value in named_tensors.items():
            self.set_tensor(name, value)

    def del_tensors(self, names: Iterable[str]) -> None:
        """`del_tensor` for each name."""
        for name in names:
            self.del_tensor(name)

    def swap_tensors(
        self, names: Iterable[str], values: Iterable[Any], allow_missing: bool = False
    ) -> list[Any]:
        """`swap_tensor` for each name and its value. Raises: AssertionError for unequal numbers."""
        return [self.swap_tensor(n, value, allow_missing) for n, value in _paired(names, values)]

    def swap_tensors_dict(
        self, named_tensors: dict[str, Any], allow_missing: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """The former tensors by name, and the names that were missing.

        After an error all is as it was. Raises: RuntimeError for a name that is not there and may
        not be missing.
        """
        former: dict[str, Any] = {}
        missing = []
        try:
            for name, tensor in named_tensors.items():
                former[name] = self.swap_tensor(name, tensor, allow_missing=True)
                if former[name] is _ABSENT:
                    missing.append(name)
            if missing and not allow_missing:
                raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        except Exception:
            for name, tensor in former.items():
                self.swap_tensor(name, tensor, allow_missing=True)
            raise
        return former, missing

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """The names that `keys` lacks, and those of `keys` that are not there."""
        asked, held = set(keys), {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(held - asked), sorted(asked - held)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """The parameters with their names."""
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """The buffers with their names."""
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """Parameters, then buffers, with their names."""
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """The modules with their names."""
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)
