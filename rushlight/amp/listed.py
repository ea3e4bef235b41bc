"""Which functions autocast runs in the fast type, and which in float32 (torch's CPU lists).

What the functions do is exchanged when the first region is entered: programs without autocast pay
nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..core.gates import surround
from ..core.state import STATE
from .cast import to_kind

FAST = {
    "torch": (
        "mm matmul bmm addmm baddbmm addbmm chain_matmul einsum inner tensordot matrix_power prelu"
        " conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d lstm rnn_tanh"
        " rnn_relu"
    ),
    "nn.functional": (
        "linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d prelu"
        " scaled_dot_product_attention"
    ),
    "neural": "linear",  # beneath the layers' own
    "linalg": "multi_dot vecdot matmul matrix_power",
    "Tensor": "mm matmul bmm addmm baddbmm addbmm inner matrix_power prelu __matmul__ __rmatmul__",
}
FULL = {
    "torch": (
        "prod trace cdist quantile nanquantile polar view_as_complex stft inverse pinverse cholesky"
        " cholesky_inverse cholesky_solve lu_solve orgqr ormqr geqrf qr svd triangular_solve"
        " cosine_embedding_loss hinge_embedding_loss margin_ranking_loss triplet_margin_loss"
        " ctc_loss kl_div poisson_nll_loss binary_cross_entropy_with_logits grid_sampler"
    ),
    "nn.functional": (
        "mse_loss l1_loss smooth_l1_loss huber_loss cross_entropy nll_loss binary_cross_entropy"
        " binary_cross_entropy_with_logits kl_div cosine_embedding_loss hinge_embedding_loss"
        " poisson_nll_loss margin_ranking_loss soft_margin_loss triplet_margin_loss"
        " multi_margin_loss multilabel_margin_loss ctc_loss avg_pool3d max_pool3d"
        " adaptive_avg_pool3d adaptive_max_pool3d max_unpool2d max_unpool3d grid_sample"
    ),
    "linalg": (
        "inv inv_ex solve svd svdvals qr eig eigh eigvals eigvalsh cholesky cholesky_ex lstsq"
        " matrix_rank cond householder_product tensorinv tensorsolve"
    ),
    "fft": "fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft",
    "Tensor": (
        "prod trace quantile nanquantile stft inverse pinverse cholesky cholesky_inverse"
        " cholesky_solve lu_solve orgqr ormqr geqrf qr svd triangular_solve"
    ),
}
AS_IS = {"torch": "bilinear", "nn.functional": "bilinear"}  # one op in torch, several here
WIDEST = {"torch": "index_copy", "Tensor": "index_copy"}
_BORDERS = ("reflect", "replicate")  # modes of `pad` that run in float32
_installed = [False]


def converted(value: Any, kind: Any) -> Any:
    """Tensors in `kind`, also inside lists, tuples and dictionaries."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(converted(one, kind) for one in value)
    if isinstance(value, dict):
        return {key: converted(one, kind) for key, one in value.items()}
    return to_kind(value, kind)


def _cast(chosen: Callable[..., Any], function: Any, args: Any, kwargs: Any) -> Any:
    """The function on cast operands; what it calls itself is not cast again."""
    fast = STATE.autocast
    kind = chosen(fast, args, kwargs) if fast else None
    if kind is None:
        return function(*args, **kwargs)
    if kind is not AS_IS:
        args, kwargs = converted(args, kind), converted(kwargs, kind)
    STATE.autocast = False
    try:
        return function(*args, **kwargs)
    finally:
        STATE.autocast = fast


def _fast(fast: Any, args: Any, kwargs: Any) -> Any:
    return fast


def _full(fast: Any, args: Any, kwargs: Any) -> Any:
    return rl.float32


def _as_is(fast: Any, args: Any, kwargs: Any) -> Any:
    return AS_IS


def _recurrent(fast: Any, args: Any, kwargs: Any) -> Any:
    """torch's LSTM of whole sequences is one op on the list; other layers are made of others."""
    mode, _, sizes, _, weights, biased, layers, *_, bidirectional = args
    ways = layers * (2 if bidirectional else 1)
    one = mode == "LSTM" and sizes is None and len(weights) == ways * (4 if biased else 2)
    return fast if one else None


def _widest(fast: Any, args: Any, kwargs: Any) -> Any:
    floats = [one.dtype for one in (*args, *kwargs.values()) if isinstance(one, rl.Tensor)]
    return rl.float32 if rl.float32 in floats else None


def _padded(fast: Any, args: Any, kwargs: Any) -> Any:
    mode = args[2] if len(args) > 2 else kwargs.get("mode")
    return rl.float32 if mode in _BORDERS else None


def _lists() -> list[tuple[Any, str, Callable[..., Any]]]:
    """(where it lives, name, how it is cast) of every listed function that there is."""
    homes = {
        "torch": rl, "nn.functional": rl.nn.functional, "linalg": rl.linalg, "fft": rl.fft,
        "Tensor": rl.Tensor, "recurrent": sys.modules["rushlight.nn.functional.recurrent"],
        "neural": sys.modules["rushlight.functions.neural"],
    }  # fmt: skip
    tables = (
        (FAST, _fast), (FULL, _full), (WIDEST, _widest), (AS_IS, _as_is),
        ({"nn.functional": "pad"}, _padded), ({"recurrent": "recurrent"}, _recurrent),
    )  # fmt: skip
    return [
        (homes[home], name, chosen)
        for table, chosen in tables
        for home, names in table.items()
        for name in names.split()
        if hasattr(homes[home], name)
    ]


def install() -> None:
    """Have the listed functions cast first, once; each stays the object that it is."""
    if _installed[0]:
        return
    _installed[0] = True
    for home, name, chosen in _lists():
        surround(getattr(home, name), functools.partial(_cast, chosen))
