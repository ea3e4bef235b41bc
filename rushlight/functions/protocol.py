"""What makes a Tensor a good Python object: numbers, text, copies, NumPy, memory, history."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from ..autograd.graph import node_of
from ..core import dtypes, printing, shapes
from ..core.cuts import note_cut
from ..core.dispatch import node_name, scalar_type_name
from ..core.errors import fail, levels_out
from ..core.inference import InferenceTensor, like
from ..core.overrides import convert, kin, speaks, torch_function
from ..core.shapes import Size, contiguous_strides, dimension
from ..core.state import DEFAULTS, STATE
from ..core.tape import LEAF, hand_out, owner_of, storage_of, version
from ..core.tensor import EAGER_TYPES, Tensor, set_requires_grad, wrap
from ..core.values import Value
from ..ops import structure as s
from ..ops.contract import c_name
from . import copying, typed
from .arguments import misfit
from .assembly import flip
from .examples import described
from .layouts import RANK

__all__ = ["detach"]


def _one(self: Tensor) -> np.ndarray:
    if self._array.size != 1:
        raise fail(
            RuntimeError,
            f"a Tensor with {self._array.size} elements cannot be converted to Scalar",
            f"its shape is {tuple(self._array.shape)}; .tolist() gives all values",
        )
    return self._array.reshape(())


def item(self: Tensor) -> Any:
    """The only element as a Python number."""
    array = self._array
    plain = type(array) is np.ndarray and array.size == 1
    value = array.item() if plain else _one(self).item()
    return value if isinstance(value, float) or array.dtype.kind != "V" else float(value)


def to_bool(self: Tensor) -> bool:
    if self._array.size != 1:
        if self._array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise fail(
            RuntimeError, "Boolean value of Tensor with more than one value is ambiguous",
            "use .any() or .all()",
        )  # fmt: skip
    return bool(self._array.reshape(()))


def _only(self: Tensor) -> np.ndarray:
    if self._array.size != 1:
        raise fail(
            ValueError, "only one element tensors can be converted to Python scalars",
            f"its shape is {tuple(self._array.shape)}; .tolist() gives all values",
        )  # fmt: skip
    return self._array.reshape(())


def to_float(self: Tensor) -> float:
    if self._entry is not None and STATE.grad and not _told:
        _tell_of_detaching()
    return float(_real(_only(self)))


_told: list[bool] = []


def _tell_of_detaching() -> None:
    """torch's warning, once in a process, where a number leaves the graph without a word."""
    _told.append(True)
    warnings.warn(
        "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
        "Consider using tensor.detach() first.",
        stacklevel=levels_out(),
    )


def _real(value: Any) -> Any:
    if value.dtype.kind != "c":
        return value
    if value.imag:
        raise RuntimeError("value cannot be converted to type double without overflow")
    return value.real


def to_int(self: Tensor) -> int:
    return int(_real(_only(self)).item())


def to_complex(self: Tensor) -> complex:
    if self._entry is not None and STATE.grad and not _told:
        _tell_of_detaching()
    return complex(_only(self))


def to_index(self: Tensor) -> int:
    if self._array.dtype.kind not in "iub" or self._array.size != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self._array.reshape(()))


def length(self: Tensor) -> int:
    if self._array.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    return self._array.shape[0]


def iterate(self: Tensor) -> Any:
    if self._array.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(s.unbind(self, 0))


def reverse(self: Tensor) -> Tensor:
    return flip(self, (0,)) if self._array.ndim else self


def delete(self: Tensor, key: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


def contains(self: Tensor, value: Any) -> bool:
    if not isinstance(value, (Tensor, int, float, complex)):
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a"
            f" {type(value)}."
        )
    if isinstance(value, Tensor):
        shapes.broadcast(value._array.shape, self._array.shape)
        value = value._array
    found = self._array == value
    return bool(found.any())


def tolist(self: Tensor) -> Any:
    """The values as nested lists of Python numbers."""
    array = self._array
    if getattr(type(array), "shell", False):
        raise RuntimeError(
            f".tolist() is not supported for tensor subclasses, got {type(self).__name__}"
        )
    return array.astype(np.float64).tolist() if array.dtype.kind == "V" else array.tolist()


def representation(self: Tensor, *, tensor_contents: str | None = None) -> str:
    """torch's text of a tensor."""
    meta = "meta" if self.device.type == "meta" else None
    array = self._array
    if isinstance(array, Value):
        if meta is None and tensor_contents is None:
            return array.describe()
        array = array.core()._array
    entry = self._entry
    name = None
    if entry is not None and entry is not LEAF:
        name = node_name(entry)
    kind = type(self)
    title = kind.__name__ if kind is not Tensor and speaks(kind) else "tensor"
    text = printing.format_tensor(
        array, prefix=f"{title}(", dtype_name=repr(self.dtype),
        default_dtype_name=repr(DEFAULTS.dtype),
        requires_grad=entry is LEAF, grad_fn_name=name, tensor_contents=tensor_contents,
        device=meta,
    )  # fmt: skip
    return f"Parameter({text})" if vars(self).get("_is_param") else text


def formatted(self: Tensor, spec: str) -> str:
    """`f"{x:.3f}"` for 0-d tensors; other shapes take no format."""
    if not self._array.ndim and type(self) in (Tensor, InferenceTensor) and not self.is_meta:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


def _address(self: Tensor) -> int:
    if STATE.tracer is not None:
        STATE.tracer.escape(".data_ptr()")
    nothing = self.device.type == "meta" or getattr(type(self._array), "shell", False)
    blank = nothing or not self._array.size
    return 0 if blank else hand_out(self._array).ctypes.data


def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The values as an array over the same memory.

    Raises RuntimeError for a tensor that requires grad (detach it first, or `force=True`),
    unless nothing is being recorded, as under `no_grad`.
    """
    return hand_out(_values(self, force))


def _values(self: Tensor, force: bool = False) -> np.ndarray:
    """The array, if NumPy may have it."""
    tracked = self._entry is not None and STATE.grad
    if tracked and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self._array.dtype.isbuiltin == 2:
        raise TypeError(f"Got unsupported ScalarType {scalar_type_name(self.dtype)}")
    if tracked:
        note_cut("numpy(force=True)", self._array)
    if self.device.type == "meta":
        raise TypeError(
            "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor"
            " to host memory first."
        )
    if STATE.tracer is not None:
        STATE.tracer.escape(".numpy()")
    if isinstance(self._array, Value):
        if getattr(type(self._array), "shell", False):
            raise RuntimeError(".numpy() is not supported for tensor subclasses.")
        if STATE.transforms:
            raise fail(
                RuntimeError, "Cannot access data pointer of Tensor that doesn't have storage",
                "inside grad, jvp and vmap a tensor stands for more than an array: stay with"
                " torch's own functions there",
            )  # fmt: skip
        return _values(self._array.core(), force=True)
    array = self._array
    # another thread's trace may have put something in its place for now
    return array if type(array) is np.ndarray else np.asarray(array)


def array_protocol(self: Tensor, dtype: Any = None, copy: Any = None) -> np.ndarray:
    array = _values(self)
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        return array.astype(dtype)
    return array.copy() if copy else hand_out(array)


def array_wrap(
    self: Tensor, array: np.ndarray, context: Any = None, return_scalar: bool = False
) -> Tensor:
    """What NumPy's own functions give when called on a tensor."""
    return wrap(hand_out(np.asarray(array)))


def dlpack(self: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None,
           copy: bool | None = None) -> Any:  # fmt: skip
    """A DLPack capsule of the memory."""
    if self._entry is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return hand_out(self._array).__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)


def dlpack_device(self: Tensor) -> tuple[int, int]:
    return (1, 0)


def size(self: Tensor, dim: int | None = None) -> Any:
    """The sizes, or one of them."""
    shape = self._array.shape
    if dim is None:
        return tuple.__new__(Size, shape)
    try:
        return shape[dimension(dim, len(shape))]
    except IndexError as error:
        raise _of_a_number(dim, shape, error) from None


def _of_a_number(dim: Any, shape: tuple[int, ...], error: IndexError) -> IndexError:
    """torch's error for a dimension of what has none."""
    return (
        error if shape else IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    )


def stride(self: Tensor, dim: int | None = None) -> Any:
    """How many elements apart neighbours along each dimension lie."""
    array = self._array
    if array.size == 0 or 1 in array.shape:
        steps = _plain_strides(array)
    else:
        steps = tuple(step // array.itemsize for step in array.strides)
    if dim is None:
        return steps
    try:
        return steps[dimension(dim, len(steps))]
    except IndexError as error:
        raise _of_a_number(dim, steps, error) from None


def _plain_strides(array: np.ndarray) -> tuple[int, ...]:
    """Size-1 and empty dimensions have arbitrary strides in NumPy, in torch the packed ones."""
    if array.flags.c_contiguous:
        return contiguous_strides(array.shape)
    return tuple(step // array.itemsize for step in array.strides)


def storage_offset(self: Tensor) -> int:
    """How many elements into its memory the tensor begins."""
    array = self._array
    storage = storage_of(array) if type(array) is np.ndarray else owner_of(array)
    return (array.ctypes.data - storage.ctypes.data) // array.itemsize


def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie row-major without gaps (or channels-last, if asked)."""
    array, rank = self._array, RANK.get(memory_format)
    if rank is None:
        return array.flags.c_contiguous
    return array.ndim == rank and array.transpose(0, *range(2, rank), 1).flags.c_contiguous


def detach(self: Tensor) -> Tensor:
    """The same memory without history."""
    if self._entry is not None:
        note_cut("detach()", self._array)
    array = self._array
    result = wrap(array.detached() if isinstance(array, Value) else array)
    return result if type(self) in EAGER_TYPES else alike(result, self)


def alike(result: Tensor, source: Tensor) -> Tensor:
    """A result that no op gave, in the kind of its source."""
    if hasattr(type(result._array), "met"):  # of a class whose tensors wrap others
        return result._array.met()
    kind = type(source)
    return convert(result, kind) if speaks(kind) else result


def data(self: Tensor) -> Tensor:
    """The same memory without history, whose writes the tape does not notice."""
    if self._entry is not None:
        note_cut(".data", self._array)
    array = self._array
    result = wrap(array.detached() if isinstance(array, Value) else array)
    result._silent = True
    if hasattr(type(result._array), "met"):
        return alike(result, self)
    return kin(like(result, self), self)


def detach_(self: Tensor) -> Tensor:
    """Cut this tensor from its history."""
    if self._base is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using"
            " DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as"
            " True, gradients are views of DDP buckets, and hence detach_() cannot be called on"
            " these gradients. To fix this error, please refer to the Optimizer.zero_grad()"
            " function in torch/optim/optimizer.py as the solution."
        )
    self._entry = None
    return self


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Switch recording for this leaf, in place."""
    if type(requires_grad) is not bool:
        raise misfit("requires_grad_", "requires_grad", 1, "bool", requires_grad)
    if requires_grad and STATE.transforms:
        raise RuntimeError(
            "You are attempting to call Tensor.requires_grad_() (or perhaps using"
            " torch.autograd.functional.* APIs) inside of a function being transformed by a"
            " functorch transform. This is unsupported, please attempt to use the functorch"
            " transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or call requires_grad_()"
            " outside of a function being transformed instead."
        )
    set_requires_grad(self, requires_grad)
    return self


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    if self._entry is not None and value._array.dtype.kind in "iub":
        raise RuntimeError(
            "data set to a tensor that requires gradients must be floating point or complex dtype"
        )
    if STATE.tracer is not None:
        STATE.tracer.exchange(self, value)
    self._array = value._array


def _get_grad(self: Tensor) -> Any:
    if (
        self._grad is None
        and self._entry is not None
        and self._entry is not LEAF
        and not self._retained
    ):
        warnings.warn(
            "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad"
            " attribute won't be populated during autograd.backward(). If you indeed want the .grad"
            " field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf"
            " Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf"
            " Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more information.",
            UserWarning, stacklevel=2,
        )  # fmt: skip
    if STATE.tracer is not None:
        STATE.tracer.saw_grad(self)
    return self._grad


def _set_grad(self: Tensor, value: Any) -> None:
    if value is not None:
        if not isinstance(value, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type"
                            f" {type(value).__name__}")  # fmt: skip
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value._array.shape != self._array.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size"
                f" '{list(self.shape)}'. Please ensure that the gradient and the tensor are the"
                " same size"
            )
        if (kind := _kept_type(self)) not in (None, value.dtype):
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{c_name(value._array)}' to a"
                f" tensor with grad_dtype '{scalar_type_name(kind)}'. The gradient must match"
                " the tensor's grad_dtype (defaults to the tensor's dtype). You can set the"
                " tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype."
                " Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient"
                " may break downstream systems that assume they match."
            )
    if STATE.tracer is not None:
        STATE.tracer.cleared_grad(self)
    self._grad = value


def _kept_type(self: Tensor) -> Any:
    return self.__dict__.get("_gradient_type", self.dtype)  # set as `grad_dtype`


def _del_grad(self: Tensor) -> None:
    self._grad = None


def _get_version(self: Tensor) -> int:
    return 0 if self._silent else version(self._array)


def get_grad_fn(self: Tensor) -> Any:
    """The node of the operation that made it, or None for a leaf."""
    if self._entry is None or self._entry is LEAF:
        return None
    return node_of(self._entry)


def array_namespace(self: Tensor, *, api_version: str | None = None) -> Any:
    """The array API standard's namespace, `rushlight.array_api`, loaded on first use."""
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        raise ValueError(f"version {api_version!r} of the array API standard is not supported")
    return sys.modules["rushlight"].array_api


def to_device(self: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """The array API standard's way to move; itself on the CPU."""
    dtypes.require_cpu(device)
    return self


def install() -> None:
    """Attach the protocol to Tensor."""
    table = {
        "item": item, "tolist": tolist, "numpy": numpy, "size": size, "stride": stride,
        "storage_offset": storage_offset, "is_contiguous": is_contiguous, "detach": detach,
        "detach_": detach_, "requires_grad_": requires_grad_, "__bool__": to_bool,
        "__float__": to_float, "__int__": to_int, "__complex__": to_complex, "__index__": to_index,
        "__len__": length, "__iter__": iterate, "__contains__": contains,
        "__repr__": representation, "__format__": formatted, "__array__": array_protocol,
        "__array_wrap__": array_wrap, "__dlpack__": dlpack, "__dlpack_device__": dlpack_device,
        "__deepcopy__": copying.deepcopy, "__copy__": copying.shallow_copy,
        "__reduce_ex__": copying.reduce_for_pickle, "__reversed__": reverse, "__delitem__": delete,
        "__torch_function__": classmethod(torch_function),
        "__array_namespace__": array_namespace, "to_device": to_device,
        "dim": lambda self: self._array.ndim, "ndimension": lambda self: self._array.ndim,
        "numel": lambda self: self._array.size, "nelement": lambda self: self._array.size,
        "data_ptr": _address,
        "element_size": lambda self: self._array.itemsize,
        "data": property(data, _set_data), "grad": property(_get_grad, _set_grad, _del_grad),
        "grad_fn": property(get_grad_fn), "_version": property(_get_version),
        "__new__": typed.construct, "is_inference": lambda self: False,
        "_is_view": lambda self: self._base is not None,
    }  # fmt: skip
    for name, value in described(table).items():
        setattr(Tensor, name, value)


install()
