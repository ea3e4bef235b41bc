"""torch.fx.experimental: the questions that other libraries ask of it."""

from . import proxy_tensor as proxy_tensor
