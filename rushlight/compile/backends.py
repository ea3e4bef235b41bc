"""Which backend a name means."""

from __future__ import annotations

from typing import Any

from .code import llvm


def choose_backend(wanted: Any) -> str:
    """The backend meant by torch's or our names; "llvm" where llvmlite is there."""
    if wanted in ("eager", "aot_eager"):
        return "eager"
    if wanted == "numpy":
        return "numpy"
    if wanted in (None, "inductor", "llvm"):
        if llvm.available():
            return "llvm"
        if wanted == "llvm":
            raise RuntimeError(llvm.MISSING)
        return "numpy"
    raise RuntimeError(f"Invalid backend: '{wanted}', see `torch.compile` for the known ones")
