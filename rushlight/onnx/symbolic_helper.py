"""What libraries ask of torch's older exporter, which wrote traced operators one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .exporting import USUAL

__all__ = ["GLOBALS", "parse_args"]


class _Globals:
    """The settings of an export."""

    export_onnx_opset_version = USUAL


GLOBALS = _Globals()


def parse_args(*arg_descriptors: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that leaves the function as it is: traced operators are not exported one by one.

    arg_descriptors: what the function's arguments are ("v", "i", "is", ...); not read.
    Source: https://docs.pytorch.org/docs/stable/onnx_torchscript.html

    >>> import rushlight as torch
    >>> @torch.onnx.symbolic_helper.parse_args("v", "i")
    ... def symbolic(g, x, dim):
    ...     return g.op("Sum", x, axis_i=dim)
    >>> symbolic.__name__
    'symbolic'
    """
    return lambda function: function
