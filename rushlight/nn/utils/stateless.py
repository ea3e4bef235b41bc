"""Calls a module with parameters other than its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any


def _slot(module: Any, path: str) -> tuple[dict, str]:
    """The dictionary that holds the tensor at a dotted path, and its key there."""
    prefix, _, name = path.rpartition(".")
    owner = module.get_submodule(prefix)
    for table in (owner._parameters, owner._buffers):
        if name in table:
            return table, name
    raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")


def _with_ties(module: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`, with every other name of a shared tensor added."""
    names: dict[int, list[str]] = {}
    everything = [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]
    for name, tensor in everything:
        names.setdefault(id(tensor), []).append(name)
    full = dict(given)
    for name, value in given.items():
        table, key = _slot(module, name)
        for other in names.get(id(table[key]), []):
            full.setdefault(other, value)
    return full


@contextlib.contextmanager
def _replaced(module: Any, given: Mapping[str, Any], tie_weights: bool) -> Iterator[None]:
    kept = []
    try:
        for name, value in (_with_ties(module, given) if tie_weights else given).items():
            table, key = _slot(module, name)
            kept.append((table, key, table[key]))
            table[key] = value
        yield
    finally:
        for table, key, value in reversed(kept):
            table[key] = value


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

    >>> import rushlight as torch
    >>> net = torch.nn.Linear(1, 1, bias=False)
    >>> torch.nn.utils.stateless.functional_call(net, {"weight": torch.ones(1, 1)}, torch.ones(1))
    tensor([1.])
    """
    given: dict[str, Any] = {}
    many = isinstance(parameters_and_buffers, (list, tuple))
    for part in parameters_and_buffers if many else [parameters_and_buffers]:
        given.update(part)
    if strict:
        known = {name for name, _ in [*module.named_parameters(), *module.named_buffers()]}
        if known != given.keys():
            missing, extra = sorted(known - given.keys()), sorted(given.keys() - known)
            raise RuntimeError(
                f"Error(s) in applying functional_call: missing {missing}, unexpected {extra}"
            )
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights):
        return module(*args, **(kwargs or {}))
