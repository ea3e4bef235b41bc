"""torch.backends: what the machine's libraries offer, and flags that programs set."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

from .core.names import explain_missing

# In torch this is a package: `import torch.backends.cudnn` asks for a path.
__path__: list[str] = []


def _no() -> bool:
    """False."""
    return False


@contextlib.contextmanager
def __allow_nonbracketed_mutation() -> Iterator[None]:
    """Torch's own leave to set flags after they were frozen; here they never are."""
    yield


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
)  # fmt: skip
# Which ways of attention may be taken. There are two names for the one there is.
attention = SimpleNamespace(flash=True, mem_efficient=True, math=True, cudnn=True)


def _attention_flag(name: str) -> dict[str, Any]:
    """The question and the switch of one way of attention, under torch's names."""

    def enabled() -> bool:
        return getattr(attention, name)

    def enable(enabled: bool) -> None:
        setattr(attention, name, bool(enabled))

    return {f"{name}_sdp_enabled": enabled, f"enable_{name}_sdp": enable}


for _way in vars(attention):
    cuda.__dict__.update(_attention_flag(_way))


@contextlib.contextmanager
def _sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[Any]:
    """Which ways of attention may be taken inside the block: the older form of sdpa_kernel."""
    text = (
        "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager"
        " will be removed. Please see `torch.nn.attention.sdpa_kernel()` for the new context"
        " manager, with updated signature."
    )
    warnings.warn(text, FutureWarning, stacklevel=3)
    given = (enable_flash, enable_mem_efficient, enable_math, enable_cudnn)
    before = dict(vars(attention))
    vars(attention).update(zip(before, given))
    try:
        yield {}
    finally:
        vars(attention).update(before)


cuda.sdp_kernel = _sdp_kernel
mps = _part("mps", is_available=_no, is_built=_no)
mkl = _part("mkl", is_available=_no)


_ONEDNN = ("enabled", "deterministic", "allow_tf32", "fp32_precision")


def _set_onednn(
    _enabled: bool | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
    _fp32_precision: str | None = "none",
) -> tuple[Any, ...]:
    """Set oneDNN's flags, where one is given, and tell what they were; they have no effect."""
    before = tuple(getattr(mkldnn, name) for name in _ONEDNN)
    given = zip(_ONEDNN, (_enabled, _deterministic, _allow_tf32, _fp32_precision))
    mkldnn.__dict__.update((name, value) for name, value in given if value is not None)
    return before


@contextlib.contextmanager
def _onednn_flags(
    enabled: bool = False,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> Iterator[None]:
    """Set oneDNN's flags inside the block."""
    before = _set_onednn(enabled, deterministic, allow_tf32, fp32_precision)
    try:
        yield
    finally:
        mkldnn.__dict__.update(zip(_ONEDNN, before))


mkldnn = _part(
    "mkldnn", is_available=_no, enabled=False, deterministic=False, allow_tf32=None,
    fp32_precision="none", flags=_onednn_flags, set_flags=_set_onednn,
)  # fmt: skip
openmp = _part("openmp", is_available=_no)
cpu = _part("cpu", get_cpu_capability=lambda: "DEFAULT")
opt_einsum = _part("opt_einsum", is_available=_no, enabled=False, strategy=None)

explain_missing(__name__)
