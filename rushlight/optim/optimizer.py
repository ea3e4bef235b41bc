"""The base class of all optimisers: parameter groups, state dictionaries, hooks."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import rushlight as rl

from ..core.errors import fail
from ..core.handles import RemovableHandle, attached
from ..core.names import looks_at
from ..core.state import STATE
from .hooks import Hooks, resolve_arguments

_global_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_post_hooks: OrderedDict[int, Callable] = OrderedDict()


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required: Any = _Required()
ParamsT = _params_t = (
    Iterable[rl.Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, rl.Tensor]]
)


def _use_grad_for_differentiable(step: Callable) -> Callable:
    """Let a `step` record gradients only where `differentiable` asks for it."""

    @functools.wraps(step)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with rl.set_grad_enabled(args[0].defaults["differentiable"]):
            return step(*args, **kwargs)

    return wrapper


def _default_to_fused_or_foreach(
    params: list[Any], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """(fused, foreach) where nobody has chosen: neither, on a CPU."""
    return False, False


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """The devices on which torch takes `capturable=True`."""
    return ["cuda", "xpu", "hpu", *(["xla"] if supports_xla else [])]


def type_name(value: object) -> str:
    """torch's name for a value's type: `torch.FloatTensor`, `int`, `package.module.Class`."""
    if isinstance(value, rl.Tensor):
        return value.type()
    kind = type(value)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", None) else f"{module}.{kind.__qualname__}"


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every step of every optimiser; its handle.

    Args: hook, which returns None or the arguments and keywords for the step.
    Returns: a handle, whose `remove()` takes the hook away.
    Source: https://pytorch.org/docs/stable/generated/torch.optim.Optimizer.register_step_pre_hook.html

    >>> import rushlight as torch
    >>> from rushlight.optim.optimizer import register_optimizer_step_pre_hook
    >>> handle = register_optimizer_step_pre_hook(lambda opt, args, kwargs: print("a step"))
    >>> torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))]).step()
    a step
    >>> handle.remove()
    """
    return attached(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every step of every optimiser; its handle.

    Args: hook, which returns None. Returns: a handle, whose `remove()` takes the hook away.
    Source: https://pytorch.org/docs/stable/generated/torch.optim.Optimizer.register_step_post_hook.html

    >>> import rushlight as torch
    >>> from rushlight.optim.optimizer import register_optimizer_step_post_hook
    >>> handle = register_optimizer_step_post_hook(lambda opt, args, kwargs: print("done"))
    >>> torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))]).step()
    done
    >>> handle.remove()
    """
    return attached(_global_post_hooks, hook)


def _looks_into(optimizer: Any) -> None:
    """Tell the trace of a compiled call, if one runs, that the settings of groups count for it."""
    if STATE.tracer is not None:
        STATE.tracer.looks_into(getattr(optimizer, "param_groups", ()))


def _hooked(step: Callable) -> Callable:
    """Surround a class's `step` with the global and the instance's hooks."""
    if getattr(step, "hooked", False):
        return step

    @functools.wraps(step)
    def wrapper(self, *args, **kwargs):
        _looks_into(self)
        before = getattr(self, "_optimizer_step_pre_hooks", None)
        if before is None:  # one that wraps another and never was initialised itself
            return step(self, *args, **kwargs)
        after = self._optimizer_step_post_hooks
        if not (before or after or _global_pre_hooks or _global_post_hooks):
            return step(self, *args, **kwargs)
        if self.__dict__.get("_in_step"):  # super().step() of a subclass: hooks ran already
            return step(self, *args, **kwargs)
        self._in_step = True
        try:
            args = (self, *args)  # hooks see the call as that of a plain function
            for hook in chain(_global_pre_hooks.values(), before.values()):
                args, kwargs = resolve_arguments(step, hook(self, args, kwargs), args, kwargs)
            result = step(*args, **kwargs)
            for hook in chain(after.values(), _global_post_hooks.values()):
                hook(self, args, kwargs)
            return result
        finally:
            del self._in_step

    wrapper.hooked = True  # type: ignore[attr-defined]  # asked for above
    return wrapper


class Optimizer(Hooks):
    """Base class of all optimisers.

    Arguments: `params`, an iterable of tensors, of (name, tensor) pairs, or of dictionaries that
    each describe a parameter group; `defaults`, the options of groups that do not set them.
    Raises TypeError for a lone tensor or a non-tensor, ValueError for an empty list, a non-leaf
    tensor, or a parameter given twice.
    Source: https://docs.pytorch.org/docs/stable/optim.html

    >>> import rushlight as torch
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.SGD([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight.tolist()
    [0.5, 0.5]
    """

    defaults: dict[str, Any]
    state: defaultdict[Any, Any]
    param_groups: list[dict[str, Any]]
    _keeps_rates = True  # for compiled calls: what its groups hold counts where it is used

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])

    def __init__(self, params: Iterable, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._add_hook_tables()
        if isinstance(params, rl.Tensor):
            raise fail(
                TypeError,
                "params argument given to the optimizer should be "
                f"an iterable of Tensors or dicts, but got {type_name(params)}",
                "put a single tensor in a list: [tensor]",
            )
        if callable(params) and not isinstance(params, Iterable):
            raise fail(
                TypeError,
                f"'{type(params).__name__}' object is not iterable",
                "an optimizer takes the parameters of a model: model.parameters(), with brackets",
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise fail(
                ValueError,
                "optimizer got an empty parameter list",
                "model.parameters() can be walked once, and layers kept in a plain list are not "
                "registered: use nn.ModuleList",
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        _looks_into(self)
        return {name: getattr(self, name) for name in ("defaults", "state", "param_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._add_hook_tables()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        _looks_into(self)
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(("\n" if index else "") + f"Parameter Group {index}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once; `closure` evaluates the model again and returns the loss.

        >>> import rushlight as torch
        >>> w = torch.ones(2, requires_grad=True)
        >>> (w * w).sum().backward()
        >>> torch.optim.SGD([w], lr=0.1).step()
        >>> w.data
        tensor([0.8000, 0.8000])
        """
        raise NotImplementedError

    @looks_at("param_groups")
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (None), or fill them with zeros when `set_to_none` is False.

        >>> import rushlight as torch
        >>> w = torch.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> torch.optim.SGD([w], lr=0.1).zero_grad()
        >>> w.grad is None
        True
        """
        if set_to_none:
            for group in self.param_groups:
                for param in group["params"]:
                    param.grad = None
            return
        for group in self.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    if grad.grad_fn is not None:
                        grad.detach_()
                    else:
                        grad.requires_grad_(False)
                    grad.zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add one more group, for example layers that were frozen until now.

        `param_group` is a dictionary of `params` and the options that differ from the defaults.
        Raises TypeError for what is none, ValueError for a parameter that another group has.

        >>> import rushlight as torch
        >>> a, b = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
        >>> optimizer = torch.optim.SGD([a], lr=0.1)
        >>> optimizer.add_param_group({"params": [b], "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        self._unpack_names(param_group)
        for param in param_group["params"]:
            self._check_param(param)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization "
                    f"parameter {name}"
                )
            param_group.setdefault(name, default)
        self._check_duplicates(param_group)
        self.param_groups.append(param_group)

    @staticmethod
    def _unpack_names(param_group: dict[str, Any]) -> None:
        """Turn `params` into a list of tensors, and names given with them into `param_names`."""
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but "
                "the ordering of tensors in sets will change between runs. "
                "Please use a list instead."
            )
        entries = [params] if isinstance(params, rl.Tensor) else list(params)
        names = [entry[0] for entry in entries if isinstance(entry, tuple)]
        if names and len(names) != len(entries):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        param_group["params"] = [entry[1] for entry in entries] if names else entries
        if names:
            param_group["param_names"] = names

    def _check_param(self, param: Any) -> None:
        if not isinstance(param, rl.Tensor):
            raise fail(
                TypeError,
                f"optimizer can only optimize Tensors, but one of the params is {type_name(param)}",
                "pass model.parameters()",
            )
        if not self.defaults.get("differentiable") and not (param.is_leaf or param.retains_grad):
            raise fail(
                ValueError,
                "can't optimize a non-leaf Tensor",
                "it is the result of an operation: wrap its data in nn.Parameter, or call "
                "detach().requires_grad_()",
            )

    def _check_duplicates(self, param_group: dict[str, Any]) -> None:
        ids = {id(param) for param in param_group["params"]}
        if len(ids) != len(param_group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=4,
            )
        named = "param_names" in param_group
        for group in self.param_groups:
            if named != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with' if named else 'without'} names to the optimizer"
                )
        if any(id(p) in ids for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    def state_dict(self) -> dict[str, Any]:
        """The state as plain data: `state` by parameter number, `param_groups` with the numbers.

        The tensors inside are the optimiser's own: copy them to keep a snapshot.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.1)
        >>> state = optimizer.state_dict()
        >>> state["state"], state["param_groups"][0]["params"], state["param_groups"][0]["lr"]
        ({}, [0], 0.1)
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        packed_groups = []
        start = 0
        for group in self.param_groups:
            for number, param in enumerate(group["params"], start):
                numbers.setdefault(id(param), number)
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            start += len(group["params"])
            packed_groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, rl.Tensor) else key: value
            for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": packed_groups}
        for post_hook in self._optimizer_state_dict_post_hooks.values():
            replaced = post_hook(self, result)
            if replaced is not None:
                result = replaced
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state that `state_dict` returned.

        Parameters are matched by position.

        Raises: ValueError where the groups differ in number or size.

        >>> import rushlight as torch
        >>> w = torch.ones(2, requires_grad=True)
        >>> optimizer = torch.optim.SGD([w], lr=0.1)
        >>> optimizer.load_state_dict(torch.optim.SGD([w], lr=0.5).state_dict())
        >>> optimizer.param_groups[0]["lr"]
        0.5
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = hook(self, state_dict)
            if replaced is not None:
                state_dict = replaced
        groups = self.param_groups
        saved = deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise fail(
                ValueError,
                "loaded state dict has a different number of parameter groups",
                f"saved {len(saved)}, here {len(groups)}",
            )
        for index, (group, new) in enumerate(zip(groups, saved)):
            if len(group["params"]) != len(new["params"]):
                raise fail(
                    ValueError,
                    "loaded state dict contains a parameter group "
                    "that doesn't match the size of optimizer's group",
                    f"group {index}: saved {len(new['params'])} parameters, "
                    f"here {len(group['params'])}",
                )
        state = self._match_state(state_dict["state"], saved)
        for group, new in zip(groups, saved):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _match_state(self, saved_state: dict, saved_groups: list[dict]) -> defaultdict:
        """Key the saved state by our parameters, tensors cast to the parameter's dtype."""
        owner = {
            number: (param, new)
            for group, new in zip(self.param_groups, saved_groups)
            for number, param in zip(new["params"], group["params"])
        }
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in saved_state.items():
            if key in owner:
                param, group = owner[key]
                state[param] = _cast(value, param, group, None)
            else:
                state[key] = value
        return state


class Grouped(Optimizer):
    """Optimisers whose step takes one group after the other, and there one parameter."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        `closure` evaluates the model again; its loss is returned, or None without one.

        >>> import rushlight as torch
        >>> w = torch.ones(2, requires_grad=True)
        >>> optimizer = torch.optim.SGD([w], lr=0.1)
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (w * w).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item(), w.data
        (2.0, tensor([0.8000, 0.8000]))
        """
        loss = None
        if closure is not None:
            with rl.enable_grad():
                loss = closure()
        for index, group in enumerate(self.param_groups):
            self._step_group(index, group)
        return loss

    def _step_group(self, index: int, group: dict[str, Any]) -> None:
        with rl.no_grad():
            for param in group["params"]:
                if param.grad is not None:
                    self._step_param(param, group)

    def _step_param(self, param: Any, group: dict[str, Any]) -> None:
        """The update of one parameter; optimisers that take whole groups have none."""
        raise NotImplementedError(type(self).__name__)


def _cast(value: Any, param: Any, group: dict[str, Any], key: object) -> Any:
    """A saved value made fit for `param`; step counters keep their own dtype."""
    if isinstance(value, rl.Tensor):
        if key == "step":
            exact = not (group.get("capturable") or group.get("fused"))
            return value if exact else value.to(rl.float32)
        return value.to(param.dtype) if param.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _cast(item, param, group, name) for name, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        kind: Any = type(value)
        return kind(_cast(item, param, group, None) for item in value)
    return value
