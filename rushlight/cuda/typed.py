"""The older constructors of tensors on a GPU: names to compare with, which make nothing here."""

from __future__ import annotations

from typing import Any, NoReturn

import rushlight as rl

from ..core.errors import fail

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "ShortTensor",
]  # fmt: skip


class _Typed(type):
    """No tensor is an instance, and calls are refused."""

    dtype: rl.dtype
    is_cuda, is_sparse = True, False

    def __call__(cls, *data: Any, **options: Any) -> NoReturn:
        raise fail(
            TypeError,
            f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled.",
            f"rushlight computes on the CPU: torch.{cls.__name__}",
        )


def _typed(name: str) -> Any:
    doc = f"""`torch.{name}` on a GPU. Raises: TypeError, for there is none here.

    >>> import rushlight as torch
    >>> isinstance(torch.{name}([1]), torch.cuda.{name}), torch.cuda.{name}.dtype
    (False, {getattr(rl, name).dtype!r})
    """
    kind = getattr(rl, name).dtype
    return _Typed(name, (), {"dtype": kind, "__doc__": doc, "__module__": "torch.cuda"})


(BFloat16Tensor, BoolTensor, ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor,
 IntTensor, LongTensor, ShortTensor) = map(_typed, __all__)  # fmt: skip
