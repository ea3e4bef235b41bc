"""One custom operator: its functions, its gradient, and what transforms and autocast make of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .amp import autocast, is_autocast_enabled
from .autograd.graph import increment_version
from .core.errors import fail
from .core.inplace import is_value
from .core.modes import emit, listening
from .core.schemas import Schema

OPERATORS: dict[str, Operator] = {}
WAITING: dict[str, list[Callable[[], Any]]] = {}  # functions given before their operator was made
PACKET: list[Any] = []  # what makes an operator's entry in `torch.ops`, put here by library


class Operator:
    """One operator: what its schema says, and the functions that were registered for it."""

    def __init__(self, name: str, schema: Schema) -> None:
        self._qualname, self.schema = name, schema
        self._namespace, _, self._name = name.partition("::")
        self.default: Callable[..., Any] | None = None  # what every device may run
        self.on_cpu: Callable[..., Any] | None = None  # what goes before it, unless disabled
        self.cpu_disabled = False
        self.vmap: Callable[..., Any] | None = None
        self.autocast: dict[str, Any] = {}  # the type that inputs are cast to, by device
        self.fake: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        self.setup_context: Callable[..., Any] | None = None
        self.guarded = False  # whether outputs must be new memory

    @property
    def kernel(self) -> Callable[..., Any] | None:
        """The function that is called."""
        return self.default if self.on_cpu is None or self.cpu_disabled else self.on_cpu

    def refuse_named_tensors(self, asker: str, advice: str, namespace: bool = True) -> None:
        """torch's error for tensors that are given by name alone."""
        if any("Tensor" in one.kind for one in self.schema.arguments[self.schema.positional :]):
            shown = self.declaration if namespace else f"{self._name}{self.schema}"
            raise NotImplementedError(f"{asker} with kwarg-only Tensor args. {advice} Got: {shown}")

    @property
    def declaration(self) -> str:
        """The name and the schema."""
        return f"{self._qualname}{self.schema}"

    def differentiate(self, backward: Any, setup_context: Any, asker: str) -> None:
        """Take the user's gradient, if the operator writes to nothing."""
        if any(one.written for one in self.schema.arguments):
            raise RuntimeError(
                f"Cannot register autograd formula for non-functional operator {asker} with schema"
                f" {self.declaration}. Please create a functional operator and register an autograd"
                " formula for that."
            )
        self.backward, self.setup_context = backward, setup_context

    def give(self, function: Callable[..., Any], device_types: Any) -> None:
        """A function for kinds of devices; None for all."""
        if device_types is None:
            self.default = function
            return
        if not any("Tensor" in one.kind or one.kind == "Device" for one in self.schema.arguments):
            raise ValueError(
                "Functions without tensor inputs are required to have a `device: torch.device`"
                " argument"
            )
        if "cpu" in device_types:
            self.on_cpu = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = self.schema.bind(self._qualname, args, kwargs)
        kind = self.autocast.get("cpu") if self.autocast else None
        if kind is not None and is_autocast_enabled("cpu"):
            with autocast("cpu", enabled=False):
                return self._called([_cast(value, kind) for value in values])
        return self._called(values)

    def _called(self, values: Any) -> Any:
        tensors = [x for x in values if isinstance(x, rl.Tensor)]
        if any(x.is_meta for x in tensors):
            return self._on_meta(values)
        if self.vmap is not None and any(map(is_value, tensors)):
            return self._transformed().apply(*values)
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
        for x in self.schema.written(values):
            increment_version(x)  # the function may have written past us, through NumPy
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
        return PACKET[0](self)

    @functools.cached_property
    def _function(self) -> Any:
        """The operator as an `autograd.Function`."""

        def forward(ctx: Any, *values: Any) -> Any:
            found = self._run(values)
            self._set_up(ctx, values, found)
            return found

        methods = {"forward": staticmethod(forward), "backward": staticmethod(self._back)}
        return self._class(methods)

    def _transformed(self) -> Any:
        """The same for transforms: of samples together, the function of `register_vmap`."""
        methods = {
            "forward": staticmethod(lambda *values: self._run(values)),
            "setup_context": staticmethod(self._set_up),
            "backward": staticmethod(self._back),
            "vmap": staticmethod(self._together),
        }
        return self._class(methods)

    def _together(self, info: Any, in_dims: Any, *values: Any) -> Any:
        args, kwargs = self._spread(values)
        assert self.vmap is not None
        return self.vmap(info, in_dims[: len(args)], *args, **kwargs)

    def _class(self, methods: dict[str, Any]) -> Any:
        name = f"GeneratedBackwardFor_{self._namespace}_{self._name}_default"
        return type(name, (rl.autograd.Function,), methods)

    def _set_up(self, ctx: Any, values: Any, found: Any) -> None:
        """The user's setup_context, and what the function writes to."""
        if self.setup_context is not None:
            args, kwargs = self._spread(values)
            named = {"keyword_only_inputs": kwargs} if kwargs else {}
            self.setup_context(ctx=ctx, inputs=args, **named, output=found)
        for x in self.schema.written(values):
            ctx.mark_dirty(x)

    def _back(self, ctx: Any, *gradients: Any) -> Any:
        """The user's backward, which gives nothing for arguments that are given by name alone."""
        if self.backward is None:
            raise RuntimeError(
                f"Trying to backward through {self._namespace}.{self._name}.default but no"
                " autograd formula was registered. Please use register_autograd to add one."
            )
        found = self.backward(ctx, *gradients)
        named = len(self.schema.arguments) - self.schema.positional
        if not named:
            return found
        return (*(found if isinstance(found, tuple) else (found,)), *(None,) * named)


def _cast(value: Any, kind: Any) -> Any:
    """Floating-point tensors in a type, as autocast does it, in lists too."""
    if isinstance(value, rl.Tensor):
        fits = value.is_floating_point() and value.dtype is not rl.float64
        return value.to(kind) if fits else value
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(one, kind) for one in value)
    return value


def defined(name: str, schema: Schema) -> Operator:
    """A new operator by its name and schema."""
    namespace, _, rest = name.partition("::")
    if not namespace or not rest:
        raise ValueError(
            f"Expected qualname to be of the form 'namespace::name', but got {name!r}."
        )
    operator = OPERATORS[name] = Operator(name, schema)
    for give in WAITING.pop(name, ()):
        give()
    return operator


def known(op: Any) -> Operator:
    """The operator that a name, or what `torch.ops` has, stands for."""
    name = op if isinstance(op, str) else getattr(op, "_qualname", None)
    found = OPERATORS.get(name.removesuffix(".default")) if isinstance(name, str) else None
    if found is None:
        raise RuntimeError(f"operator {name or op} does not exist")
    return found


def registered(op: Any, asker: str) -> Operator:
    """The same, with torch's errors of the functions that look it up in `torch.ops`."""
    name = op if isinstance(op, str) else getattr(op, "_qualname", None)
    if not isinstance(name, str):
        raise ValueError(f"{asker}({op}): got unexpected type for op: {type(op)}")
    if name.removesuffix(".default") not in OPERATORS:
        namespace, _, rest = name.partition("::")
        raise AttributeError(f"'_OpNamespace' '{namespace}' object has no attribute '{rest}'")
    return known(op)
