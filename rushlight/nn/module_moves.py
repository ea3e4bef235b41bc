"""Changing the dtype or device of a module's tensors in place: `to`, `float`, `half`, `type`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .. import __future__ as _future
from ..core.errors import fail


class MoveMixin:
    """The part of Module that replaces the data of all its tensors."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    children: Callable

    def _apply(self, fn: Callable, recurse: bool = True) -> Any:
        """Replace the data of each parameter, gradient and buffer by `fn` of it.

        The Parameter objects stay, so an optimiser that holds them sees the new data.
        """
        if recurse:
            for module in self.children():
                module._apply(fn)
        with rl.no_grad():
            for name, param in self._parameters.items():
                if param is not None:
                    self._parameters[name] = self._converted(name, param, fn)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def _converted(self, name: str, param: Any, fn: Callable) -> Any:
        """The Parameter with `fn` of its data: the same object, unless torch.__future__ says so."""
        moved = fn(param)
        if moved is not param:
            _check_still_differentiable(param, moved)
        swap = _future.get_swap_module_params_on_conversion()
        if _future.get_overwrite_module_params_on_conversion() and not swap:
            made = rl.nn.Parameter(moved, param.requires_grad)
            made.grad = None if param.grad is None else fn(param.grad)
            return made
        grad = param.grad
        if swap and moved is not param:
            moved = rl.nn.Parameter(moved, param.requires_grad)
            moved.__dict__.update(vars(param))
            try:
                rl.utils.swap_tensors(param, moved)
            except RuntimeError as error:
                where = f"{type(self).__name__}.{name}"
                raise RuntimeError(f"_apply(): Couldn't swap {where}") from error
        elif moved is not param:
            param.data = moved
        if grad is not None:
            grad.data = fn(grad)
        return param

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move parameters and buffers: to(device), to(dtype), to(device, dtype), to(tensor).

        Only floating point and complex tensors change dtype. Returns self.

        >>> import rushlight as torch
        >>> torch.nn.Linear(2, 1).to(torch.float64).weight.dtype
        torch.float64
        """
        device, dtype, non_blocking = parse_to(args, kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                    f"dtype={dtype}"
                )
            if dtype.is_complex:
                warnings.warn(
                    "Complex modules are a new feature under active development whose design may "
                    "change, and some modules might not work as expected when using complex "
                    "tensors as parameters or buffers. Please file an issue at "
                    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a "
                    "complex module does not work as expected.",
                    stacklevel=2,
                )

        def move(tensor: Any) -> Any:
            fits = tensor.is_floating_point() or tensor.is_complex()
            if tensor.is_meta and device is not None and device.type != "meta":
                raise fail(
                    NotImplementedError,
                    "Cannot copy out of meta tensor; no data! Please use"
                    " torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module"
                    " from meta to a different device.",
                )
            moved = tensor.to(device, dtype if fits else None, non_blocking)
            wanted = kwargs.get("memory_format")
            laid = wanted is not None and tensor.dim() in (4, 5)
            return moved.to(memory_format=wanted) if laid else moved

        return self._apply(move)

    def _cast(self, dtype: Any) -> Any:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self) -> Any:
        """Cast floating point parameters and buffers to float32; returns self.

        >>> import rushlight as torch
        >>> torch.nn.Linear(2, 3, dtype=torch.float64).float().weight.dtype
        torch.float32
        """
        return self._cast(rl.float32)

    def double(self) -> Any:
        """Cast floating point parameters and buffers to float64; returns self.

        >>> import rushlight as torch
        >>> torch.nn.Linear(2, 3).double().weight.dtype
        torch.float64
        """
        return self._cast(rl.float64)

    def half(self) -> Any:
        """Cast floating point parameters and buffers to float16; returns self.

        >>> import rushlight as torch
        >>> torch.nn.Linear(2, 3).half().weight.dtype
        torch.float16
        """
        return self._cast(rl.float16)

    def bfloat16(self) -> Any:
        """Cast floating point parameters and buffers to bfloat16; returns self.

        >>> import rushlight as torch
        >>> torch.nn.Linear(2, 3).bfloat16().weight.dtype
        torch.bfloat16
        """
        return self._cast(rl.bfloat16)

    def type(self, dst_type: Any) -> Any:
        """Cast every parameter and buffer to `dst_type`; returns self.

        >>> import rushlight as torch
        >>> torch.nn.Linear(2, 3).type(torch.float64).weight.dtype
        torch.float64
        """
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self) -> Any:
        """Move to the CPU; returns self.

        >>> import rushlight as torch
        >>> next(torch.nn.Linear(2, 3).cpu().parameters()).device
        device(type='cpu')
        """
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Any:
        """Raise torch's error of a build without CUDA, unless there is nothing to move."""
        return self._apply(lambda t: t.cuda(device))

    def xpu(self, device: Any = None) -> Any:
        """Raise torch's error of a build without XPU, unless there is nothing to move."""
        return self._apply(lambda t: _absent("XPU"))

    ipu = mtia = xpu

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Replace every tensor by an uninitialised one on `device`; returns self.

        >>> import rushlight as torch
        >>> with torch.device("meta"):
        ...     net = torch.nn.Linear(2, 3)
        >>> net.to_empty(device="cpu").weight.shape
        torch.Size([3, 2])
        """
        return self._apply(lambda t: rl.empty_like(t, device=device), recurse=recurse)

    def share_memory(self) -> Any:
        """Move the tensors to shared memory, where other processes can write them too."""
        return self._apply(lambda t: t.share_memory_())


def _check_still_differentiable(param: Any, moved: Any) -> None:
    if param.requires_grad and not (moved.is_floating_point() or moved.is_complex()):
        raise RuntimeError(
            "data set to a tensor that requires gradients must be floating point or complex dtype"
        )


def _absent(backend: str) -> Any:
    raise AssertionError(f"Torch not compiled with {backend} enabled")


def parse_to(args: tuple, kwargs: dict) -> tuple[Any, Any, bool]:
    """(device, dtype, non_blocking) of a call of `to`."""
    known = {"device", "dtype", "non_blocking", "copy", "memory_format", "tensor"}
    values = list(args)
    found = {key: kwargs[key] for key in kwargs}
    if set(found) - known:
        raise _no_match(args, kwargs)
    first = values[0] if values else None
    if isinstance(first, rl.Tensor):
        found["tensor"] = values.pop(0)
    elif isinstance(first, rl.dtype):
        found["dtype"] = values.pop(0)
    elif values:
        found["device"] = values.pop(0)
        if values:
            found["dtype"] = values.pop(0)
    if not isinstance(found.get("dtype"), (rl.dtype, type(None))):
        raise _no_match(args, kwargs)
    if len(values) > 2 or not all(isinstance(value, bool) for value in values):
        raise _no_match(args, kwargs)
    if values:
        found["non_blocking"] = values[0]
    source = found.get("tensor")
    if source is not None:
        found.update(device=source.device, dtype=source.dtype)
    device = found.get("device")
    if device is not None and not isinstance(device, (str, int, rl.device)):
        raise _no_match(args, kwargs)
    device = None if device is None else rl.device(device)
    return device, found.get("dtype"), bool(found.get("non_blocking", False))


def _no_match(args: tuple, kwargs: dict) -> BaseException:
    from ..core.misuse import kind_name  # only errors want it

    got = ", ".join(map(kind_name, args))
    if kwargs:  # torch leaves a comma where no argument stands before those with names
        named = ", ".join(f"{key}={kind_name(value)}" for key, value in kwargs.items())
        got = f"{got}, {named}" if args else f"{named}, "
    tail = "bool non_blocking = False, bool copy = False, *, "
    tail += "torch.memory_format memory_format = None"
    return fail(
        TypeError,
        f"to() received an invalid combination of arguments - got ({got}), but expected "
        f"one of:\n * (torch.device device = None, torch.dtype dtype = None, {tail})\n"
        f" * (torch.dtype dtype, {tail})\n * (Tensor tensor, {tail})\n",
    )
