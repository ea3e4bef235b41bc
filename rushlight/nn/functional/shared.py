"""The functions that the top namespace shares, some with arguments in another order."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import (
    activation,
    averaging,
    distance,
    normalization,
    padding,
    pooling,
    sparse,
    windows,
)
from . import convolution as convolutions
from . import products as lines
from .activation_in_place import celu_, relu_, rrelu_, selu_, threshold_
from .native import native_batch_norm, native_dropout, native_group_norm, native_layer_norm
from .numbered import (
    affine_grid_generator,
    alpha_dropout,
    alpha_dropout_,
    binary_cross_entropy_with_logits,
    convolution,
    cosine_embedding_loss,
    ctc_loss,
    dropout,
    dropout_,
    embedding_renorm_,
    feature_alpha_dropout,
    feature_alpha_dropout_,
    feature_dropout,
    feature_dropout_,
    frobenius_norm,
    grid_sampler,
    grid_sampler_2d,
    grid_sampler_3d,
    hinge_embedding_loss,
    kl_div,
    margin_ranking_loss,
    norm_except_dim,
    nuclear_norm,
    poisson_nll_loss,
    triplet_margin_loss,
)
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

Tensor = rl.Tensor

celu, hardshrink, prelu = activation.celu, activation.hardshrink, activation.prelu
rrelu, selu, threshold = activation.rrelu, activation.selu, activation.threshold
conv1d, conv2d, conv3d = convolutions.conv1d, convolutions.conv2d, convolutions.conv3d
conv_tbc = convolutions.conv_tbc
conv_transpose1d = convolutions.conv_transpose1d
conv_transpose2d = convolutions.conv_transpose2d
conv_transpose3d = convolutions.conv_transpose3d
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
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "affine_grid_generator", "alpha_dropout",
    "alpha_dropout_", "avg_pool1d", "batch_norm", "bilinear", "binary_cross_entropy_with_logits",
    "celu", "celu_", "channel_shuffle", "constant_pad_nd", "conv1d", "conv2d", "conv3d", "conv_tbc",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution",
    "cosine_embedding_loss", "cosine_similarity", "ctc_loss", "dropout", "dropout_", "embedding",
    "embedding_bag", "embedding_renorm_", "feature_alpha_dropout", "feature_alpha_dropout_",
    "feature_dropout", "feature_dropout_", "frobenius_norm", "grid_sampler",
    "grid_sampler_2d", "grid_sampler_3d", "group_norm", "gru",
    "gru_cell", "hardshrink", "hinge_embedding_loss", "instance_norm", "kl_div", "layer_norm",
    "lstm", "lstm_cell", "margin_ranking_loss", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool3d", "native_batch_norm", "native_channel_shuffle", "native_dropout",
    "native_group_norm", "native_layer_norm", "norm_except_dim", "nuclear_norm",
    "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu",
    "relu_", "rms_norm", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "rrelu",
    "rrelu_", "selu", "selu_", "threshold", "threshold_", "triplet_margin_loss",
]  # fmt: skip
