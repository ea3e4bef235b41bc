"""Functions that know what they are given: pictures, videos, masks, boxes or points."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ....tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video, wrap
from ...functional import InterpolationMode
from ...functional.kinds import interpolation_mode

BUILT_IN = (Image, Video, Mask, BoundingBoxes, KeyPoints)
# what each function does to each class of tensors; for all others the function's own body is run
KERNELS: dict[Callable[..., Any], dict[type, Callable[..., Any]]] = {}


def is_pure_tensor(inpt: Any) -> bool:
    """Whether something is a tensor that does not say what it is.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> x = torch.zeros(3, 4, 5)
    >>> F.is_pure_tensor(x), F.is_pure_tensor(torch.vision.tv_tensors.Image(x))
    (True, False)
    """
    return isinstance(inpt, rl.Tensor) and not isinstance(inpt, TVTensor)


def plain(inpt: Any) -> Any:
    """The numbers alone."""
    return inpt.as_subclass(rl.Tensor)


def _on_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that works on plain tensors, for those of a class; its results are of the class."""

    @functools.wraps(function)
    def kernel(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        found = function(plain(inpt), *args, **kwargs)
        if isinstance(found, tuple):
            return tuple(wrap(one, like=inpt) for one in found)
        return wrap(found, like=inpt) if isinstance(found, rl.Tensor) else found

    return kernel


def on_mask(function: Callable[..., Any], exact: bool = False) -> Callable[..., Any]:
    """What a function of pictures does to masks: without mixing classes, one mask or many.

    exact: whether NEAREST_EXACT is heeded.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def kernel(mask: Any, *args: Any, **kwargs: Any) -> Any:
        call = signature.bind(plain(mask), *args, **kwargs)
        name, given = next(iter(call.arguments)), call.arguments
        if "interpolation" in signature.parameters:
            mode = chosen(given.get("interpolation", InterpolationMode.NEAREST))
            kept = exact and mode is InterpolationMode.NEAREST_EXACT
            given["interpolation"] = mode if kept else InterpolationMode.NEAREST
        given[name] = given[name].unsqueeze(0) if mask.ndim < 3 else given[name]
        found = function(*call.args, **call.kwargs)
        return wrap(found.squeeze(0) if mask.ndim < 3 else found, like=mask)

    return kernel


def by_kind(
    *,
    mask: bool | Callable[..., Any] = False,
    boxes: Callable[..., Any] | None = None,
    points: Callable[..., Any] | None = None,
    kinds: tuple[type, ...] = (Image, Video),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn a function of pictures into one that other tensors find their own way through.

    mask: whether masks go the pictures' way, or their own; boxes, points: functions of such
    tensors; kinds: the classes that go the pictures' way. Others are refused with a TypeError.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        table: dict[type, Callable[..., Any]] = dict.fromkeys(kinds, _on_numbers(function))
        for kind, kernel in ((BoundingBoxes, boxes), (KeyPoints, points)):
            if kernel is not None:
                table[kind] = kernel
        if mask:
            table[Mask] = mask if callable(mask) else on_mask(function)

        @functools.wraps(function)
        def dispatched(inpt: Any, *args: Any, **kwargs: Any) -> Any:
            return kernel_of(dispatched, type(inpt))(inpt, *args, **kwargs)

        KERNELS[dispatched] = table
        return dispatched

    return decorate


def _untouched(inpt: Any, *args: Any, **kwargs: Any) -> Any:
    return inpt


def kernel_of(
    functional: Callable[..., Any], kind: type, pass_others: bool = False
) -> Callable[..., Any]:
    """What a function does to objects of a class; for `pass_others`, nothing to those unknown.

    Raises: TypeError for a class of tensors that the function is not for.
    """
    table = KERNELS.get(functional, {})
    for ancestor in kind.__mro__:
        if ancestor in table:
            return table[ancestor]
        if ancestor is TVTensor:
            if pass_others:
                return _untouched
            name = functional.__name__
            raise TypeError(
                f"Functional F.{name} supports inputs of type {table.keys()}, but got {kind} "
                "instead."
            )
    return getattr(functional, "__wrapped__", functional)


def register_kernel(
    functional: Callable[..., Any] | str, tv_tensor_cls: type
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say what a function of `v2.functional` does to tensors of a class of one's own.

    Raises: ValueError for other functions and classes, and for a class that has a kernel.

    >>> import rushlight as torch
    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> class Heat(tv_tensors.TVTensor):
    ...     pass
    >>> @F.register_kernel(F.horizontal_flip, Heat)
    ... def mirrored(heat):
    ...     return heat.flip(-1)
    >>> F.horizontal_flip(torch.tensor([1.0, 2.0]).as_subclass(Heat)).tolist()
    [2.0, 1.0]
    """
    if isinstance(functional, str):
        known = {one.__name__: one for one in KERNELS}
        if functional not in known:
            raise ValueError(
                f"Could not find functional with name '{functional}' in "
                "torchvision.transforms.v2.functional."
            )
        functional = known[functional]
    if functional not in KERNELS:
        raise ValueError(
            "Kernels can only be registered on functionals from the "
            f"torchvision.transforms.v2.functional namespace, but got {functional}."
        )
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, TVTensor)):
        raise ValueError(
            "Kernels can only be registered for subclasses of torchvision.tv_tensors.TVTensor, "
            f"but got {tv_tensor_cls}."
        )
    if tv_tensor_cls in BUILT_IN:
        raise ValueError(
            "Kernels cannot be registered for the builtin tv_tensor classes, but got "
            f"{tv_tensor_cls}"
        )
    if tv_tensor_cls in KERNELS[functional]:
        raise ValueError(
            f"Functional {functional} already has a kernel registered for type {tv_tensor_cls}."
        )

    def decorate(kernel: Callable[..., Any]) -> Callable[..., Any]:
        KERNELS[functional][tv_tensor_cls] = kernel
        return kernel

    return decorate


def chosen(interpolation: InterpolationMode | int | str) -> InterpolationMode:
    """A mode of interpolation, by itself, its name or Pillow's number.

    Raises: ValueError for another name, TypeError for something else.
    """
    if isinstance(interpolation, str):
        names = [mode.value for mode in InterpolationMode]
        if interpolation not in names:
            raise ValueError(
                f"Invalid interpolation mode: '{interpolation}'. "
                f"Supported string values are: {names}."
            )
        return InterpolationMode(interpolation)
    return interpolation_mode(interpolation)
