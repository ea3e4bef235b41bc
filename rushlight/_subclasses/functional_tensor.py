"""Functional tensors: there are none. Writes in place are put in order by the compiler itself."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing


class FunctionalTensor(rl.Tensor):
    """The class that torch's tracer gives tensors; no tensor here is of it."""


def mb_unwrap_functional_tensor(tensor: Any) -> Any:
    """The tensor itself."""
    return tensor


_explain_missing(__name__)
