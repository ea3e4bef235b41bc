"""Layers that vision networks are built from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

nn = rl.nn


class _ConvNormActivation(nn.Sequential):
    conv: Any
    dims = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 3,
        stride: Any = 1,
        padding: Any = None,
        groups: int = 1,
        norm_layer: Callable[..., Any] | None = None,
        activation_layer: Callable[..., Any] | None = nn.ReLU,
        dilation: Any = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        if padding is None:
            sizes, apart = (
                (x,) * self.dims if isinstance(x, int) else x for x in (kernel_size, dilation)
            )
            padding = tuple((k - 1) // 2 * d for k, d in zip(sizes, apart))
        bias = norm_layer is None if bias is None else bias
        settings = kernel_size, stride, padding, dilation, groups, bias
        layers = [type(self).conv(in_channels, out_channels, *settings)]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**({} if inplace is None else {"inplace": inplace})))
        super().__init__(*layers)
        self.out_channels = out_channels


class Conv2dNormActivation(_ConvNormActivation):
    """A convolution, its normalisation and its activation; the padding keeps sizes by itself.

    Arguments: those of Conv2d; `norm_layer` and `activation_layer`, classes, None for none of them;
    `inplace` of the activation; `bias`, by default where there is no normalisation.
    Shapes: (N, C, H, W) to (N, out_channels, H, W) over the stride.

    >>> Conv2dNormActivation(3, 8, stride=2)
    Conv2dNormActivation(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
      (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
      (2): ReLU(inplace=True)
    )
    """

    conv = nn.Conv2d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 3,
        stride: Any = 1,
        padding: Any = None,
        groups: int = 1,
        norm_layer: Callable[..., Any] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., Any] | None = nn.ReLU,
        dilation: Any = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups,
                         norm_layer, activation_layer, dilation, inplace, bias)  # fmt: skip


class Conv3dNormActivation(_ConvNormActivation):
    """`Conv2dNormActivation` of volumes (N, C, D, H, W).

    Arguments are those of `Conv2dNormActivation`.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.Conv3dNormActivation(2, 4)(torch.zeros(1, 2, 3, 3, 3)).shape
    torch.Size([1, 4, 3, 3, 3])
    """

    conv, dims = nn.Conv3d, 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 3,
        stride: Any = 1,
        padding: Any = None,
        groups: int = 1,
        norm_layer: Callable[..., Any] | None = nn.BatchNorm3d,
        activation_layer: Callable[..., Any] | None = nn.ReLU,
        dilation: Any = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups,
                         norm_layer, activation_layer, dilation, inplace, bias)  # fmt: skip


class SqueezeExcitation(nn.Module):
    """Scale each channel by what a small network makes of the means of all: x s(W2 a(W1 mean x)).

    Source: Hu et al., 2018.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.SqueezeExcitation(8, squeeze_channels=2)(torch.rand(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[..., Any] = nn.ReLU,
        scale_activation: Callable[..., Any] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Any) -> Any:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(input))))
        return self.scale_activation(scale) * input


class MLP(nn.Sequential):
    """Linear layers with normalisation, activation and dropout between them.

    Arguments: `hidden_channels`, the sizes of all layers, the last of which is the result's;
    `norm_layer` and `activation_layer`, classes; `dropout`, the share that is dropped.
    Shapes: (*, in_channels) to (*, hidden_channels[-1]).

    >>> from rushlight.vision import ops
    >>> [type(layer).__name__ for layer in ops.MLP(4, [8, 2])]
    ['Linear', 'ReLU', 'Dropout', 'Linear', 'Dropout']
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: list[int],
        norm_layer: Callable[..., Any] | None = None,
        activation_layer: Callable[..., Any] | None = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        params = {} if inplace is None else {"inplace": inplace}
        layers: list[Any] = []
        for place, width in enumerate(hidden_channels):
            layers.append(nn.Linear(in_channels, width, bias=bias))
            if place < len(hidden_channels) - 1:
                if norm_layer is not None:
                    layers.append(norm_layer(width))
                if activation_layer is not None:
                    layers.append(activation_layer(**params))
            layers.append(nn.Dropout(dropout, **params))
            in_channels = width
        super().__init__(*layers)


class Permute(nn.Module):
    """`permute` as a layer.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.Permute([0, 2, 3, 1])(torch.zeros(1, 3, 4, 5)).shape
    torch.Size([1, 4, 5, 3])
    """

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Any) -> Any:
        return x.permute(self.dims)


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose statistics, weight and bias are buffers that nothing changes.

    y = (x - mean) / sqrt(var + eps) * weight + bias, per channel of (N, C, H, W).
    Raises: RuntimeError for another number of channels.

    >>> from rushlight.vision import ops
    >>> layer = ops.FrozenBatchNorm2d(3)
    >>> list(layer.parameters()), sorted(layer.state_dict())
    ([], ['bias', 'running_mean', 'running_var', 'weight'])
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", rl.ones(num_features))
        self.register_buffer("bias", rl.zeros(num_features))
        self.register_buffer("running_mean", rl.zeros(num_features))
        self.register_buffer("running_var", rl.ones(num_features))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Any) -> Any:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


def stochastic_depth(input: Any, p: float, mode: str, training: bool = True) -> Any:
    """Zero the whole input ("batch") or whole rows of it ("row") with probability p.

    Source: Huang et al., 2016. Raises: ValueError for another p or mode.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.stochastic_depth(torch.ones(100, 2), 0.5, "row").sum(1).unique()
    tensor([0., 4.])
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    rows = input.shape[0] if mode == "row" else 1
    noise = input.new_empty([rows, *[1] * (input.dim() - 1)]).bernoulli_(1.0 - p)
    return input * (noise.div_(1.0 - p) if p < 1.0 else noise)


class StochasticDepth(nn.Module):
    """`stochastic_depth` as a layer.

    Arguments and errors are those of `stochastic_depth`; in evaluation nothing is dropped.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.StochasticDepth(0.5, "row").eval()(torch.ones(2, 1)).T
    tensor([[1., 1.]])
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Any) -> Any:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
