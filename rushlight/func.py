"""`torch.func`: functions that turn functions into their derivatives and their batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .autograd.jacobians import hessian, jacfwd, jacrev
from .autograd.levels import unwrapped
from .autograd.transforms import grad, grad_and_value, jvp, linearize, vjp
from .autograd.vmap import vmap
from .core.errors import fail
from .core.tensor import Tensor, set_requires_grad, wrap
from .functions.rearranging import rearrange
from .nn import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .nn.utils.stateless import functional_call
from .ops.structure import stack

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian",
    "jacfwd", "jacrev", "jvp", "linearize", "rearrange", "replace_all_batch_norm_modules_",
    "stack_module_state", "vjp", "vmap",
]  # fmt: skip


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of equal modules, stacked along a new first dimension.

    Raises RuntimeError for no models, and for models of different classes or modes.
    Source: https://pytorch.org/docs/stable/generated/torch.func.stack_module_state.html

    >>> import rushlight as torch
    >>> params, _ = torch.func.stack_module_state([torch.nn.Linear(2, 3) for _ in range(4)])
    >>> params["weight"].shape
    torch.Size([4, 3, 2])
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not all(one.training == models[0].training for one in models):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if not all(type(one) is type(models[0]) for one in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = [dict(one.named_parameters()) for one in models]
    buffers = [dict(one.named_buffers()) for one in models]
    return (
        {name: _stacked([one[name] for one in params]) for name in params[0]},
        {name: _stacked([one[name] for one in buffers]) for name in buffers[0]},
    )


def _stacked(tensors: list[Tensor]) -> Tensor:
    wanted = {x.requires_grad for x in tensors}
    if len(wanted) > 1:
        raise fail(
            RuntimeError,
            "Expected parameters from each model to have the same .requires_grad",
            "freeze the same parameters in every model",
        )
    result = stack(tuple(wrap(x._array) for x in tensors), 0)
    if wanted == {True}:
        set_requires_grad(result, True)
    return result


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """`func`, whose in-place writes leave its arguments alone: it runs on copies of them.

    Source: https://pytorch.org/docs/stable/generated/torch.func.functionalize.html

    >>> import rushlight as torch
    >>> x = torch.ones(2)
    >>> torch.func.functionalize(lambda x: x.add(1).mul_(2))(x)
    tensor([4., 4.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): Valid options for"
            " the remove argument are: ['mutations', 'mutations_and_views']"
        )
    return func


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let every batch norm in a module work without running statistics; the module itself.

    Source: https://pytorch.org/docs/stable/func.batch_norm.html

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.BatchNorm1d(3))
    >>> torch.func.replace_all_batch_norm_modules_(net)[0].running_mean is None
    True
    """
    for module in root.modules():
        if isinstance(module, (BatchNorm1d, BatchNorm2d, BatchNorm3d)):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """The tensor inside a transform's tensor (for print-outs): of one level, or of all.

    >>> import rushlight as torch
    >>> seen = []
    >>> _ = torch.vmap(lambda x: (seen.append(torch.func.debug_unwrap(x)), x)[1])(torch.ones(3))
    >>> seen[0].shape
    torch.Size([3])
    """
    found = unwrapped(tensor)
    while recurse and found is not tensor:
        tensor, found = found, unwrapped(found)
    return found
