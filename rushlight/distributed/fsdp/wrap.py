"""torch.distributed.fsdp.wrap: which inner modules are gathered by themselves.

A policy is a function of `module`, `recurse` and `nonwrapped_numel`: with `recurse=True` it says
whether to look inside a module, with `recurse=False` whether to wrap it, when so many of its
parameters are not in an inner one that is wrapped.
Source: https://docs.pytorch.org/docs/stable/fsdp.html
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing

__all__ = [
    "CustomPolicy", "ModuleWrapPolicy", "always_wrap_policy", "lambda_auto_wrap_policy",
    "enable_wrap", "size_based_auto_wrap_policy", "transformer_auto_wrap_policy", "wrap",
]  # fmt: skip
Choice = tuple[Any, dict[str, Any]]  # a module, and what it has of its own among the options


def always_wrap_policy(*args: Any, **kwargs: Any) -> bool:
    """Wrap every module.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp.wrap import always_wrap_policy
    >>> always_wrap_policy(torch.nn.Linear(2, 2), recurse=False, nonwrapped_numel=6)
    True
    """
    return True


def lambda_auto_wrap_policy(
    module: Any, recurse: bool, nonwrapped_numel: int, lambda_fn: Callable[[Any], bool]
) -> bool:
    """Wrap the modules for which `lambda_fn` is true (give it with `functools.partial`).

    >>> import rushlight as torch
    >>> from functools import partial
    >>> from rushlight.distributed.fsdp.wrap import lambda_auto_wrap_policy
    >>> is_linear = lambda module: isinstance(module, torch.nn.Linear)
    >>> policy = partial(lambda_auto_wrap_policy, lambda_fn=is_linear)
    >>> policy(torch.nn.Linear(2, 2), recurse=False, nonwrapped_numel=6)
    True
    """
    return True if recurse else lambda_fn(module)


def transformer_auto_wrap_policy(
    module: Any, recurse: bool, nonwrapped_numel: int, transformer_layer_cls: Iterable[type]
) -> bool:
    """Wrap the modules of the classes that are a network's layers: each is gathered as a whole.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp.wrap import transformer_auto_wrap_policy
    >>> layer, classes = torch.nn.TransformerEncoderLayer(4, 2), {torch.nn.TransformerEncoderLayer}
    >>> transformer_auto_wrap_policy(layer, False, 100, transformer_layer_cls=classes)
    True
    """
    return True if recurse else isinstance(module, tuple(transformer_layer_cls))


def size_based_auto_wrap_policy(
    module: Any, recurse: bool, nonwrapped_numel: int, min_num_params: int = int(1e8),
    force_leaf_modules: set[type] | None = None, exclude_wrap_modules: set[type] | None = None,
) -> bool:  # fmt: skip
    """Wrap modules with at least `min_num_params` parameters that no inner module has taken.

    Nothing inside `force_leaf_modules` is wrapped (attention, by default), and none of
    `exclude_wrap_modules` (lists and dictionaries of modules, by default).

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp.wrap import size_based_auto_wrap_policy
    >>> size_based_auto_wrap_policy(torch.nn.Linear(2, 2), False, 6, min_num_params=6)
    True
    """
    lists = {rl.nn.ModuleList, rl.nn.ModuleDict}
    leaves = {rl.nn.MultiheadAttention} if force_leaf_modules is None else force_leaf_modules
    never = lists if exclude_wrap_modules is None else exclude_wrap_modules
    if nonwrapped_numel < min_num_params:
        return False
    return not isinstance(module, tuple(leaves if recurse else never))


class _Policy(ABC):
    """A policy that chooses from all modules at once."""

    @abstractmethod
    def choose(self, module: Any) -> Choice | None:
        """The module with its own options, if it shall be wrapped."""


class ModuleWrapPolicy(_Policy):
    """Wrap the modules of some classes.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp.wrap import ModuleWrapPolicy
    >>> policy = ModuleWrapPolicy({torch.nn.Linear})
    >>> [policy(layer, recurse=False) for layer in (torch.nn.Linear(2, 2), torch.nn.ReLU())]
    [True, False]
    """

    def __init__(self, module_classes: Iterable[type]) -> None:
        self._module_classes = set(module_classes)

    def choose(self, module: Any) -> Choice | None:
        """The module, if it is of the classes."""
        return (module, {}) if isinstance(module, tuple(self._module_classes)) else None

    def __call__(self, module: Any, recurse: bool, *args: Any, **kwargs: Any) -> bool:
        return True if recurse else self.choose(module) is not None

    def __repr__(self) -> str:
        return f"ModuleWrapPolicy({self._module_classes})"


class CustomPolicy(_Policy):
    """Wrap the modules for which `lambda_fn` gives True, or a dictionary of options of their own.

    Raises: ValueError, when it gives something else.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp.wrap import CustomPolicy
    >>> policy = CustomPolicy(lambda module: isinstance(module, torch.nn.Linear))
    >>> policy.choose(torch.nn.Linear(2, 2))
    (Linear(in_features=2, out_features=2, bias=True), {})
    """

    def __init__(self, lambda_fn: Callable[[Any], Any]) -> None:
        self._lambda_fn = lambda_fn

    def choose(self, module: Any) -> Choice | None:
        """The module with the options that the function gives for it."""
        said = self._lambda_fn(module)
        if not isinstance(said, dict | bool):
            raise ValueError(
                "The lambda_fn passed to CustomPolicy should return False/True or a kwarg dict, but"
                f" it returned {said}"
            )
        if said is False or said == {}:
            return None
        return module, said if isinstance(said, dict) else {}


_around: list[tuple[Any, dict[str, Any]]] = []  # wrapper and options of `enable_wrap` blocks


@contextlib.contextmanager
def enable_wrap(*, wrapper_cls: Any, **wrapper_kwargs: Any) -> Iterator[None]:
    """A block in which `wrap` puts modules into this wrapper, with these options.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp.wrap import enable_wrap, wrap
    >>> with enable_wrap(wrapper_cls=torch.nn.Sequential):
    ...     type(wrap(torch.nn.ReLU())).__name__
    'Sequential'
    """
    _around.append((wrapper_cls, wrapper_kwargs))
    try:
        yield
    finally:
        _around.pop()


def wrap(module: Any, **wrap_overrides: Any) -> Any:
    """The module in the wrapper of the `enable_wrap` block around, if there is one.

    >>> import rushlight as torch
    >>> with enable_wrap(wrapper_cls=torch.nn.Sequential):
    ...     wrap(torch.nn.ReLU())
    Sequential(
      (0): ReLU()
    )
    >>> wrap(torch.nn.ReLU())
    ReLU()
    """
    if not _around:
        return module
    wrapper, options = _around[-1]
    return wrapper(module, **{**options, **wrap_overrides})


def chosen(root: Any, policy: Any, ignored: set[Any]) -> Iterator[Choice]:
    """The modules inside `root` that a policy has wrapped, inner ones first."""
    if policy is None:
        return
    if isinstance(policy, set | frozenset | tuple | list):
        policy = ModuleWrapPolicy(policy)
    if isinstance(policy, _Policy):
        for module in reversed(list(root.modules())[1:]):
            if (choice := policy.choose(module)) is not None:
                yield choice
        return
    found: list[Any] = []
    count = sum(p.numel() for p in root.parameters() if p not in ignored)
    if policy(module=root, recurse=True, nonwrapped_numel=count):
        for child in root.children():
            _choose(child, policy, ignored, found)
    yield from ((module, {}) for module in found)


def _choose(module: Any, policy: Any, ignored: set[Any], found: list[Any]) -> int:
    """Add the chosen ones inside a module, and it, to `found`; how many parameters they have."""
    count = sum(p.numel() for p in module.parameters() if p not in ignored)
    if not policy(module=module, recurse=True, nonwrapped_numel=count):
        return 0
    inside = sum(_choose(child, policy, ignored, found) for child in module.children())
    if not policy(module=module, recurse=False, nonwrapped_numel=count - inside):
        return inside
    found.append(module)
    return count


_explain_missing(__name__)
