"""Selective checkpoints: which operators' results are kept, and which are computed again.

Source: https://docs.pytorch.org/docs/stable/checkpoint.html
"""

from __future__ import annotations

import enum
from collections import defaultdict
from typing import Any

import rushlight as rl

from .._ops import OpOverload, OpOverloadPacket
from ..core.errors import fail
from ._python_dispatch import TorchDispatchMode
from ._pytree import tree_map

__all__ = [
    "CheckpointPolicy", "SelectiveCheckpointContext", "create_selective_checkpoint_contexts",
]  # fmt: skip


class CheckpointPolicy(enum.Enum):
    """What becomes of an operator's result: kept for backward, or computed again there.

    MUST and PREFER are the same here; so are SAVE and CPU_OFFLOAD, since memory is the CPU's.

    >>> from rushlight.utils.checkpoint import CheckpointPolicy
    >>> [policy.name for policy in CheckpointPolicy][:4]
    ['MUST_SAVE', 'PREFER_SAVE', 'MUST_RECOMPUTE', 'PREFER_RECOMPUTE']
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_SAVED = frozenset((CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE))
_AGAIN, _TAKEN = object(), object()
_WHY = (
    "This can happen if the operations in the checkpointed region are nondeterministic or depend"
    " on global state that changed between forward and backward."
)


class SelectiveCheckpointContext:
    """What a policy is told: whether this is the second run, and the operator's result.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import (
    ...     CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts as contexts)
    >>> runs = []
    >>> def policy(context, op, *args, **kwargs):
    ...     runs.append((str(op), context.is_recompute))
    ...     return CheckpointPolicy.PREFER_RECOMPUTE
    >>> x = torch.ones(2, requires_grad=True)
    >>> y = checkpoint(torch.exp, x, use_reentrant=False, context_fn=lambda: contexts(policy))
    >>> y.sum().backward()
    >>> runs
    [('aten.exp.default', False)]
    """

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute, self.op_output = is_recompute, op_output


class _Kept:
    """A result, and how often it had been written to."""

    def __init__(self, value: Any) -> None:
        self.value = value.detach() if isinstance(value, rl.Tensor) else value
        self.version = value._version if isinstance(value, rl.Tensor) else None

    def again(self, written: bool) -> Any:
        if self.version is not None and not written and self.value._version != self.version:
            raise fail(
                RuntimeError,
                "Tensor cached during selective activation checkpoint has been mutated",
                "allow_cache_entry_mutation=True takes it as it is now",
            )
        return self.value


def _ignored(func: Any) -> bool:
    return str(func) == "aten.detach.default"


class _Caching(TorchDispatchMode):
    """The first run: results that the policy wants are kept."""

    def __init__(self, policy: Any, storage: Any) -> None:
        self.policy, self.storage = policy, storage
        self.counts: dict[Any, int] = defaultdict(int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if _ignored(func):
            return result
        place = self.counts[func]
        self.counts[func] += 1
        told = SelectiveCheckpointContext(is_recompute=False, op_output=result)
        policy = self.policy(told, func, *args, **kwargs)
        kept = policy in _SAVED if isinstance(policy, CheckpointPolicy) else bool(policy)
        self.storage[func][place] = tree_map(_Kept, result) if kept else _AGAIN
        return result


class _Cached(TorchDispatchMode):
    """The second run: what was kept is handed out again, once."""

    def __init__(self, storage: Any, written: bool) -> None:
        self.storage, self.written = storage, written
        self.counts: dict[Any, int] = defaultdict(int)

    def __enter__(self) -> Any:
        self.counts.clear()
        return super().__enter__()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _ignored(func):
            return func(*args, **(kwargs or {}))
        place = self.counts[func]
        self.counts[func] += 1
        if func not in self.storage:
            raise RuntimeError(
                f"{func} encountered during backward but not found in storage. {_WHY}"
            )
        found = self.storage[func].get(place)
        if found is None:
            raise RuntimeError(
                f"{func} invocation index {place} encountered during backward but not found in"
                f" storage. {_WHY}"
            )
        if found is _TAKEN:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any"
                " region computed under selective activation checkpoint."
            )
        if found is _AGAIN:
            return func(*args, **(kwargs or {}))
        self.storage[func][place] = _TAKEN
        return tree_map(lambda one: one.again(self.written), found)


def vars_of(op: Any) -> Any:
    """The attributes of an operator that a program registered; none of other things."""
    return getattr(op, "__dict__", {})


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[Any, Any]:
    """The contexts of a checkpoint's two runs that keep some operators' results.

    policy_fn_or_list: the operators to keep (`[torch.ops.aten.mm.default]`), or a function of
    (context, operator, *args, **kwargs) that gives a `CheckpointPolicy`.
    Raises ValueError for something in the list that is no form of an operator.

    >>> import functools
    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
    >>> kept = functools.partial(
    ...     create_selective_checkpoint_contexts, [torch.ops.aten.mm.default])
    >>> x = torch.eye(2).requires_grad_()
    >>> y = checkpoint(lambda x: (x @ x).exp(), x, use_reentrant=False, context_fn=kept)
    >>> y.sum().backward()
    >>> x.grad
    tensor([[5.4366, 2.0000],
            [2.0000, 5.4366]])
    """
    policy = policy_fn_or_list
    if isinstance(policy_fn_or_list, list):
        for op in policy_fn_or_list:
            if not (isinstance(op, OpOverload) or "_overloadname" in vars_of(op)):
                more = "" if not isinstance(op, OpOverloadPacket) else (
                    "Please update the OpOverloadPacket to a specific OpOverload.For example, if"
                    " you have `torch.ops.aten.mm`, change it to `torch.ops.aten.mm.default`."
                )  # fmt: skip
                raise ValueError(
                    f"Expected op in `op_list` to be an OpOverload but got: {op} of type"
                    f" {type(op)}. {more}"
                )

        def policy(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
            wanted = op in policy_fn_or_list
            return CheckpointPolicy.MUST_SAVE if wanted else CheckpointPolicy.PREFER_RECOMPUTE

    elif not callable(policy_fn_or_list):
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    storage: Any = defaultdict(dict)
    return _Caching(policy, storage), _Cached(storage, allow_cache_entry_mutation)
