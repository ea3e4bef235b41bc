"""torch's functions with a trailing underscore (`torch.sin_(x)`), made of those without."""

from __future__ import annotations

from ..core.inplace import in_place
from . import pointwise, special_functions

_NAMES = """
abs acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil clamp
clamp_max clamp_min clip cos cosh deg2rad exp exp2 expm1 fix floor frac gcd lcm log log10 log1p
log2 neg negative rad2deg reciprocal round rsqrt sigmoid sin sinh sqrt square tan tanh trunc
""".split()
_SPECIAL = "erf erfc i0 ldexp logit nan_to_num sinc xlogy".split()

_twins = {f"{name}_": in_place(getattr(pointwise, name)) for name in _NAMES}
_twins |= {f"{name}_": in_place(getattr(special_functions, name)) for name in _SPECIAL}
globals().update(_twins)

__all__ = list(_twins)  # pyright: ignore[reportUnsupportedDunderAll]  # by table
