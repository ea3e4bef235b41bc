"""Module: the base class of everything that has parameters and a forward.

Here are attributes and calls; hooks, states, moves and names of parts are in `module_*.py`.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..core.errors import fail
from .module_global_hooks import (
    _global_buffer_registration_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    passed_through,
)
from .module_hooks import HookMixin, any_global_hook, call_with_hooks, has_hooks
from .module_moves import MoveMixin
from .module_paths import PathMixin
from .module_state import _EXTRA_STATE_KEY_SUFFIX as _EXTRA_STATE_KEY_SUFFIX
from .module_state import StateMixin
from .module_state import _IncompatibleKeys as _IncompatibleKeys
from .module_trouble import add_module_path, may_hide, warn_unregistered, without_tensor
from .module_walk import WalkMixin
from .naming import own_initialiser, typename
from .parameter import Buffer, Parameter

_NOTHING = object()
_CONTAINERS = (list, tuple, dict, set)
_NO_INIT = "the class's __init__ must call super().__init__() before it assigns or is called"


def _forward_unimplemented(self: Any, *input: Any) -> None:
    """Compute the output from the inputs; every subclass writes its own."""
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


def _empty_tables() -> dict[str, Any]:
    """What every module has in its dictionary from the start."""
    return {
        "training": True,
        "_usual_call": True,
        "_parameters": {},
        "_buffers": {},
        "_non_persistent_buffers_set": set(),
        "_backward_pre_hooks": OrderedDict(),
        "_backward_hooks": OrderedDict(),
        "_is_full_backward_hook": None,
        "_forward_hooks": OrderedDict(),
        "_forward_hooks_with_kwargs": OrderedDict(),
        "_forward_hooks_always_called": OrderedDict(),
        "_forward_pre_hooks": OrderedDict(),
        "_forward_pre_hooks_with_kwargs": OrderedDict(),
        "_state_dict_hooks": OrderedDict(),
        "_state_dict_pre_hooks": OrderedDict(),
        "_load_state_dict_pre_hooks": OrderedDict(),
        "_load_state_dict_post_hooks": OrderedDict(),
        "_modules": {},
    }


class Module(WalkMixin, HookMixin, StateMixin, MoveMixin, PathMixin):
    """A part of a network: it holds parameters, buffers and other modules, and has a `forward`.

    Assigning a Parameter, a Buffer or a Module to an attribute registers it; calling the module
    runs its hooks and `forward`. An error raised in a forward carries a note with the path of the
    module it came from. Source: https://pytorch.org/docs/stable/generated/torch.nn.Module.html

    >>> import rushlight as torch
    >>> class Double(torch.nn.Module):
    ...     def forward(self, x):
    ...         return 2 * x
    >>> Double()(torch.tensor([1.0]))
    tensor([2.])
    """

    dump_patches: bool = False
    training: bool
    call_super_init: bool = False
    _compiled_call_impl: Callable | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own_initialiser(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"'{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but "
                    f"{len(args) + 1} were given"
                )
        self.__dict__.update(_empty_tables())
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward: Callable[..., Any] = _forward_unimplemented

    def __call__(self, input: Any = _NOTHING, /, *args: Any, **kwargs: Any) -> Any:
        # One read of the dictionary and a call with one argument: the cheapest way there is
        # (any attribute of a class with __getattr__ costs several times as much).
        try:
            if self.__dict__["_usual_call"] and not any_global_hook:
                if not (args or kwargs or input is _NOTHING):
                    return type(self).forward(self, input)
                if input is not _NOTHING:
                    return type(self).forward(self, input, *args, **kwargs)
                return type(self).forward(self, **kwargs)
            return self._full_call(args if input is _NOTHING else (input, *args), kwargs)
        except Exception as error:
            if "_usual_call" not in self.__dict__:  # Module.__init__ has not run
                raise self._no_attribute("_backward_hooks") from None
            if type(error) is AttributeError:
                told = without_tensor(error, self, input, args)
                if told is not None:
                    add_module_path(told, self, sys._getframe(1), input)
                    raise told from None
            add_module_path(error, self, sys._getframe(1), input)
            raise

    def _full_call(self, args: tuple, kwargs: dict) -> Any:
        """A call with several arguments or hooks, or the first look into plain containers."""
        own = self.__dict__
        if own["_usual_call"] and not any_global_hook:
            return type(self).forward(self, *args, **kwargs)
        if "_compiled_call_impl" in own:
            return own["_compiled_call_impl"](*args, **kwargs)
        if own.pop("_unseen_containers", False):
            warn_unregistered(self)
        out = call_with_hooks(self, args, kwargs)
        own["_usual_call"] = not (has_hooks(self) or "forward" in own)
        return out

    # -- registering ---------------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not trained; None reserves the name.

        persistent: whether state_dict holds it.

        >>> import rushlight as torch
        >>> net = torch.nn.Module()
        >>> net.register_buffer("mean", torch.zeros(2))
        >>> list(net.state_dict()), list(net.parameters())
        (['mean'], [])
        """
        if "_buffers" not in self.__dict__:
            raise fail(
                AttributeError, "cannot assign buffer before Module.__init__() call", _NO_INIT
            )
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, rl.Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        tensor = passed_through(_global_buffer_registration_hooks, self, name, tensor)
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Any) -> None:
        """Add a parameter under `name`; None reserves the name.

        >>> import rushlight as torch
        >>> net = torch.nn.Module()
        >>> net.register_parameter("scale", torch.nn.Parameter(torch.ones(1)))
        >>> net.scale
        Parameter containing:
        tensor([1.], requires_grad=True)
        """
        if "_parameters" not in self.__dict__:
            raise fail(
                AttributeError, "cannot assign parameter before Module.__init__() call", _NO_INIT
            )
        self._check_name("parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )
        param = passed_through(_global_parameter_registration_hooks, self, name, param)
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under `name`; None reserves the name.

        >>> import rushlight as torch
        >>> net = torch.nn.Module()
        >>> net.add_module("hidden", torch.nn.Linear(2, 3))
        >>> net.hidden
        Linear(in_features=2, out_features=3, bias=True)
        """
        if not isinstance(module, Module) and module is not None:
            many = isinstance(module, (list, tuple))
            raise fail(
                TypeError,
                f"{typename(module)} is not a Module subclass",
                *(["with a star for a list of layers: nn.Sequential(*layers)"] if many else []),
            )
        self._check_name("module", name, self._modules)
        self._modules[name] = passed_through(_global_module_registration_hooks, self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as add_module."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: Any, table: dict) -> None:
        """Refuse a name that is no string, is taken by an attribute, has a dot or is empty."""
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if kind == "module":
            if hasattr(self, name) and name not in table:
                raise KeyError(f"attribute '{name}' already exists")
            if "." in name:
                raise KeyError(f'module name can\'t contain ".", got: {name}')
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in table:
            raise KeyError(f"attribute '{name}' already exists")

    # -- attributes ----------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            held = own.get(table)
            if held is not None and name in held:
                return held[name]
        raise self._no_attribute(name)

    def _no_attribute(self, name: str) -> BaseException:
        notes = () if "_modules" in self.__dict__ else (_NO_INIT,)
        text = f"'{type(self).__name__}' object has no attribute '{name}'"
        return fail(AttributeError, text, *notes)

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        params = own.get("_parameters")
        if isinstance(value, Parameter):
            if params is None:
                raise fail(
                    AttributeError,
                    "cannot assign parameters before Module.__init__() call",
                    _NO_INIT,
                )
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif params is not None and name in params:
            if value is not None:
                raise fail(
                    TypeError,
                    f"cannot assign '{typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)",
                    "wrap it: nn.Parameter(tensor), or put its numbers into the parameter that is"
                    f" there: with torch.no_grad(): module.{name}.copy_(tensor)",
                )
            self.register_parameter(name, value)
        else:
            self._set_module_or_buffer(name, value, own)

    def _set_module_or_buffer(self, name: str, value: Any, own: dict) -> None:
        modules = own.get("_modules")
        if isinstance(value, Module):
            if modules is None:
                raise fail(
                    AttributeError, "cannot assign module before Module.__init__() call", _NO_INIT
                )
            self._forget(name, "_modules")
            modules[name] = passed_through(_global_module_registration_hooks, self, name, value)
        elif modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            modules[name] = passed_through(_global_module_registration_hooks, self, name, value)
        elif isinstance(value, rl.Tensor) or name in (own.get("_buffers") or ()):
            self._set_buffer(name, value, own.get("_buffers"))
        else:
            hides = isinstance(value, _CONTAINERS) and may_hide(value)
            if hides:  # the first call looks for layers in it
                own["_unseen_containers"] = True
            if hides or name == "forward":
                own["_usual_call"] = False
            super().__setattr__(name, value)

    def _set_buffer(self, name: str, value: Any, buffers: dict | None) -> None:
        """A Buffer registers itself; another tensor only takes the place of a buffer."""
        is_buffer = isinstance(value, Buffer)
        if buffers is None and is_buffer:
            raise fail(
                AttributeError, "cannot assign buffer before Module.__init__() call", _NO_INIT
            )
        if buffers is None or (not is_buffer and name not in buffers):
            super().__setattr__(name, value)
            return
        if value is not None and not isinstance(value, rl.Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if is_buffer:  # which says anew whether it is saved
            self.register_buffer(name, value, value.persistent)  # type: ignore[union-attr]  # a Buffer
            return
        buffers[name] = passed_through(_global_buffer_registration_hooks, self, name, value)

    def _forget(self, name: str, keep: str) -> None:
        """Remove `name` from everywhere but the table that is about to hold it."""
        own = self.__dict__
        own.pop(name, None)
        for table in ("_parameters", "_buffers", "_modules"):
            if table != keep:
                own[table].pop(name, None)
        if keep != "_buffers":
            own["_non_persistent_buffers_set"].discard(name)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = [*object.__dir__(self), *self._parameters, *self._modules, *self._buffers]
        return sorted({name for name in names if not name[:1].isdigit()})

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name, empty in _empty_tables().items():  # that was not there when it was saved
            self.__dict__.setdefault(name, empty)
        self.__dict__["_usual_call"] = False  # the next call looks

    # -- modes ---------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Any:
        """Set training mode here and below; returns self.

        Raises: ValueError unless `mode` is a bool.

        >>> import rushlight as torch
        >>> net = torch.nn.Sequential(torch.nn.Dropout()).eval()
        >>> net.train()[0].training
        True
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """Set evaluation mode: dropout passes, batch norm uses its running statistics.

        >>> import rushlight as torch
        >>> torch.nn.Dropout(0.5).eval()(torch.ones(3))
        tensor([1., 1., 1.])
        """
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Freeze or unfreeze every parameter; returns self.

        >>> import rushlight as torch
        >>> net = torch.nn.Linear(2, 3).requires_grad_(False)
        >>> [p.requires_grad for p in net.parameters()]
        [False, False]
        """
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of every parameter.

        With `set_to_none=False` they are filled with zeros instead.

        >>> import rushlight as torch
        >>> net = torch.nn.Linear(1, 1)
        >>> net(torch.ones(1, 1)).sum().backward()
        >>> net.zero_grad()
        >>> net.weight.grad is None
        True
        """
        for param in self.parameters():
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                param.grad = rl.zeros_like(param.grad)

    def apply(self, fn: Callable[[Any], None]) -> Any:
        """Call `fn` on every module below, then on this one; returns self.

        >>> import rushlight as torch
        >>> def to_ones(module):
        ...     if isinstance(module, torch.nn.Linear):
        ...         torch.nn.init.ones_(module.weight)
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 1)).apply(to_ones)
        >>> net[0].weight.data
        tensor([[1., 1.]])
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Run compiled from now on; arguments as for `torch.compile`."""
        self.__dict__["_compiled_call_impl"] = rl.compile(self._uncompiled_call, *args, **kwargs)
        self.__dict__["_usual_call"] = False

    def _uncompiled_call(self, *args: Any, **kwargs: Any) -> Any:
        return call_with_hooks(self, args, kwargs)

    def _compiled(self, make: Callable) -> Any:
        """What `torch.compile(module)` gives: a module around this one."""
        from .module_compiled import OptimizedModule

        return OptimizedModule(self, make)

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr; layers override it.

        >>> import rushlight as torch
        >>> class Scale(torch.nn.Module):
        ...     def extra_repr(self):
        ...         return "by 2"
        >>> Scale()
        Scale(by 2)
        """
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        children = self._modules.items()
        child_lines = [f"({name}): " + repr(it).replace("\n", "\n  ") for name, it in children]
        lines = extra_lines + child_lines
        if not lines:
            return f"{self._get_name()}()"
        if len(extra_lines) == 1 and not child_lines:
            return f"{self._get_name()}({extra_lines[0]})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"
