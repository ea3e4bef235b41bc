"""torch.library: custom operators, with a name, a schema, a gradient and a meta implementation.

Source: https://pytorch.org/docs/stable/library.html

An operator is an ordinary Python function here: `torch.ops.<namespace>.<name>` finds it, its
gradient is what `register_autograd` gave, and on the meta device the function of `register_fake`
answers in its place.
"""

from __future__ import annotations

import contextlib
import functools
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import ops as _own_ops
from .amp import is_autocast_available
from .core.modes import STACK, emit
from .core.names import explain_missing as _explain_missing
from .core.schemas import infer, parse
from .custom_operators import OPERATORS, PACKET, WAITING, Operator, defined, known, registered

__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "fallthrough_kernel", "get_kernel", "impl",
    "impl_abstract", "infer_schema", "register_autocast", "register_autograd", "register_fake",
    "register_kernel", "register_vmap",
]  # fmt: skip


ADVICE = "In the original definition of the op, please make your tensors not kwarg-only."


class CustomOpDef:
    """An operator made of a Python function by `custom_op`; call it as the function.

    >>> import rushlight as torch
    >>> @torch.library.custom_op("docs_of_def::thrice", mutates_args=())
    ... def thrice(x: torch.Tensor) -> torch.Tensor:
    ...     return 3 * x
    >>> isinstance(thrice, torch.library.CustomOpDef), thrice(torch.ones(1))
    (True, tensor([3.]))
    """

    def __init__(self, operator: Operator, function: Callable[..., Any]) -> None:
        self._operator, self._init_fn = operator, function
        self._name, self._namespace = operator._name, operator._namespace
        self._qualname, self._schema = operator._qualname, str(operator.schema)
        self._opoverload = operator.packet.default
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._operator(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Give the function that answers on the meta device, with empty tensors."""
        self._operator.fake = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """Give the gradient: `backward(ctx, *grads)`, `setup_context(ctx, inputs, output)`."""
        self._operator.differentiate(backward, setup_context, repr(self))

    def register_kernel(
        self, device_types: Any, fn: Callable[..., Any] | None = None, /
    ) -> Callable[..., Any]:
        """Give the function for a kind of device; only the CPU's is ever called."""
        if fn is None:
            return lambda function: self.register_kernel(device_types, function)
        self._operator.give(fn, [device_types] if isinstance(device_types, str) else device_types)
        return fn

    def register_vmap(self, func: Callable[..., Any] | None = None) -> Any:
        """Give the function for samples together: `func(info, in_dims, *args)`."""
        return register_vmap(self, func)

    def register_autocast(self, device_type: str, cast_inputs: Any) -> None:
        """Give the type that inputs are cast to under autocast."""
        register_autocast(self, device_type, cast_inputs)

    @contextlib.contextmanager
    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> Iterator[None]:
        """For a time, the kernel of a device is not called (or is again)."""
        operator = self._operator
        before = operator.cpu_disabled
        if device_type == "cpu":
            operator.cpu_disabled = not enabled
        try:
            yield
        finally:
            operator.cpu_disabled = before


def custom_op(
    name: str, fn: Callable[..., Any] | None = None, /, *, mutates_args: str | Iterable[str],
    device_types: Any = None, schema: str | None = None, tags: Any = None,
) -> Any:  # fmt: skip
    """Make an operator of a function; as a decorator without `fn`.

    Arguments: `name`, "namespace::name"; `mutates_args`, the arguments it writes to; `schema`, as
    in "(Tensor x, int n) -> Tensor", else read off the annotations (ValueError without them).

    >>> import rushlight as torch
    >>> @torch.library.custom_op("examples::twice", mutates_args=())
    ... def twice(x: torch.Tensor, times: int = 2) -> torch.Tensor:
    ...     return x * times
    >>> twice(torch.ones(2)), torch.ops.examples.twice(torch.ones(2), times=3)
    (tensor([2., 2.]), tensor([3., 3.]))
    """

    def make(function: Callable[..., Any]) -> CustomOpDef:
        found = infer(function, mutates_args) if schema is None else parse(schema)
        writes = {one.name for one in found.arguments if one.written}
        if schema is not None and writes != set(mutates_args):
            raise ValueError(
                f"Attempted to create a custom op with `mutates_args={mutates_args}` and"
                f" `schema={schema}. The schema suggests that the op mutates {writes}which is"
                " different from what was provided to us in `mutates_args`. Please make these"
                " consistent."
            )
        operator = defined(name, found)
        operator.refuse_named_tensors(
            "custom_op", "Please make your tensors not kwarg-only.", namespace=False
        )
        operator.guarded = True
        operator.give(function, device_types)
        return CustomOpDef(operator, function)

    return make if fn is None else make(fn)


def infer_schema(
    prototype_function: Callable[..., Any], /, *, mutates_args: Any, op_name: str | None = None
) -> str:
    """The schema of a function, by its annotations.

    Arguments: `mutates_args`, names of arguments that are written; `op_name`, put before the
    schema. Raises: ValueError for a parameter without an annotation.

    >>> import rushlight as torch
    >>> def f(x: torch.Tensor, n: int = 1) -> torch.Tensor: ...
    >>> torch.library.infer_schema(f, mutates_args=())
    '(Tensor x, SymInt n=1) -> Tensor'
    """
    return (op_name or "") + str(infer(prototype_function, mutates_args))


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> None:
    """Make an operator by its schema alone; `impl` gives it a function.

    Arguments: `qualname`, "namespace::name"; `schema`, "(Tensor x) -> Tensor". Raises: ValueError
    for another form of name.

    >>> import rushlight as torch
    >>> torch.library.define("docs::twice", "(Tensor x) -> Tensor")
    >>> torch.library.impl("docs::twice", "cpu", lambda x: 2 * x)
    >>> torch.ops.docs.twice(torch.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    defined(qualname, parse(schema))


def impl(qualname: str, types: Any, func: Callable[..., Any] | None = None, *,
         lib: Any = None) -> Any:  # fmt: skip
    """Give an operator its function for kinds of devices ("cpu", "CPU", "default", ...).

    >>> import rushlight as torch
    >>> torch.library.define("docs_of_impl::half", "(Tensor x) -> Tensor")
    >>> @torch.library.impl("docs_of_impl::half", "cpu")
    ... def half(x):
    ...     return x / 2
    >>> torch.ops.docs_of_impl.half(torch.ones(1))
    tensor([0.5000])
    """
    if func is None:
        return register_kernel(qualname, types, lib=lib)
    register_kernel(qualname, types, func, lib=lib)
    return None


_HERE = {"cpu", "default", "compositeexplicitautograd", "compositeimplicitautograd"}


def register_kernel(
    op: Any, device_types: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None
) -> Any:
    """Give an operator its function for a kind of device; only the CPU's is ever called.

    >>> import rushlight as torch
    >>> @torch.library.custom_op("docs_of_kernel::thrice", mutates_args=())
    ... def thrice(x: torch.Tensor) -> torch.Tensor:
    ...     return 3 * x
    >>> @torch.library.register_kernel("docs_of_kernel::thrice", "cpu")
    ... def added(x):
    ...     return x + x + x
    >>> thrice(torch.ones(1))
    tensor([3.])
    """
    if func is None:
        return lambda function: register_kernel(op, device_types, function)
    names = [device_types] if isinstance(device_types, str) else device_types
    if isinstance(op, str) and "::" in op and op.removesuffix(".default") not in OPERATORS:
        give = functools.partial(register_kernel, op, device_types, func)
        WAITING.setdefault(op.removesuffix(".default"), []).append(give)
        return func
    operator = known(op)
    kinds = {"default"} if names is None else {one.lower() for one in names}
    if kinds & _HERE:
        operator.give(func, None if kinds & _HERE - {"cpu"} else ("cpu",))
    elif "meta" in kinds:
        operator.fake = func
    elif "autograd" in kinds:
        raise NotImplementedError("give the gradient through torch.library.register_autograd")
    return func


def get_kernel(op: Any, dispatch_key: Any = "CPU") -> Callable[..., Any] | None:
    """The function of an operator on the CPU.

    >>> import rushlight as torch
    >>> @torch.library.custom_op("example::doubled", mutates_args=())
    ... def doubled(x: torch.Tensor) -> torch.Tensor:
    ...     return 2 * x
    >>> torch.library.get_kernel("example::doubled")(torch.ones(2))
    tensor([2., 2.])
    """
    return known(op).kernel


def register_fake(
    op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None,
    _stacklevel: int = 1, allow_override: bool = False,
) -> Any:  # fmt: skip
    """Give the function that answers for an operator on the meta device.

    Raises: RuntimeError for an operator that is not there.

    >>> import rushlight as torch
    >>> @torch.library.custom_op("docs::half", mutates_args=())
    ... def half(x: torch.Tensor) -> torch.Tensor:
    ...     return x / 2
    >>> fake = torch.library.register_fake("docs::half", lambda x: torch.empty_like(x))
    >>> half(torch.ones(3, device="meta")).shape
    torch.Size([3])
    """
    if func is None:
        return lambda function: register_fake(op, function)
    known(op).fake = func
    return func


def impl_abstract(
    qualname: str, func: Callable[..., Any] | None = None, *, lib: Any = None, _stacklevel: int = 1
) -> Any:
    """The older name of `register_fake`.

    >>> import rushlight as torch
    >>> @torch.library.custom_op("docs_of_abstract::half", mutates_args=())
    ... def half(x: torch.Tensor) -> torch.Tensor:
    ...     return x / 2
    >>> @torch.library.impl_abstract("docs_of_abstract::half")
    ... def form(x):
    ...     return torch.empty_like(x)
    >>> half(torch.ones(3, device="meta")).shape
    torch.Size([3])
    """
    return register_fake(qualname, func, lib=lib)


def fallthrough_kernel() -> None:
    """What `Library.impl` is given where a kind of device has nothing to do; it is never called.

    Raises: NotImplementedError.

    >>> import rushlight as torch
    >>> lib = torch.library.Library("docs_of_fallthrough", "DEF")
    >>> _ = lib.define("same(Tensor x) -> Tensor"); lib.impl("same", lambda x: x.clone(), "CPU")
    >>> lib.impl("same", torch.library.fallthrough_kernel, "Autograd")
    >>> torch.ops.docs_of_fallthrough.same(torch.ones(1))
    tensor([1.])
    """
    raise NotImplementedError("fallthrough_kernel() should never be called.")


def register_autograd(
    op: Any, backward: Callable[..., Any], /, *,
    setup_context: Callable[..., Any] | None = None, lib: Any = None,
) -> None:  # fmt: skip
    """Give an operator its gradient: `backward(ctx, *grads)`, `setup_context(ctx, ins, out)`.

    >>> import rushlight as torch
    >>> @torch.library.custom_op("docs::cube", mutates_args=())
    ... def cube(x: torch.Tensor) -> torch.Tensor:
    ...     return x ** 3
    >>> torch.library.register_autograd(
    ...     "docs::cube",
    ...     lambda ctx, grad: 3 * ctx.saved_tensors[0] ** 2 * grad,
    ...     setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    ... )
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    tensor(12.)
    """
    operator = registered(op, "register_autograd")
    operator.refuse_named_tensors("register_autograd", ADVICE)
    operator.differentiate(backward, setup_context, str(op))


def register_vmap(op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None) -> Any:
    """Give an operator its function under `vmap`, as `autograd.Function.vmap`; also a decorator.

    `func(info, in_dims, *args)` returns the results and their batch dimensions. Without one the
    operator's own function is called with samples together.

    >>> import rushlight as torch
    >>> @torch.library.custom_op("docs_of_vmap::twice", mutates_args=())
    ... def twice(x: torch.Tensor) -> torch.Tensor:
    ...     return torch.from_numpy(2 * x.numpy())
    >>> @torch.library.register_vmap("docs_of_vmap::twice")
    ... def together(info, in_dims, x):
    ...     return twice(x), in_dims[0]
    >>> torch.vmap(twice)(torch.ones(2, 1))
    tensor([[2.],
            [2.]])
    """
    operator = registered(op, "register_vmap")
    operator.refuse_named_tensors("register_vmap", ADVICE)

    def register(function: Callable[..., Any]) -> None:
        operator.vmap = function

    return register if func is None else register(func)


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Any = None) -> None:
    """Give the type that an operator's floating-point inputs are cast to under autocast.

    >>> import rushlight as torch
    >>> @torch.library.custom_op("docs_of_autocast::same", mutates_args=())
    ... def same(x: torch.Tensor) -> torch.Tensor:
    ...     return x.clone()
    >>> torch.library.register_autocast("docs_of_autocast::same", "cpu", torch.bfloat16)
    >>> with torch.autocast("cpu"):
    ...     same(torch.ones(2)).dtype
    torch.bfloat16
    """
    operator = registered(op, "register_autocast")
    if not is_autocast_available(device_type):
        raise ValueError(f"Device type '{device_type}' does not support autocast.")
    operator.autocast.setdefault(device_type, cast_inputs)


class Library:
    """A namespace to define operators in ("DEF"), or to give functions to ("IMPL", "FRAGMENT").

    Arguments: `ns`, the namespace; `dispatch_key`, for which device functions are given.
    Raises: ValueError for another kind.
    Source: https://docs.pytorch.org/docs/stable/library.html

    >>> import rushlight as torch
    >>> lib = torch.library.Library("shop", "DEF")
    >>> lib.define("add_one(Tensor x) -> Tensor")
    'add_one'
    >>> lib.impl("add_one", lambda x: x + 1, "CPU")
    >>> torch.ops.shop.add_one(torch.zeros(2))
    tensor([1., 1.])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Make an operator: "name(Tensor x) -> Tensor"; returns its name."""
        name, bracket, rest = schema.partition("(")
        defined(f"{self.ns}::{name.strip()}", parse(bracket + rest))
        return name.strip()

    def impl(self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "",
             **_: Any) -> None:  # fmt: skip
        """Give an operator of this namespace its function."""
        if fn is fallthrough_kernel:
            return
        name = op_name if isinstance(op_name, str) else op_name._qualname
        full = name if "::" in name else f"{self.ns}::{name}"
        register_kernel(full, dispatch_key or self.dispatch_key or "default", fn)


class _Overload:
    """An operator as `torch.ops.<namespace>.<name>.default`."""

    def __init__(self, operator: Operator) -> None:
        self._operator, self._qualname = operator, operator._qualname
        self._overloadname, self.namespace = "default", operator._namespace
        self.__name__ = f"{operator._name}.default"

    @property
    def overloadpacket(self) -> Any:
        """All forms of the operator: this one."""
        return self._operator.packet

    def name(self) -> str:
        """The name with its namespace."""
        return self._qualname

    def kernel(self, *args: Any, **kwargs: Any) -> Any:
        """What the operator does, unseen by modes."""
        return self._operator(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if STACK.below:
            return emit(self, args, kwargs)
        return self._operator(*args, **kwargs)

    def __repr__(self) -> str:
        name = self._qualname.replace("::", ".")
        return f"<OpOverload(op='{name}', overload='default')>"

    def __str__(self) -> str:
        return self._qualname.replace("::", ".") + ".default"


class _Packet:
    """An operator as `torch.ops.<namespace>.<name>`."""

    def __init__(self, operator: Operator) -> None:
        self._operator, self._qualname = operator, operator._qualname
        self.__name__ = operator._name
        self.default = _Overload(operator)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._operator(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"

    def __str__(self) -> str:
        return self._qualname.replace("::", ".")

    def overloads(self) -> list[str]:
        return ["default"]


class _Namespace:
    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> _Packet:
        operator = OPERATORS.get(f"{self.name}::{name}")
        if operator is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        return operator.packet

    def __dir__(self) -> list[str]:
        start = f"{self.name}::"
        return [one.removeprefix(start) for one in OPERATORS if one.startswith(start)]


OURS = frozenset(one.name for one in pkgutil.iter_modules(_own_ops.__path__))


def _namespace(name: str) -> _Namespace:
    """`torch.ops.<name>`, where operators of that namespace were made.

    `rushlight.ops` is also the package of the framework's own declarations: its modules go first.
    """
    start = f"{name}::"
    if name in OURS or not any(one.startswith(start) for one in OPERATORS):
        if _otherwise is not None:
            return _otherwise(name)
        raise AttributeError(f"module 'rushlight.ops' has no attribute {name!r}")
    return _Namespace(name)


PACKET.append(_Packet)
_otherwise = vars(_own_ops).get("__getattr__")
_own_ops.__getattr__ = _namespace
_explain_missing(__name__, {"opcheck": ("rushlight.testing.op_check", "opcheck")})
