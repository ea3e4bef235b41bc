"""Helpers around modules: clipping, vectors of parameters, packed sequences, parametrisations."""

from ...core.names import explain_missing as _explain_missing
from . import parametrizations, parametrize, rnn, stateless
from .clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from .convert_parameters import parameters_to_vector, vector_to_parameters
from .fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from .init import skip_init
from .spectral_norm import remove_spectral_norm, spectral_norm
from .weight_norm import remove_weight_norm, weight_norm

# loaded when asked for
_explain_missing(
    __name__,
    {
        "_named_member_accessor": ("rushlight.nn.utils._named_member_accessor", None),
        **{
            name: ("rushlight.nn.utils.memory_format", name)
            for name in (
                "convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format"
            ).split()
        },
        "prune": ("rushlight.nn.utils.prune", None),
    },
)
