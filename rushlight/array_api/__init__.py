"""The Python array API standard, version 2024.12, over rushlight's tensors.

This is what `Tensor.__array_namespace__()` returns: `axis` and `keepdims` where torch says `dim`
and `keepdim`, and the standard's names and rules throughout. Results are tensors.
Source: https://data-apis.org/array-api/2024.12/

>>> import rushlight as torch
>>> xp = torch.ones(2, 3).__array_namespace__()
>>> xp.sum(torch.ones(2, 3), axis=1, keepdims=True).shape
torch.Size([2, 1])
"""

from __future__ import annotations

from math import e, inf, nan, pi

from rushlight import bool as bool
from rushlight import (
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)

from . import fft, linalg
from .creation import *
from .data_types import *
from .elementwise import *
from .info import __array_namespace_info__
from .linalg import matmul, matrix_transpose, tensordot, vecdot
from .manipulation import *
from .searching import *
from .statistical import *

newaxis = None
__array_api_version__ = "2024.12"
