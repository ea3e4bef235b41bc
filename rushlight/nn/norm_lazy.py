"""Batch and instance normalisation that take num_features from their first input."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .lazy import LazyModuleMixin
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from .parameter import UninitializedBuffer, UninitializedParameter


class _LazyNormBase(LazyModuleMixin):
    weight: Any
    bias: Any
    num_features: int

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**made)
            if bias:
                self.bias = UninitializedParameter(**made)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**made)
            self.running_var = UninitializedBuffer(**made)
            self.num_batches_tracked = rl.tensor(0, dtype=rl.long, device=device)

    def reset_parameters(self) -> None:
        """Reset, once there is a shape."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]  # the layer's, after this class

    def initialize_parameters(self, input: Any) -> None:
        if not self.has_uninitialized_params():
            if self.num_features == 0:
                held = [self.weight, self.bias, self.running_mean, self.running_var]
                self.num_features = next((t.shape[0] for t in held if t is not None), 0)
            return
        self.num_features = input.shape[1]
        held = [self.weight, self.bias]
        if self.track_running_stats:
            held += [self.running_mean, self.running_var]
        for tensor in held:
            if tensor is not None:
                tensor.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    """A BatchNorm1d that takes num_features from its first input.

    Arguments are those of BatchNorm1d. Until then weight, bias and running statistics have no
    shape, and asking for it raises RuntimeError; afterwards the module is a BatchNorm1d.

    >>> import rushlight as torch
    >>> torch.nn.LazyBatchNorm1d()(torch.randn(4, 3)).shape
    torch.Size([4, 3])
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    """A BatchNorm2d that takes num_features from its first input.

    Arguments are those of BatchNorm2d; see LazyBatchNorm1d.

    >>> import rushlight as torch
    >>> norm = torch.nn.LazyBatchNorm2d()
    >>> y = norm(torch.rand(8, 3, 4, 4))
    >>> norm
    BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    """A BatchNorm3d that takes num_features from its first input.

    Arguments are those of BatchNorm3d; see LazyBatchNorm1d.

    >>> import rushlight as torch
    >>> norm = torch.nn.LazyBatchNorm3d()
    >>> y = norm(torch.rand(8, 3, 2, 2, 2))
    >>> norm.num_features
    3
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNormBase, InstanceNorm1d):
    """An InstanceNorm1d that takes num_features from its first input.

    Arguments are those of InstanceNorm1d; see LazyBatchNorm1d.

    >>> import rushlight as torch
    >>> norm = torch.nn.LazyInstanceNorm1d(affine=True)
    >>> norm(torch.rand(8, 3, 4)).shape, norm.weight.shape
    (torch.Size([8, 3, 4]), torch.Size([3]))
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, InstanceNorm2d):
    """An InstanceNorm2d that takes num_features from its first input.

    Arguments are those of InstanceNorm2d; see LazyBatchNorm1d.

    >>> import rushlight as torch
    >>> norm = torch.nn.LazyInstanceNorm2d(affine=True)
    >>> norm(torch.rand(8, 3, 4, 4)).shape, norm.weight.shape
    (torch.Size([8, 3, 4, 4]), torch.Size([3]))
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, InstanceNorm3d):
    """An InstanceNorm3d that takes num_features from its first input.

    Arguments are those of InstanceNorm3d; see LazyBatchNorm1d.

    >>> import rushlight as torch
    >>> norm = torch.nn.LazyInstanceNorm3d(affine=True)
    >>> norm(torch.rand(8, 3, 2, 2, 2)).shape, norm.weight.shape
    (torch.Size([8, 3, 2, 2, 2]), torch.Size([3]))
    """

    cls_to_become = InstanceNorm3d
