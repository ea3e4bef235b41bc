"""torch.backends: what the machine's libraries offer, and flags that programs set."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

from .core.names import explain_missing

# In torch this is a package: `import torch.backends.cudnn` asks for a path.
__path__: list[str] = []


def _no() -> bool:
    """False."""
    return False


def _yes() -> bool:
    """True."""
    return True


def _part(name: str, **content: Any) -> Any:
    """A module `backends.<name>`, importable by its own name as in torch."""
    path = f"{__name__}.{name}"
    module: Any = ModuleType(path, f"Flags and questions of torch.backends.{name}.")
    module.__dict__.update(content)
    sys.modules[path] = module
    explain_missing(path)
    return module


@contextlib.contextmanager
def _flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    **others: Any,
) -> Iterator[None]:
    """Set cuDNN's flags inside the block; they have no effect."""
    before = {name: getattr(cudnn, name) for name in _CUDNN}
    given = (enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    cudnn.__dict__.update(zip(_CUDNN, given))
    try:
        yield
    finally:
        cudnn.__dict__.update(before)


_CUDNN = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")

cudnn = _part(
    "cudnn", is_available=_no, version=lambda: None, flags=_flags, enabled=True, benchmark=False,
    benchmark_limit=10, deterministic=False, allow_tf32=True,
)  # fmt: skip
cuda = _part(
    "cuda", is_built=_no,
    matmul=SimpleNamespace(
        allow_tf32=False, allow_fp16_reduced_precision_reduction=True,
        allow_bf16_reduced_precision_reduction=True,
    ),
    flash_sdp_enabled=_no, mem_efficient_sdp_enabled=_no, cudnn_sdp_enabled=_no,
    math_sdp_enabled=_yes,
)  # fmt: skip
mps = _part("mps", is_available=_no, is_built=_no)
mkl = _part("mkl", is_available=_no)
mkldnn = _part("mkldnn", is_available=_no, enabled=False)
openmp = _part("openmp", is_available=_no)
cpu = _part("cpu", get_cpu_capability=lambda: "DEFAULT")
opt_einsum = _part("opt_einsum", is_available=_no, enabled=False, strategy=None)

explain_missing(__name__)
