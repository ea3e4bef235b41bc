"""Docstrings of what no `def` of its own makes: ops as declared, made functions, small members.

Examples of functions stand in the modules of `TEXTS`, which load when somebody first asks for such
a function, as does `stated`, which says of an op what its declaration knows. What Tensor's small
members say stands here, and runs as this module's doctest.
"""

from __future__ import annotations

import functools
import importlib
import re
from typing import Any

__all__: list[str] = []

TEXTS = ("examples_of_ops", "examples_in_place")

MEMBERS = {
    "dim": """
    The number of dimensions.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).dim()
    2
    """,
    "ndimension": """
    `dim` under its older name.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).ndimension()
    2
    """,
    "numel": """
    The number of elements: the product of all sizes, 1 for a number.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).numel(), torch.tensor(5.0).numel()
    (6, 1)
    """,
    "nelement": """
    `numel` under its older name.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).nelement()
    6
    """,
    "element_size": """
    Bytes per element.

    >>> import rushlight as torch
    >>> torch.ones(2).element_size(), torch.ones(2, dtype=torch.int64).element_size()
    (4, 8)
    """,
    "data_ptr": """
    The address of the first element; equal for two tensors that begin at the same place.

    >>> import rushlight as torch
    >>> x = torch.arange(4)
    >>> x.view(2, 2).data_ptr() == x.data_ptr(), x[1:].data_ptr() - x.data_ptr()
    (True, 8)
    """,
    "grad": """
    What `backward` has added up for this leaf, a tensor of its shape, or None before that.

    It may be set, to None or to a tensor of the same shape and type. Raises RuntimeError otherwise.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    tensor([2., 4.])
    """,
    "is_inference": """
    Whether it was made in inference mode.

    >>> import rushlight as torch
    >>> torch.ones(1).is_inference()
    False
    """,
    "item": """
    Raises: RuntimeError unless there is exactly one element.

    >>> import rushlight as torch
    >>> torch.tensor([[2.5]]).item()
    2.5
    """,
    "tolist": """
    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).tolist(), torch.tensor(1.5).tolist()
    ([[1, 2], [3, 4]], 1.5)
    """,
    "numpy": """
    >>> import rushlight as torch
    >>> x = torch.zeros(2)
    >>> x.numpy()[0] = 5
    >>> x
    tensor([5., 0.])
    """,
    "size": """
    >>> import rushlight as torch
    >>> x = torch.zeros(2, 3)
    >>> x.size(), x.size(-1)
    (torch.Size([2, 3]), 3)
    """,
    "stride": """
    >>> import rushlight as torch
    >>> x = torch.zeros(2, 3)
    >>> x.stride(), x.t().stride(), x.stride(0)
    ((3, 1), (1, 3), 3)
    """,
    "storage_offset": """
    >>> import rushlight as torch
    >>> torch.arange(6).view(2, 3)[1].storage_offset()
    3
    """,
    "is_contiguous": """
    >>> import rushlight as torch
    >>> x = torch.zeros(2, 3)
    >>> x.is_contiguous(), x.t().is_contiguous()
    (True, False)
    """,
    "detach": """
    Writes to one are seen in the other; gradients do not flow through it.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> (x * 3).detach()
    tensor([3., 3.])
    """,
    "detach_": """
    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True) * 3
    >>> x.detach_().requires_grad
    False
    """,
    "requires_grad_": """
    >>> import rushlight as torch
    >>> torch.ones(2).requires_grad_()
    tensor([1., 1.], requires_grad=True)
    """,
    "data": """
    It may be set, to a tensor of any shape: the tensor then looks into that one's memory.

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> w.data -= 0.5
    >>> w
    tensor([0.5000, 0.5000], requires_grad=True)
    """,
    "grad_fn": """
    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> x.grad_fn, type(x.exp().grad_fn).__name__
    (None, 'ExpBackward0')
    """,
    "to_device": """
    >>> import rushlight as torch
    >>> torch.ones(2).to_device("cpu").device
    device(type='cpu')
    """,
    "T": """
    The dimensions in reverse order: the transpose of a matrix, in the same memory.

    torch deprecates it for other than two dimensions, and warns: `mT` transposes batches.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).T
    tensor([[1, 3],
            [2, 4]])
    """,
    "mT": """
    The last two dimensions exchanged, in the same memory: (*, n, m) of (*, m, n).

    Raises: RuntimeError for fewer than two dimensions.

    >>> import rushlight as torch
    >>> torch.zeros(5, 2, 3).mT.shape
    torch.Size([5, 3, 2])
    """,
    "cuda": """
    The tensor on a graphics card. Raises: RuntimeError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.ones(1).cuda()
    ... except (AssertionError, RuntimeError):
    ...     print("no card")
    no card
    """,
    "retains_grad": """
    Whether this tensor, not a leaf, was asked by `retain_grad` to keep its gradient.

    >>> import rushlight as torch
    >>> y = torch.ones(1, requires_grad=True) * 2
    >>> y.retain_grad()
    >>> y.retains_grad
    True
    """,
    "is_floating_point": """
    Whether the elements are real numbers (float16, bfloat16, float32, float64, ...).

    >>> import rushlight as torch
    >>> torch.ones(1).is_floating_point(), torch.tensor([1]).is_floating_point()
    (True, False)
    """,
    "is_complex": """
    Whether the elements are complex numbers.

    >>> import rushlight as torch
    >>> torch.tensor([1j]).is_complex(), torch.ones(1).is_complex()
    (True, False)
    """,
    "is_signed": """
    Whether the element type has negative values.

    >>> import rushlight as torch
    >>> torch.tensor([1]).is_signed(), torch.tensor([True]).is_signed()
    (True, False)
    """,
    "type_as": """
    The tensor with the element type of `other`; itself where that is the same.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).type_as(torch.ones(1))
    tensor([1., 2.])
    """,
    "get_device": """
    The number of the device: -1 for the CPU.

    >>> import rushlight as torch
    >>> torch.ones(1).get_device()
    -1
    """,
    "is_cuda": """
    False: no tensor lies on a graphics card here.

    >>> import rushlight as torch
    >>> torch.ones(1).is_cuda
    False
    """,
    "is_sparse": """
    Whether the layout is COO, which keeps places and values.

    >>> import rushlight as torch
    >>> torch.ones(1).is_sparse, torch.eye(2).to_sparse().is_sparse
    (False, True)
    """,
    "is_quantized": """
    False: there are no quantised element types here.

    >>> import rushlight as torch
    >>> torch.ones(1).is_quantized
    False
    """,
    "cpu": """
    The tensor in main memory: itself, as there is no other device with values.

    >>> import rushlight as torch
    >>> x = torch.ones(1)
    >>> x.cpu() is x
    True
    """,
    "is_cpu": """
    Whether it lies in main memory, as all tensors with values do.

    >>> import rushlight as torch
    >>> torch.ones(1).is_cpu, torch.ones(1, device="meta").is_cpu
    (True, False)
    """,
    "is_meta": """
    Whether it has a form (shape and type) but no values.

    >>> import rushlight as torch
    >>> torch.ones(1, device="meta").is_meta
    True
    """,
    "volatile": """
    False: a name of long ago, `requires_grad` and `no_grad` stand in its place.
    """,
    "to_dense": """
    The tensor itself, or as `dtype`: every element is kept already.

    >>> import rushlight as torch
    >>> x = torch.ones(1)
    >>> x.to_dense() is x
    True
    """,
    "dense_dim": """
    How many dimensions are not sparse: all of them.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).dense_dim(), torch.zeros(2, 3).to_sparse().dense_dim()
    (2, 0)
    """,
    "sparse_dim": """
    How many dimensions are sparse: none.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).sparse_dim(), torch.zeros(2, 3).to_sparse().sparse_dim()
    (0, 2)
    """,
    "float": """
    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).float()
    tensor([1., 2.])
    """,
    "double": """
    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).double()
    tensor([1., 2.], dtype=torch.float64)
    """,
    "half": """
    >>> import rushlight as torch
    >>> torch.tensor([0.1, 70000.0]).half()
    tensor([0.1000,    inf], dtype=torch.float16)
    """,
    "chalf": """
    >>> import rushlight as torch
    >>> torch.tensor([0.1, 2.0]).chalf().dtype
    torch.complex32
    """,
    "bfloat16": """
    >>> import rushlight as torch
    >>> torch.tensor([0.1, 70000.0]).bfloat16()
    tensor([1.0010e-01, 7.0144e+04], dtype=torch.bfloat16)
    """,
    "short": """
    >>> import rushlight as torch
    >>> torch.tensor([1.9, -1.9]).short()
    tensor([ 1, -1], dtype=torch.int16)
    """,
    "int": """
    >>> import rushlight as torch
    >>> torch.tensor([1.9, -1.9]).int()
    tensor([ 1, -1], dtype=torch.int32)
    """,
    "long": """
    >>> import rushlight as torch
    >>> torch.tensor([1.9, -1.9]).long()
    tensor([ 1, -1])
    """,
    "byte": """
    >>> import rushlight as torch
    >>> torch.tensor([1.9, 257.0]).byte()
    tensor([1, 1], dtype=torch.uint8)
    """,
    "char": """
    >>> import rushlight as torch
    >>> torch.tensor([1, 130]).char()
    tensor([   1, -126], dtype=torch.int8)
    """,
    "bool": """
    >>> import rushlight as torch
    >>> torch.tensor([0.0, 0.5]).bool()
    tensor([False,  True])
    """,
    "cfloat": """
    >>> import rushlight as torch
    >>> torch.tensor([1.0]).cfloat()
    tensor([1.+0.j])
    """,
    "cdouble": """
    >>> import rushlight as torch
    >>> torch.tensor([1.0]).cdouble()
    tensor([1.+0.j], dtype=torch.complex128)
    """,
    "mul_": """
    >>> import rushlight as torch
    >>> torch.tensor([1.0, -2.0]).mul_(3)
    tensor([ 3., -6.])
    """,
}

__test__ = MEMBERS


def attach(name: str, function: Any) -> Any:
    """What users have under that name, with its example, if there is one and none is there yet.

    What goes by several names (`asin`, `arcsin`) shows the example of the one it was made by.
    """
    if ">>>" not in (getattr(function, "__doc__", None) or ">>>"):
        made_by = getattr(function, "__name__", name)
        example = _by_name().get(name) or _by_name().get(made_by)
        if example is not None:
            declared = importlib.import_module("rushlight.functions.stated")
            parts = function.__doc__.rstrip(), declared.stated(function), example
            function.__doc__ = "\n\n".join(filter(None, parts)) + "\n    "
    return function


def attach_all(prefix: str, names: dict[str, Any]) -> None:
    """The same for what a module (`fft.`) has."""
    for name in [name for name in _by_name() if name.startswith(prefix)]:
        attach(name, names[name.removeprefix(prefix)])


def described(members: dict[str, Any]) -> dict[str, Any]:
    """The same members of Tensor; what `MEMBERS` says of one stands below what it says itself."""
    for name in members.keys() & MEMBERS.keys():
        member = members[name]
        text = f"{member.__doc__}\n{MEMBERS[name]}" if member.__doc__ else MEMBERS[name].lstrip()
        if isinstance(member, property):
            members[name] = property(member.fget, member.fset, member.fdel, text)
        else:
            member.__doc__ = text
    return members


@functools.cache
def _by_name() -> dict[str, str]:
    """Examples by what they call, which may be a method: `torch.tensor(...).exp_()`."""
    found = {}
    for module in TEXTS:
        text = importlib.import_module(f"rushlight.functions.{module}").EXAMPLES
        first, *examples = text.strip().split("\n>>> ")
        for example in examples:
            called = re.match(r"torch\.(?:tensor\(.*?\)\.)?([\w.]+)\(", example)
            if called is not None:
                lines = f"{first}\n>>> {example}".replace("\n", "\n    ")
                found[called[1]] = f"    {lines}"
    return found
