"""Weights that are averaged over processes now and then."""

from __future__ import annotations

from ....core.names import explain_missing as _explain_missing

_explain_missing(__name__, {name: (f"{__name__}.{name}", None) for name in ("averagers", "utils")})
