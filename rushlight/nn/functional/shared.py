"""The functions that the top namespace shares, some with arguments in another order."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import (
    activation,
    averaging,
    classification,
    convolution,
    distance,
    normalization,
    padding,
    pooling,
    sparse,
    windows,
)
from . import noise as drops
from . import products as lines
from .native import native_batch_norm, native_dropout, native_group_norm, native_layer_norm
from .recurrent import (
    gru,
    gru_cell,
    lstm,
    lstm_cell,
    rnn_relu,
    rnn_relu_cell,
    rnn_tanh,
    rnn_tanh_cell,
)
from .reduction import reduced

Tensor = rl.Tensor

celu, celu_, hardshrink, prelu = (
    activation.celu, activation.celu_, activation.hardshrink, activation.prelu
)  # fmt: skip
rrelu, rrelu_, selu, selu_ = activation.rrelu, activation.rrelu_, activation.selu, activation.selu_
relu_, threshold, threshold_ = activation.relu_, activation.threshold, activation.threshold_
conv1d, conv2d, conv3d = convolution.conv1d, convolution.conv2d, convolution.conv3d
conv_tbc = convolution.conv_tbc
conv_transpose1d = convolution.conv_transpose1d
conv_transpose2d = convolution.conv_transpose2d
conv_transpose3d = convolution.conv_transpose3d
avg_pool1d, max_pool1d = averaging.avg_pool1d, pooling.max_pool1d
max_pool2d, max_pool3d = pooling.max_pool2d, pooling.max_pool3d
max_pool1d_with_indices = pooling.max_pool1d_with_indices
bilinear, rms_norm = lines.bilinear, normalization.rms_norm
embedding_bag = sparse.embedding_bag
adaptive_avg_pool1d = windows.adaptive_avg_pool1d
cosine_similarity, pdist = distance.cosine_similarity, distance.pdist
pairwise_distance = distance.pairwise_distance
channel_shuffle, native_channel_shuffle = padding.channel_shuffle, padding.native_channel_shuffle
pixel_shuffle, pixel_unshuffle = padding.pixel_shuffle, padding.pixel_unshuffle


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """`nn.functional.adaptive_max_pool1d` with its indices.

    >>> import rushlight as torch
    >>> torch.adaptive_max_pool1d(torch.tensor([[3.0, 1.0]]), 1)
    (tensor([[3.]]), tensor([[0]]))
    """
    return windows.adaptive_max_pool1d(input, output_size, True)


def constant_pad_nd(input: Tensor, pad: Any, value: complex = 0) -> Tensor:
    """`nn.functional.pad` with a constant, which may be complex.

    >>> import rushlight as torch
    >>> torch.constant_pad_nd(torch.tensor([1.0, 2.0]), (1, 2), 9)
    tensor([9., 1., 2., 9., 9.])
    """
    return padding.constant(input, pad, value)


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.dropout`; torch wants all three arguments here.

    >>> import rushlight as torch
    >>> torch.dropout(torch.ones(1000), 0.5, True).unique()
    tensor([0., 2.])
    """
    return drops.dropout(input, p, train)


def _kind(reduction: int) -> str:
    """torch's numbers of reductions; any other number is none."""
    return {1: "mean", 2: "sum"}.get(reduction, "none")


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:  # fmt: skip
    """`nn.functional.binary_cross_entropy_with_logits`, each element's, mean (1) or sum (2).

    >>> import rushlight as torch
    >>> torch.binary_cross_entropy_with_logits(torch.zeros(2), torch.ones(2))
    tensor([0.6931, 0.6931])
    """
    return classification.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_kind(reduction), pos_weight=pos_weight
    )


def kl_div(
    input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False
) -> Tensor:
    """`nn.functional.kl_div`, each element's, mean (1) or sum (2).

    >>> import rushlight as torch
    >>> torch.kl_div(torch.tensor([0.0, -1.0]), torch.tensor([1.0, 1.0]), 2)
    tensor(1.)
    """
    pointwise = classification.kl_div(input, target, reduction="none", log_target=log_target)
    return reduced(pointwise, _kind(reduction))


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.alpha_dropout`.

    >>> import rushlight as torch
    >>> torch.alpha_dropout(torch.ones(3), 0.5, False)
    tensor([1., 1., 1.])
    """
    return drops.alpha_dropout(input, p, train)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.feature_alpha_dropout`.

    >>> import rushlight as torch
    >>> torch.feature_alpha_dropout(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    return drops.feature_alpha_dropout(input, p, train)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.embedding` with the table first.

    >>> import rushlight as torch
    >>> torch.embedding(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 0, 1]))
    tensor([[3., 4.],
            [1., 2.],
            [3., 4.]])
    """
    padding = None if padding_idx < 0 else padding_idx
    return rl.nn.functional.embedding(indices, weight, padding, None, 2.0, scale_grad_by_freq)


def batch_norm(
    input: Tensor, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool,
    momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.batch_norm` with weight and bias before the running statistics.

    >>> import rushlight as torch
    >>> x = torch.tensor([[1.0], [3.0]])
    >>> torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    return normalization.native_batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def instance_norm(
    input: Tensor, weight: Any, bias: Any, running_mean: Any, running_var: Any,
    use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.instance_norm` with weight and bias before the running statistics.

    >>> import rushlight as torch
    >>> x = torch.tensor([[[1.0, 3.0]]])
    >>> torch.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
    tensor([[[-1.,  1.]]])
    """
    return normalization.native_instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.layer_norm`.

    >>> import rushlight as torch
    >>> torch.layer_norm(torch.tensor([1.0, 3.0]), (2,), eps=0.0)
    tensor([-1.,  1.])
    """
    return normalization.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.group_norm`.

    >>> import rushlight as torch
    >>> torch.group_norm(torch.tensor([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    return normalization.group_norm(input, num_groups, weight, bias, eps)


__all__ = [
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "batch_norm",
    "bilinear", "binary_cross_entropy_with_logits", "celu", "celu_", "channel_shuffle",
    "constant_pad_nd", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "cosine_similarity", "dropout", "embedding",
    "embedding_bag", "feature_alpha_dropout", "group_norm", "gru", "gru_cell", "hardshrink",
    "instance_norm", "kl_div", "layer_norm", "lstm", "lstm_cell", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "native_batch_norm",
    "native_channel_shuffle", "native_dropout", "native_group_norm", "native_layer_norm",
    "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle", "prelu", "relu_", "rms_norm",
    "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "rrelu", "rrelu_", "selu", "selu_",
    "threshold", "threshold_",
]  # fmt: skip
