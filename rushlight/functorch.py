"""functorch, the package from which `torch.func` came: its transforms, and modules as functions.

Each of its names warns once that torch has it elsewhere now, as torch's do.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from . import func, version
from .core.names import explain_missing as _explain_missing
from .func import functional_call, stack_module_state

__all__ = [
    "FunctionalModule", "FunctionalModuleWithBuffers", "combine_state_for_ensemble",
    "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "make_functional", "make_functional_with_buffers", "vjp", "vmap",
]  # fmt: skip
__version__ = version.__version__
_explain_missing(__name__)


def _moved(name: str, home: str) -> None:
    warnings.warn(
        "We've integrated functorch into PyTorch. As the final step of the integration,"
        f" `functorch.{name}` is deprecated as of PyTorch 2.0 and will be deleted in a future"
        f" version of PyTorch >= 2.3. Please use `{home}` instead; see the PyTorch 2.0 release"
        " notes and/or the `torch.func` migration guide for more details"
        " https://pytorch.org/docs/main/func.migrating.html",
        FutureWarning,
        stacklevel=3,
    )


def _transform(name: str) -> Callable[..., Any]:
    function = getattr(func, name)

    @functools.wraps(function)
    def moved(*args: Any, **kwargs: Any) -> Any:
        _moved(name, "torch.vmap" if name == "vmap" else f"torch.func.{name}")
        return function(*args, **kwargs)

    return moved


vmap, grad, grad_and_value = map(_transform, ("vmap", "grad", "grad_and_value"))
vjp, jvp, functionalize = map(_transform, ("vjp", "jvp", "functionalize"))
hessian, jacfwd, jacrev = map(_transform, ("hessian", "jacfwd", "jacrev"))


def _state(model: Any, track: bool) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Copies of the parameters and buffers, and the module without values that takes them."""
    model = copy.deepcopy(model)
    params, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    if not track:
        for one in params.values():
            one.requires_grad_(False)
    return params, buffers, copy.deepcopy(model).to("meta")


class FunctionalModule(rl.nn.Module):
    """A module as a function of its parameters: `function(parameters, *inputs)`."""

    def __init__(self, stateless_model: Any, param_names: Sequence[str]) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names = tuple(param_names)

    def forward(self, params: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        named = dict(zip(self.param_names, params, strict=True))
        return functional_call(self.stateless_model, named, args, kwargs)


class FunctionalModuleWithBuffers(rl.nn.Module):
    """A module as a function of its state: `function(parameters, buffers, *inputs)`."""

    def __init__(
        self, stateless_model: Any, param_names: Sequence[str], buffer_names: Sequence[str]
    ) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names, self.buffer_names = tuple(param_names), tuple(buffer_names)

    def forward(
        self, params: Sequence[Any], buffers: Sequence[Any], *args: Any, **kwargs: Any
    ) -> Any:
        named = dict(zip(self.param_names, params, strict=True))
        named |= zip(self.buffer_names, buffers, strict=True)
        return functional_call(self.stateless_model, named, args, kwargs)


def make_functional(model: Any, disable_autograd_tracking: bool = False) -> Any:
    """A module as a function of its parameters, and copies of these.

    Raises: ValueError for a module with buffers.

    >>> with warnings.catch_warnings(action="ignore"):
    ...     function, params = make_functional(rl.nn.Linear(2, 1))
    >>> torch_func_grad = func.grad(lambda params, x: function(params, x).sum())
    >>> torch_func_grad(params, rl.ones(3, 2))
    (tensor([[3., 3.]]), tensor([3.]))
    """
    _moved("make_functional", "torch.func.functional_call")
    params, buffers, stateless = _state(model, not disable_autograd_tracking)
    if buffers:
        raise ValueError(
            "make_functional(model): `model` has buffers. Please use"
            " make_functional_with_buffers(model) instead."
        )
    return FunctionalModule(stateless, list(params)), tuple(params.values())


def make_functional_with_buffers(model: Any, disable_autograd_tracking: bool = False) -> Any:
    """A module as a function of its parameters and buffers, and copies of both."""
    _moved("make_functional_with_buffers", "torch.func.functional_call")
    params, buffers, stateless = _state(model, not disable_autograd_tracking)
    function = FunctionalModuleWithBuffers(stateless, list(params), list(buffers))
    return function, tuple(params.values()), tuple(buffers.values())


def combine_state_for_ensemble(models: Sequence[Any]) -> Any:
    """Equal modules as one function of their stacked parameters and buffers, and these.

    Raises: RuntimeError for no models, and for models of different classes or modes.
    """
    _moved("combine_state_for_ensemble", "torch.func.stack_module_state")
    try:
        params, buffers = stack_module_state(models)
    except RuntimeError as error:
        error.args = (str(error).replace("stack_module_state", "combine_state_for_ensemble"),)
        raise
    stateless = _state(models[0], True)[2]
    function = FunctionalModuleWithBuffers(stateless, list(params), list(buffers))
    return (
        function,
        tuple(one.detach() for one in params.values()),
        tuple(one.detach() for one in buffers.values()),
    )
