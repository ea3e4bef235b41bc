"""Calls a module with parameters other than its own."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import rushlight as rl

__all__ = ["functional_call"]

_NOTHING: Any = object()  # what stood at a name that the module did not have


def _slot(module: Any, path: str, value: Any) -> tuple[dict, str]:
    """The dictionary that holds the tensor at a dotted path, and its key there.

    Other names are attributes (or parameters, where one is given), which the module may have or
    get for the time of the call.
    """
    prefix, _, name = path.rpartition(".")
    owner = module.get_submodule(prefix)
    for table in (owner._parameters, owner._buffers):
        if name in table:
            return table, name
    if not name:
        raise KeyError('tensor name can\'t be empty string ""')
    held = getattr(owner, name, None)
    if held is not None and not isinstance(held, rl.Tensor):
        raise TypeError(f"attribute `{name}`: {held} is not an instance of torch.Tensor")
    added = isinstance(value, rl.nn.Parameter) and held is None
    return (owner._parameters if added else owner.__dict__), name


def _everything(module: Any) -> list[tuple[str, Any]]:
    """Every name of every parameter and buffer."""
    return [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]


def _with_ties(module: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`, with every other name of a shared tensor added."""
    names: dict[int, list[str]] = {}
    places = {name: names.setdefault(id(tensor), []) for name, tensor in _everything(module)}
    for name, tied in places.items():
        tied.append(name)
    full = dict(given)
    for name, value in given.items():
        tied = places.get(name, [])
        if any(given.get(other, value) is not value for other in tied):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(given.keys() & tied)}, which"
                " are tied. Consider using tie_weights=False"
            )
        full.update((other, value) for other in tied)
    return full


def _checked(module: Any, given: dict[str, Any], tie_weights: bool, strict: bool) -> dict[str, Any]:
    """`given`, with every name of a shared tensor if weights are tied; all names, if `strict`."""
    given = _with_ties(module, given) if tie_weights else given
    known = {name for name, _ in _everything(module)} if strict else given.keys()
    if known != given.keys():
        wrong = (("Unexpected", given.keys() - known), ("Missing", known - given.keys()))
        lines = (f"\n\t{word} key(s): {str(sorted(names))[1:-1]}." for word, names in wrong
                 if names)  # fmt: skip
        kind = type(module).__name__
        raise RuntimeError(f"Error(s) in reparametrizing for {kind}:{''.join(lines)}")
    return given


@contextlib.contextmanager
def _replaced(
    module: Any, given: Mapping[str, Any], named: MutableMapping[str, Any]
) -> Iterator[None]:
    """The module with the given tensors; what it assigns to a name is then found in `named`."""
    kept = []
    try:
        for name, value in given.items():
            table, key = _slot(module, name, value)
            if value is not None and not isinstance(value, rl.Tensor):
                raise TypeError(f"{value} is not an instance of torch.Tensor")
            kept.append((table, key, table.get(key, _NOTHING)))
            table[key] = value
        yield
    finally:
        for (name, value), (table, key, _) in zip(given.items(), kept):
            if name in named and table.get(key, value) is not value:
                named[name] = table[key]
        for table, key, value in reversed(kept):
            table[key] = value
            if value is _NOTHING:
                del table[key]


@contextlib.contextmanager
def _reparametrize_module(
    module: Any, parameters_and_buffers: MutableMapping[str, Any], tie_weights: bool = False,
    strict: bool = False, stack_weights: bool = False,
) -> Iterator[None]:  # fmt: skip
    """The module with the given tensors in place of its own, for a `with` block (zuko's)."""
    given = _checked(module, dict(parameters_and_buffers), tie_weights, strict)
    with _replaced(module, given, parameters_and_buffers):
        yield


def functional_call(
    module: Any,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call `module` with the given tensors in place of its own, by dotted name.

    Names that the module lacks are attributes during the call, unless it is `strict`. What the
    module assigns to a name that was given (`self.steps = self.steps + 1`) is afterwards found in
    the dictionary, where there is one alone.

    >>> import rushlight as torch
    >>> net = torch.nn.Linear(1, 1, bias=False)
    >>> torch.nn.utils.stateless.functional_call(net, {"weight": torch.ones(1, 1)}, torch.ones(1))
    tensor([1.])
    """
    given: dict[str, Any] = {}
    many = isinstance(parameters_and_buffers, (list, tuple))
    parts = parameters_and_buffers if many else [parameters_and_buffers]
    counts = Counter(name for part in parts for name in part)
    if several := [name for name, count in counts.items() if count > 1]:
        raise ValueError(
            f"{several} appeared in multiple dictionaries; behavior of functional call is ambiguous"
        )
    for part in parts:
        given.update(part)
    given = _checked(module, given, tie_weights, strict)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, {} if many else parameters_and_buffers):
        return module(*args, **(kwargs or {}))


_functional_call = functional_call  # the name that libraries called before there was torch.func
