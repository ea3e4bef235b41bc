"""Batch and instance normalisation in one to three dimensions."""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as rl

from ..core.errors import fail
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _NormBase(Module):
    """Statistics per channel, with a learned scale and shift if `affine`."""

    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]
    _dims: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        made = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = Parameter(rl.empty(num_features, **made)) if wanted else None
            self.register_parameter(name, value)
        if track_running_stats:
            self.register_buffer("running_mean", rl.zeros(num_features, **made))
            self.register_buffer("running_var", rl.ones(num_features, **made))
            count = rl.tensor(0, dtype=rl.long, device=device)
            self.register_buffer("num_batches_tracked", count)
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running mean and variance."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget the statistics; scale 1, shift 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Any) -> None:
        """Refuse a number of dimensions that is not in `_dims`."""
        if input.dim() not in self._dims:
            wanted = " or ".join(f"{dim}D" for dim in self._dims)
            raise fail(
                ValueError,
                f"expected {wanted} input (got {input.dim()}D input)",
                f"the input has shape {tuple(input.shape)}",
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict, *rest: Any
    ) -> None:
        """A checkpoint of version 1 had no num_batches_tracked."""
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats:
            known = self.num_batches_tracked is not None and not self.num_batches_tracked.is_meta
            kept = self.num_batches_tracked if known else rl.tensor(0, dtype=rl.long)
            state_dict.setdefault(key, kept)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        keeps = self.training and self.track_running_stats
        factor = 0.0 if self.momentum is None else self.momentum
        if keeps and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # a cumulative mean over all batches
                factor = 1.0 / float(self.num_batches_tracked)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        use_running = not self.training or self.track_running_stats
        running = (self.running_mean, self.running_var) if use_running else (None, None)
        return self._normalised(input, *running, by_batch, factor)

    def _normalised(self, input: Any, mean: Any, var: Any, by_batch: bool, factor: float) -> Any:
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, factor, self.eps)


class BatchNorm1d(_BatchNorm):
    """Normalise each feature of (N, C) or (N, C, L) over the batch; see BatchNorm2d.

    Raises: ValueError for other than two or three dimensions, or in training for a single value of
    a feature; RuntimeError for another number of features.

    >>> import rushlight as torch
    >>> torch.nn.BatchNorm1d(4)(torch.randn(8, 4)).shape
    torch.Size([8, 4])
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, per channel of (N, C, H, W).

    In training the statistics are the batch's, and running_mean and running_var follow them with
    `momentum` (None: plain average); in evaluation the running ones are used.
    Source: Ioffe and Szegedy, 2015.

    >>> import rushlight as torch
    >>> torch.nn.BatchNorm2d(3)(torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalise each channel of (N, C, D, H, W) over the batch; see BatchNorm2d.

    Raises: ValueError for other than five dimensions, or in training for a single value of a
    channel.
    Source: Ioffe and Szegedy, 2015.

    >>> import rushlight as torch
    >>> torch.nn.BatchNorm3d(4)(torch.randn(2, 4, 3, 3, 3)).shape
    torch.Size([2, 4, 3, 3, 3])
    """

    _dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """BatchNorm whose statistics in training are those of the batches of all processes.

    Outside of a group of processes it is BatchNorm. `process_group`: by default the whole one.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.SyncBatchNorm.html

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.BatchNorm2d(4))
    >>> type(torch.nn.SyncBatchNorm.convert_sync_batchnorm(net)[0]).__name__
    'SyncBatchNorm'
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input: Any) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def _normalised(self, input: Any, mean: Any, var: Any, by_batch: bool, factor: float) -> Any:
        group, dist = self.process_group, rl.distributed
        if not (self.training and by_batch and dist.is_initialized()) or (
            dist.get_world_size(group) == 1
        ):
            return super()._normalised(input, mean, var, by_batch, factor)
        total: Any = dist.nn.functional.all_reduce
        shape = (1, -1, *(1,) * (input.dim() - 2))
        dims = [dim for dim in range(input.dim()) if dim != 1]
        number = input.new_full((1,), input.numel() // input.shape[1])
        sums = total(rl.cat([input.sum(dims), number]), group=group)
        count = sums[-1].item()
        centred = input - (sums[:-1] / count).view(shape)
        squares = total(centred.square().sum(dims), group=group)
        if mean is not None:
            with rl.no_grad():
                mean.lerp_(sums[:-1].detach() / count, factor)
                var.lerp_(squares.detach() / max(count - 1, 1), factor)
        y = centred * (squares / count + self.eps).rsqrt().view(shape)
        y = y if self.weight is None else y * self.weight.view(shape)
        return y if self.bias is None else y + self.bias.view(shape)

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: Any = None) -> Any:
        """Replace every BatchNorm layer below `module` by a SyncBatchNorm of the same state."""
        converted = module
        if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
            converted = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            converted._parameters.update(module._parameters)
            converted._buffers.update(module._buffers)
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        channel = input.dim() - self._dims[0]
        if input.size(channel) != self.num_features:
            self._complain_of_features(input, channel)
        if input.dim() == self._dims[0]:  # no batch dimension
            return self._normalised(input.unsqueeze(0)).squeeze(0)
        return self._normalised(input)

    def _complain_of_features(self, input: Any, channel: int) -> None:
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={channel} to match num_features "
                f"({self.num_features}), but got: {input.size(channel)}."
            )
        warnings.warn(
            f"input's size at dim={channel} does not match num_features. You can silence this "
            "warning by not passing in num_features, which is not used because affine=False",
            stacklevel=3,
        )

    def _normalised(self, input: Any) -> Any:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each example of (N, C, L) or (C, L).

    Arguments are those of InstanceNorm2d. Raises: ValueError for other dimensions, or in training
    for a single place.
    Source: Ulyanov et al., 2016.

    >>> import rushlight as torch
    >>> torch.nn.InstanceNorm1d(1)(torch.tensor([[[1.0, 3.0]], [[10.0, 30.0]]]))
    tensor([[[-1.0000,  1.0000]],
    <BLANKLINE>
            [[-1.0000,  1.0000]]])
    """

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalise each channel of each image of (N, C, H, W) or (C, H, W).

    eps: added to the variance; affine: with a weight and bias for each channel;
    track_running_stats: use the statistics of training in evaluation. Raises: ValueError for a
    single pixel in training.

    >>> import rushlight as torch
    >>> torch.nn.InstanceNorm2d(3)(torch.randn(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalise each channel of each volume of (N, C, D, H, W) or (C, D, H, W).

    Arguments are those of InstanceNorm2d. Raises: ValueError for other dimensions, or in training
    for a single voxel. Source: Ulyanov et al., 2016.

    >>> import rushlight as torch
    >>> x = torch.nn.InstanceNorm3d(3)(torch.rand(2, 3, 4, 4, 4))
    >>> x.std((2, 3, 4), correction=0).round(decimals=2)[0]
    tensor([1., 1., 1.])
    """

    _dims = (4, 5)
