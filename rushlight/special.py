"""torch.special: error, gamma, Bessel and entropy functions under that namespace's names."""

from __future__ import annotations

from typing import Any

import rushlight.ops.special as _ops

from .core.gates import publish_all as _publish_all
from .core.tensor import Tensor
from .functions import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    i0,
    igamma,
    igammac,
    lgamma,
    log1p,
    log_softmax,
    logit,
    logsumexp,
    mvlgamma,
    polygamma,
    round,
    sigmoid,
    sinc,
    softmax,
    xlogy,
)
from .functions.examples import attach_all as _attach_all
from .ops.special import (
    airy_ai,
    bessel_j0,
    bessel_j1,
    bessel_y0,
    bessel_y1,
    entr,
    erfcx,
    i0e,
    i1,
    i1e,
    log_ndtr,
    modified_bessel_i0,
    modified_bessel_i1,
    modified_bessel_k0,
    modified_bessel_k1,
    ndtri,
    scaled_modified_bessel_k0,
    scaled_modified_bessel_k1,
    spherical_bessel_j0,
    xlog1py,
    zeta,
)

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "chebyshev_polynomial_t",
    "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w", "digamma",
    "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc",
    "gammaln", "hermite_polynomial_h", "hermite_polynomial_he", "i0", "i0e", "i1", "i1e",
    "laguerre_polynomial_l", "legendre_polynomial_p", "log1p", "log_ndtr", "log_softmax",
    "logit", "logsumexp", "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0",
    "modified_bessel_k1", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round",
    "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w", "sinc", "softmax", "spherical_bessel_j0", "xlog1py",
    "xlogy", "zeta",
]  # fmt: skip

expit, gammaln, psi, multigammaln = sigmoid, lgamma, digamma, mvlgamma
gammainc, gammaincc = igamma, igammac
chebyshev_polynomial_t = _ops.POLYNOMIALS["chebyshev_polynomial_t"]
chebyshev_polynomial_u = _ops.POLYNOMIALS["chebyshev_polynomial_u"]
chebyshev_polynomial_v = _ops.POLYNOMIALS["chebyshev_polynomial_v"]
chebyshev_polynomial_w = _ops.POLYNOMIALS["chebyshev_polynomial_w"]
shifted_chebyshev_polynomial_t = _ops.POLYNOMIALS["shifted_chebyshev_polynomial_t"]
shifted_chebyshev_polynomial_u = _ops.POLYNOMIALS["shifted_chebyshev_polynomial_u"]
shifted_chebyshev_polynomial_v = _ops.POLYNOMIALS["shifted_chebyshev_polynomial_v"]
shifted_chebyshev_polynomial_w = _ops.POLYNOMIALS["shifted_chebyshev_polynomial_w"]
hermite_polynomial_h = _ops.POLYNOMIALS["hermite_polynomial_h"]
hermite_polynomial_he = _ops.POLYNOMIALS["hermite_polynomial_he"]
laguerre_polynomial_l = _ops.POLYNOMIALS["laguerre_polynomial_l"]
legendre_polynomial_p = _ops.POLYNOMIALS["legendre_polynomial_p"]


def ndtr(input: Tensor, *, out: Any = None) -> Tensor:
    """The normal distribution function: (1 + erf(x / sqrt 2)) / 2.

    >>> import rushlight as torch
    >>> torch.special.ndtr(torch.tensor([0.0]))
    tensor([0.5000])
    """
    return _ops.ndtr(input, out=out)


_attach_all("special.", globals())
_publish_all(globals(), __all__)
