"""torch.library: custom operators, with a name, a schema, a gradient and a meta implementation.

Source: https://pytorch.org/docs/stable/library.html

An operator is an ordinary Python function here: `torch.ops.<namespace>.<name>` finds it, its
gradient is what `register_autograd` gave, and on the meta device the function of `register_fake`
answers in its place.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any

import rushlight as rl

from . import ops as _own_ops
from .core.errors import fail
from .core.modes import STACK, emit, listening
from .core.names import explain_missing as _explain_missing
from .core.schemas import Schema, infer, parse

__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "get_kernel", "impl", "infer_schema",
    "register_autograd", "register_fake", "register_kernel",
]  # fmt: skip


class Operator:
    """One operator: what its schema says, and the functions that were registered for it."""

    def __init__(self, name: str, schema: Schema) -> None:
        self._qualname, self.schema = name, schema
        self._namespace, _, self._name = name.partition("::")
        self.kernel: Callable[..., Any] | None = None
        self.fake: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        self.setup_context: Callable[..., Any] | None = None
        self.guarded = False  # whether outputs must be new memory

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = self.schema.bind(self._qualname, args, kwargs)
        tensors = [x for x in values if isinstance(x, rl.Tensor)]
        if any(x.is_meta for x in tensors):
            return self._on_meta(values)
        if rl.is_grad_enabled() and any(x.requires_grad for x in tensors):
            return self._function.apply(*values)
        return self._run(values)

    def _spread(self, values: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional values, and those that the schema wants by name."""
        at = self.schema.positional
        names = [one.name for one in self.schema.arguments[at:]]
        return tuple(values[:at]), dict(zip(names, values[at:]))

    def _run(self, values: Any) -> Any:
        if self.kernel is None:
            raise fail(
                NotImplementedError,
                f"Could not run '{self._qualname}' with arguments from the 'CPU' backend.",
                "it was defined without a function: torch.library.impl gives it one",
            )
        args, kwargs = self._spread(values)
        if listening():
            return emit(self.packet.default, args, kwargs)
        found = self.kernel(*args, **kwargs)
        if self.guarded:
            self._refuse_shared(values, found)
        return found

    def _refuse_shared(self, values: Any, found: Any) -> None:
        given = {x.data_ptr() for x in values if isinstance(x, rl.Tensor) and x.numel()}
        for y in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(y, rl.Tensor) and y.numel() and y.data_ptr() in given:
                raise fail(
                    RuntimeError,
                    f"{self._name} (with implementation in {self.kernel!r}): The output of this"
                    " custom operator (1) must not also be an input to this custom operator and"
                    " (2) may not alias any inputs to this custom operator or other returns.",
                    "return a .clone()",
                )

    def _on_meta(self, values: Any) -> Any:
        if self.fake is None:
            raise RuntimeError(
                f"There was no fake impl registered for <CustomOpDef({self._qualname})>. This is"
                " necessary for torch.compile/export/fx tracing to work. Please use"
                f" `{self._name}.register_fake` to add an fake impl."
            )
        args, kwargs = self._spread(values)
        return self.fake(*args, **kwargs)

    @functools.cached_property
    def packet(self) -> Any:
        """The operator as `torch.ops` has it."""
        return _Packet(self)

    @functools.cached_property
    def _function(self) -> Any:
        """The operator as an `autograd.Function`."""
        kernel, owner = self._run, self

        def forward(ctx: Any, *values: Any) -> Any:
            found = kernel(values)
            if owner.setup_context is not None:
                owner.setup_context(ctx, values, found)
            for x in owner.schema.written(values):
                ctx.mark_dirty(x)
            return found

        def backward(ctx: Any, *gradients: Any) -> Any:
            if owner.backward is None:
                raise RuntimeError(
                    f"Trying to backward through {owner._namespace}.{owner._name}.default but no"
                    " autograd formula was registered. Please use register_autograd to add one."
                )
            return owner.backward(ctx, *gradients)

        name = f"GeneratedBackwardFor_{self._namespace}_{self._name}_default"
        methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        return type(name, (rl.autograd.Function,), methods)


_OPERATORS: dict[str, Operator] = {}


def _defined(name: str, schema: Schema) -> Operator:
    namespace, _, rest = name.partition("::")
    if not namespace or not rest:
        raise ValueError(
            f"Expected qualname to be of the form 'namespace::name', but got {name!r}."
        )
    operator = _OPERATORS[name] = Operator(name, schema)
    return operator


def _known(op: Any) -> Operator:
    name = op if isinstance(op, str) else getattr(op, "_qualname", None)
    found = _OPERATORS.get(name.removesuffix(".default")) if isinstance(name, str) else None
    if found is None:
        raise RuntimeError(f"operator {name or op} does not exist")
    return found


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
        self._operator.backward, self._operator.setup_context = backward, setup_context

    def register_kernel(
        self, device_types: Any, fn: Callable[..., Any] | None = None, /
    ) -> Callable[..., Any]:
        """Give the function for a kind of device; only the CPU's is ever called."""
        if fn is None:
            return lambda function: self.register_kernel(device_types, function)
        names = [device_types] if isinstance(device_types, str) else device_types
        if names is None or "cpu" in names:
            self._operator.kernel = fn
        return fn


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
        operator = _defined(name, found)
        operator.guarded = True
        if device_types is None or "cpu" in device_types:
            operator.kernel = function
        return CustomOpDef(operator, function)

    return make if fn is None else make(fn)


def infer_schema(
    prototype_function: Callable[..., Any], /, *, mutates_args: Any, op_name: str | None = None
) -> str:
    """The schema of a function, by its annotations.

    >>> import rushlight as torch
    >>> def f(x: torch.Tensor, n: int = 1) -> torch.Tensor: ...
    >>> torch.library.infer_schema(f, mutates_args=())
    '(Tensor x, SymInt n=1) -> Tensor'
    """
    return (op_name or "") + str(infer(prototype_function, mutates_args))


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> None:
    """Make an operator by its schema alone; `impl` gives it a function.

    >>> import rushlight as torch
    >>> torch.library.define("docs::twice", "(Tensor x) -> Tensor")
    >>> torch.library.impl("docs::twice", "cpu", lambda x: 2 * x)
    >>> torch.ops.docs.twice(torch.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    _defined(qualname, parse(schema))


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
    operator = _known(op)
    kinds = {"default"} if names is None else {one.lower() for one in names}
    if kinds & _HERE:
        operator.kernel = func
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
    return _known(op).kernel


def register_fake(
    op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None,
    _stacklevel: int = 1, allow_override: bool = False,
) -> Any:  # fmt: skip
    """Give the function that answers for an operator on the meta device.

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
    _known(op).fake = func
    return func


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
    operator = _known(op)
    operator.backward, operator.setup_context = backward, setup_context


class Library:
    """A namespace to define operators in ("DEF"), or to give functions to ("IMPL", "FRAGMENT").

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
        _defined(f"{self.ns}::{name.strip()}", parse(bracket + rest))
        return name.strip()

    def impl(self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "",
             **_: Any) -> None:  # fmt: skip
        """Give an operator of this namespace its function."""
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
        operator = _OPERATORS.get(f"{self.name}::{name}")
        if operator is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        return operator.packet

    def __dir__(self) -> list[str]:
        start = f"{self.name}::"
        return [one.removeprefix(start) for one in _OPERATORS if one.startswith(start)]


OURS = frozenset(one.name for one in pkgutil.iter_modules(_own_ops.__path__))


def _namespace(name: str) -> _Namespace:
    """`torch.ops.<name>`, where operators of that namespace were made.

    `rushlight.ops` is also the package of the framework's own declarations: its modules go first.
    """
    start = f"{name}::"
    if name in OURS or not any(one.startswith(start) for one in _OPERATORS):
        if _otherwise is not None:
            return _otherwise(name)
        raise AttributeError(f"module 'rushlight.ops' has no attribute {name!r}")
    return _Namespace(name)


_otherwise = vars(_own_ops).get("__getattr__")
_own_ops.__getattr__ = _namespace
_explain_missing(__name__, {"opcheck": ("rushlight.testing.op_check", "opcheck")})
