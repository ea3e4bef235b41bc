"""Lists of tensors by kind, as optimisers written for torch ask for them."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.dtypes import device, dtype
from ..core.names import explain_missing as _explain_missing
from ..core.tensor import Tensor

Grouped = dict[tuple[device, dtype], tuple[list[list[Tensor | None]], list[int]]]

_explain_missing(__name__)


def _get_foreach_kernels_supported_devices() -> list[str]:
    return ["cuda", "xpu", "mtia", "privateuseone"]


def _get_fused_kernels_supported_devices() -> list[str]:
    return ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]


def _device_has_foreach_support(device: device) -> bool:
    return device.type == "cpu" or device.type in _get_foreach_kernels_supported_devices()


def _has_foreach_support(tensors: Sequence[Tensor | None], device: device) -> bool:
    """Whether functions of lists take these: tensors of torch's own class."""
    plain = all(one is None or type(one) is Tensor for one in tensors)
    return _device_has_foreach_support(device) and plain


def _group_tensors_by_device_and_dtype(
    tensorlistlist: Sequence[Sequence[Tensor | None]], with_indices: bool = False
) -> Grouped:
    """The columns of lists of equal lengths, by the first list's devices and data types.

    Arguments: an empty list stays empty; `with_indices` also gives the columns' numbers. Raises:
    RuntimeError for lists of other lengths and for a first list with holes.

    >>> import rushlight as torch
    >>> from rushlight.utils._foreach_utils import _group_tensors_by_device_and_dtype
    >>> lists = [[torch.ones(1), torch.ones(1, dtype=torch.int64)], [None, torch.zeros(1)]]
    >>> for (_, kind), found in _group_tensors_by_device_and_dtype(lists, True).items():
    ...     print(kind, found)
    torch.float32 ([[tensor([1.])], [None]], [0])
    torch.int64 ([[tensor([1])], [tensor([0.])]], [1])
    """
    if not tensorlistlist:
        raise RuntimeError("Expected !nested_tensorlist.empty() to be true, but got false.")
    if any(len(one) not in (0, len(tensorlistlist[0])) for one in tensorlistlist):
        raise RuntimeError("Expected all lists of tensors to be of one length, or empty.")
    groups: Grouped = {}
    for number, leader in enumerate(tensorlistlist[0]):
        if leader is None:
            raise RuntimeError(
                "Tensors of the first list of nested Tensor lists are supposed to be defined but"
                f" the {number}-th Tensor is not."
            )
        fresh = ([[] for _ in tensorlistlist], [])
        lists, numbers = groups.setdefault((leader.device, leader.dtype), fresh)
        for into, tensors in zip(lists, tensorlistlist):
            into.extend(tensors[number : number + 1])
        if with_indices:
            numbers.append(number)
    return groups
