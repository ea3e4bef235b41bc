"""Runs a function on stand-ins for its inputs and turns what it does into a graph."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import rushlight as rl

from .graph import Graph
from .node import Node
from .noting import TracerBase
from .patches import Patches
from .proxy import Proxy

__all__ = ["Tracer"]


class Tracer(TracerBase):
    """Traces a module or function; subclasses say what is one node (`is_leaf_module`).

    autowrap_functions: functions whose calls are nodes. Modules of torch.nn are nodes, except
    Sequential.
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Tracer

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> [node.name for node in torch.fx.Tracer().trace(net).nodes]
    ['input_1', '_0', '_1', 'output']
    """

    traced_func_name = "forward"

    def __init__(
        self,
        autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        self.autowrap_modules = autowrap_modules
        inner = [one for module in autowrap_modules for name, one in vars(module).items()
                 if not name.startswith("_") and callable(one)]  # fmt: skip
        self.autowrap_functions = (*inner, *autowrap_functions)
        self.param_shapes_constant = param_shapes_constant
        # Torch's names of these two, for tracers whose `trace` is their own.
        self._autowrap_search = list(autowrap_modules)
        self._autowrap_function_ids = {id(one) for one in self.autowrap_functions}
        self.module_stack: dict[str, Any] = {}
        self.tensor_attrs: dict[Any, str] = {}

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        """Whether a call of the module is one node."""
        ours = m.__module__.startswith("rushlight.nn") or m.__module__.startswith("torch.nn")
        return ours and not isinstance(m, rl.nn.Sequential)

    def path_of_module(self, mod: Any) -> str:
        """The dotted name of a part. Raises: NameError for a module that is no part."""
        for name, part in self.root.named_modules():
            if part is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(
        self, m: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Called for each call of a module: one node, or what its forward does."""
        name = self.path_of_module(m)
        if self.is_leaf_module(m, name):
            return self.create_proxy("call_module", name, args, kwargs)
        key = name if name not in self.module_stack else f"{name}@{len(self.module_stack)}"
        self.module_stack[key] = (name, type(m))
        try:
            return forward(*args, **kwargs)
        finally:
            self.module_stack.pop(key, None)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Proxy]) -> Any:
        """What reading an attribute of a module gives: parameters become nodes."""
        if not isinstance(attr_val, rl.nn.Parameter):
            return attr_val
        for name, parameter in self.root.named_parameters():
            if parameter is attr_val:
                if name not in parameter_proxy_cache:
                    parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {})
                return parameter_proxy_cache[name]
        return attr_val

    def create_node(self, *args: Any, **kwargs: Any) -> Node:
        node = super().create_node(*args, **kwargs)
        if self.module_stack:
            node.meta["nn_module_stack"] = dict(self.module_stack)
        return node

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, rl.nn.Parameter):
            for name, parameter in self.root.named_parameters():
                if parameter is a:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, rl.Tensor):
            return self.create_node("get_attr", self._tensor_name(a), (), {})
        if isinstance(a, rl.nn.Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super().create_arg(a)

    def _tensor_name(self, tensor: Any) -> str:
        """Where the module holds a tensor; a constant of the code is given a place."""
        if tensor not in self.tensor_attrs:
            number = 0
            while hasattr(self.root, f"_tensor_constant{number}"):
                number += 1
            setattr(self.root, f"_tensor_constant{number}", tensor)
            self.tensor_attrs[tensor] = f"_tensor_constant{number}"
        return self.tensor_attrs[tensor]

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Placeholders for the parameters of a function; `concrete_args` keep their values."""
        code = inspect.unwrap(root_fn).__code__
        named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if is_module and not named:
            raise RuntimeError("``self`` argument cannot be part of *args expansion!")
        parameters = inspect.signature(root_fn).parameters
        args: list[Any] = [self.root] if is_module else []
        for name in named[1 if is_module else 0 :]:
            default = parameters[name].default if name in parameters else inspect.Parameter.empty
            given = () if default is inspect.Parameter.empty else (default,)
            proxy = self.create_proxy("placeholder", name, given, {})
            args.append(concrete_args[name] if name in (concrete_args or {}) else proxy)
        flags, rest = code.co_flags, list(code.co_varnames[len(named) :])
        for flag, stars in ((inspect.CO_VARARGS, "*"), (inspect.CO_VARKEYWORDS, "**")):
            if flags & flag:
                args.append(self.create_proxy("placeholder", stars + rest.pop(0), (), {}))
        if flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS) or code.co_kwonlyargcount:
            return _with_the_rest_bound(root_fn, flags), args
        return root_fn, args

    def _collect(self, module: Any, prefix: tuple[str, ...]) -> None:
        for name, value in (*vars(module).items(), *module._buffers.items()):
            if isinstance(value, rl.Tensor) and not isinstance(value, rl.nn.Parameter):
                self.tensor_attrs[value] = ".".join((*prefix, name))
        for name, part in module.named_children():
            self._collect(part, (*prefix, name))

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of a module's forward or of a function.

        Raises: TraceError where the code asks for a value.
        """
        is_module = isinstance(root, rl.nn.Module)
        self.root = root if is_module else rl.nn.Module()
        if is_module and not hasattr(type(root), self.traced_func_name):
            raise AssertionError(
                f"traced_func_name={self.traced_func_name} doesn't exist in {type(root).__name__}"
            )
        function = getattr(type(root), self.traced_func_name) if is_module else root
        self.graph = Graph(tracer_cls=type(self))
        self.tensor_attrs, self.module_stack = {}, {}
        self._collect(self.root, ())
        function, args = self.create_args_for_root(function, is_module, concrete_args)
        with Patches(self.autowrap_functions) as patches:
            self._patch(patches, root)
            result = function(*args)
        self.create_node("output", "output", (self.create_arg(result),), {})
        return self.graph

    def _patch(self, patches: Patches, root: Any) -> None:
        cache: dict[str, Proxy] = {}
        usual_call, usual_getattr = rl.nn.Module.__call__, rl.nn.Module.__getattr__

        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            def forward(*inner: Any, **named: Any) -> Any:
                return usual_call(module, *inner, **named)

            return self.call_module(module, forward, args, kwargs)

        def get(module: Any, name: str) -> Any:
            return self.getattr(name, usual_getattr(module, name), cache)

        parts = list(self.root.modules())
        homes = {sys.modules.get(kind.__module__) for part in parts for kind in type(part).__mro__}
        homes.add(sys.modules.get(getattr(root, "__module__", "") or ""))
        patches.wrapped()
        patches.search_all(iter({one for one in homes if one and one.__name__ != "builtins"}))
        for module in self.autowrap_modules:
            patches.search(vars(module))
        patches.attribute(rl.nn.Module, "__call__", call)
        patches.attribute(rl.nn.Module, "__getattr__", get)


def _with_the_rest_bound(function: Callable[..., Any], flags: int) -> Callable[..., Any]:
    """`function`, called with its *args and **kwargs as one value each."""

    def call(*args: Any) -> Any:
        values = list(args)
        named = values.pop() if flags & inspect.CO_VARKEYWORDS else {}
        rest = values.pop() if flags & inspect.CO_VARARGS else ()
        code = inspect.unwrap(function).__code__
        if isinstance(named, Proxy) or isinstance(rest, Proxy) or code.co_kwonlyargcount:
            return _call_with_locals(function, values, rest, named, code)
        return function(*values, *rest, **named)

    return call


def _call_with_locals(function: Any, values: list[Any], rest: Any, named: Any, code: Any) -> Any:
    """Call a function whose starred parameters are proxies, or that has some by keyword alone.

    Its code takes all of them as plain ones.
    """
    stars = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    flags = code.co_flags & ~(inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    count = code.co_argcount + code.co_kwonlyargcount + stars
    plain = code.replace(co_argcount=count, co_kwonlyargcount=0, co_flags=flags)
    made = FunctionType(plain, function.__globals__, function.__name__, None, function.__closure__)
    bound = [*values]
    if code.co_flags & inspect.CO_VARARGS:
        bound.append(rest)
    if code.co_flags & inspect.CO_VARKEYWORDS:
        bound.append(named)
    return made(*bound)
