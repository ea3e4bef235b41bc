"""Checks that a custom operator does what its schema and registrations say."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing
from ..core.primitive import REGISTRY
from ..core.tape import PRIM
from .comparison import assert_close

__all__ = ["OpCheckError", "opcheck"]
_explain_missing(__name__)
_USUAL = (
    "test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic",
)  # fmt: skip
_KNOWN = (*_USUAL[:3], "test_aot_dispatch_static", _USUAL[3])


class OpCheckError(Exception):
    """An operator failed one of the checks of `opcheck`."""


def opcheck(
    op: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *,
    test_utils: str | Sequence[str] = _USUAL, raise_exception: bool = True,
    atol: float | None = None, rtol: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Check an operator of `torch.library` on a call: its schema, gradient, fake and compiled form.

    test_schema: it writes to the arguments that its schema names, and no others, and gives new
    memory. test_autograd_registration: its function has no gradient of its own beside the
    registered one. test_faketensor: on the meta device it gives the same sizes, strides and types.
    test_aot_dispatch_dynamic (and _static): compiled, it gives the same values and gradients.
    Returns "SUCCESS" or the error by the names of the checks.
    Raises: OpCheckError for the first that fails (unless raise_exception=False), ValueError for
    what is no operator and for unknown checks.
    Source: https://docs.pytorch.org/docs/stable/library.html#torch.library.opcheck

    >>> import rushlight as torch
    >>> @torch.library.custom_op("checks::twice", mutates_args=())
    ... def twice(x: torch.Tensor) -> torch.Tensor: return x * 2
    >>> _ = twice.register_fake(lambda x: torch.empty_like(x))
    >>> torch.library.opcheck(twice, (torch.ones(3),), test_utils="test_faketensor")
    {'test_faketensor': 'SUCCESS'}
    """
    operator = getattr(op, "_operator", None)
    if operator is None:
        raise ValueError(
            "opcheck(op, ...): op must be instance of torch._ops.OpOverload, e.g."
            f" torch.ops.aten.sin.default, got {type(op)}"
        )
    wanted = (test_utils,) if isinstance(test_utils, str) else tuple(test_utils)
    if not set(wanted) <= set(_KNOWN):
        raise ValueError(
            f"opcheck(op, ..., test_utils={wanted}), expected test_utils to be subset of {_KNOWN}"
            " but it was not"
        )
    check = _Check(operator, args, kwargs or {}, {"atol": atol, "rtol": rtol})
    found: dict[str, Any] = {}
    for name in wanted:
        try:
            _CHECKS[name](check)
            found[name] = "SUCCESS"
        except Exception as error:
            if raise_exception:
                raise OpCheckError(
                    f"opcheck(op, ...): {name} failed with {error} (scroll up for stack trace)"
                ) from error
            found[name] = error
    return found


class _Check:
    """An operator, and copies of what it is called with."""

    def __init__(self, operator: Any, args: Any, kwargs: Any, tolerances: Any) -> None:
        self.operator, self.tolerances = operator, tolerances
        self.values = operator.schema.bind(operator._qualname, args, kwargs)
        self.wants = any(x.requires_grad for x in self.values if isinstance(x, rl.Tensor))

    def copies(self, change: Callable[[Any], Any] = lambda x: x.detach().clone()) -> list[Any]:
        """The arguments, tensors changed, each wanting a gradient if the original does."""

        def copied(x: Any) -> Any:
            if isinstance(x, (list, tuple)):
                return type(x)(copied(one) for one in x)
            if not isinstance(x, rl.Tensor):
                return x
            return change(x).requires_grad_(x.requires_grad)

        return [copied(x) for x in self.values]

    def called(self, values: list[Any], function: Any = None) -> Any:
        """The operator's results for these values."""
        args, kwargs = self.operator._spread(values)
        return (function or self.operator)(*args, **kwargs)

    # --- the checks

    def schema(self) -> None:
        values, before = self.copies(), self.copies()
        self.called(values)
        for argument, value, old in zip(self.operator.schema.arguments, values, before):
            if argument.written or not isinstance(value, rl.Tensor):
                continue
            if not rl.allclose(value, old, 0.0, 0.0, equal_nan=True):
                raise RuntimeError(
                    f"Argument {argument.name} is not defined as mutable but was mutated"
                )

    def autograd(self) -> None:
        operator, values = self.operator, self.copies()
        if not self.wants or operator.guarded or operator.backward or operator.kernel is None:
            return  # what `custom_op` makes always has a kernel for gradients, if only to refuse
        known = {id(x) for x in values}
        for y in _flat(self.called(values, self.operator.kernel)):
            # A gradient of the op's own formula in place of those of the ops it is made of.
            if id(y) not in known and y.requires_grad and _is_custom(y.grad_fn):
                raise AssertionError(
                    f"{self.operator._qualname}: at least one output of this operator has"
                    " requires_grad=True but the operator does not have an autograd kernel defined"
                    " at an autograd key (e.g. DispatchKey::Autograd)."
                )

    def fake(self) -> None:
        if self.operator.fake is None and self.operator.schema.returns == "()":
            return  # nothing to be told
        real = _flat(self.called(self.copies()))
        meta = _flat(self.called(self.copies(lambda x: x.detach().to("meta"))))
        name = self.operator._qualname.replace("::", ".")
        start = (
            f"When comparing the output of {name}.default on FakeTensor and concrete Tensors,"
            " found mismatched tensor metadata: "
        )
        if len(real) != len(meta):
            raise AssertionError(f"{start}{len(real)} and {len(meta)} outputs")
        for y, other in zip(real, meta):
            for what, one, two in (
                ("Shapes", y.shape, other.shape), ("Dtypes", y.dtype, other.dtype),
                ("Strides", y.stride(), other.stride()),
            ):  # fmt: skip
                if one != two:
                    raise AssertionError(f"{start}{what} {one} and {two} are not equal!")

    def compiled(self) -> None:
        values, others = self.copies(), self.copies()
        plain = self.called(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of calls that stay eager
            fast = self.called(others, rl.compile(lambda *a, **k: self.operator(*a, **k)))
        for y, other in zip(_flat(plain), _flat(fast), strict=True):
            assert_close(other, y, **self.tolerances)
        for x, other in zip(_flat(values), _flat(others)):
            assert_close(other.detach(), x.detach(), **self.tolerances)  # what was written to
        for one, other in zip(self._gradients(plain, values), self._gradients(fast, others)):
            if (one is None) != (other is None):
                raise AssertionError("a gradient is there in one way of running it alone")
            if one is not None:
                assert_close(other, one, **self.tolerances)

    def _gradients(self, results: Any, values: list[Any]) -> list[Any]:
        wanted = [y for y in _flat(results) if y.requires_grad]
        if wanted:
            rl.stack([y.sum().abs() for y in wanted]).sum().backward()
        return [x.grad for x in _flat(values)]


def _flat(value: Any) -> list[Any]:
    """The tensors in results or arguments."""
    if isinstance(value, rl.Tensor):
        return [value]
    return [x for one in value for x in _flat(one)] if isinstance(value, (tuple, list)) else []


def _is_custom(node: Any) -> bool:
    """Whether a formula given as an autograd.Function is in a tensor's history."""
    waits, seen = [node], set()
    while waits:
        one = waits.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        entry = getattr(one, "entry", None)
        if isinstance(entry, list) and entry[PRIM].name not in REGISTRY:
            return True
        waits += [above for above, _ in one.next_functions]
    return False


_CHECKS: dict[str, Callable[[_Check], None]] = {
    "test_schema": _Check.schema, "test_autograd_registration": _Check.autograd,
    "test_faketensor": _Check.fake, "test_aot_dispatch_static": _Check.compiled,
    "test_aot_dispatch_dynamic": _Check.compiled,
}  # fmt: skip
