"""torch.cuda on a machine without one: questions are answered, requests refused as torch does."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..core.errors import fail
from ..core.names import explain_missing as _explain_missing
from ..core.shortage import OutOfMemoryError
from . import amp
from .asked import (
    can_device_access_peer,
    clock_rate,
    cudart,
    current_blas_handle,
    device_memory_used,
    device_of,
    get_gencode_flags,
    get_per_process_memory_fraction,
    get_sync_debug_mode,
    has_half,
    has_magma,
    host_memory_stats,
    is_tf32_supported,
    list_gpu_processes,
    max_memory_cached,
    memory_cached,
    memory_stats_as_nested_dict,
    memory_summary,
    memory_usage,
    power_draw,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    set_per_process_memory_fraction,
    set_stream,
    set_sync_debug_mode,
    temperature,
    utilization,
)
from .queues import CUDAGraph, Event, Stream, StreamContext, graph, stream
from .queues import refuse as _refuse


def is_available() -> bool:
    """False: there is no GPU here.

    >>> import rushlight as torch
    >>> device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    >>> device
    device(type='cpu')
    """
    return False


def device_count() -> int:
    """0.

    >>> import rushlight as torch
    >>> torch.cuda.device_count()
    0
    """
    return 0


def is_initialized() -> bool:
    """False.

    >>> import rushlight as torch
    >>> torch.cuda.is_initialized()
    False
    """
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: no GPU computes in bfloat16 here. The CPU does, whatever this says.

    >>> import rushlight as torch
    >>> torch.cuda.is_bf16_supported(), torch.ones(1, dtype=torch.bfloat16).dtype
    (False, torch.bfloat16)
    """
    return False


def get_arch_list() -> list[str]:
    """An empty list: no GPU architecture is compiled for.

    >>> import rushlight as torch
    >>> torch.cuda.get_arch_list()
    []
    """
    return []


def synchronize(device: Any = None) -> None:
    """Return at once: operations on the CPU are finished when they return.

    >>> import rushlight as torch
    >>> torch.cuda.synchronize()
    """


def empty_cache() -> None:
    """Do nothing: there is no cache of GPU memory.

    >>> import rushlight as torch
    >>> torch.cuda.empty_cache()
    """


def ipc_collect() -> None:
    """Do nothing: no memory of a GPU is shared with other processes. (torch without CUDA raises.)

    >>> import rushlight as torch
    >>> torch.cuda.ipc_collect()
    """


def reset_peak_memory_stats(device: Any = None) -> None:
    """Do nothing: the peak is 0 bytes. (torch without CUDA raises AttributeError.)

    >>> import rushlight as torch
    >>> torch.cuda.reset_peak_memory_stats()
    >>> torch.cuda.max_memory_allocated()
    0
    """


def manual_seed(seed: int) -> None:
    """Do nothing, as torch without a GPU: `torch.manual_seed` is what seeds the CPU.

    >>> import rushlight as torch
    >>> torch.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Do nothing, as torch without a GPU.

    >>> import rushlight as torch
    >>> torch.cuda.manual_seed_all(0)
    """


def seed() -> None:
    """Do nothing, as torch without a GPU.

    >>> import rushlight as torch
    >>> torch.cuda.seed()
    """


def seed_all() -> None:
    """Do nothing, as torch without a GPU.

    >>> import rushlight as torch
    >>> torch.cuda.seed_all()
    """


def initial_seed() -> int:
    """The seed of the GPU's generator. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.initial_seed()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def memory_allocated(device: Any = None) -> int:
    """0 bytes.

    >>> import rushlight as torch
    >>> torch.cuda.memory_allocated()
    0
    """
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """0 bytes: the most that tensors on a GPU have taken.

    >>> import rushlight as torch
    >>> torch.cuda.max_memory_allocated()
    0
    """
    return 0


def memory_reserved(device: Any = None) -> int:
    """0 bytes: what an allocator holds of a GPU's memory.

    >>> import rushlight as torch
    >>> torch.cuda.memory_reserved()
    0
    """
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """0 bytes: the most that an allocator has held.

    >>> import rushlight as torch
    >>> torch.cuda.max_memory_reserved()
    0
    """
    return 0


def memory_stats(device: Any = None) -> OrderedDict[str, int]:
    """An empty dictionary: no allocator of GPU memory counts here.

    >>> import rushlight as torch
    >>> torch.cuda.memory_stats()
    OrderedDict()
    """
    return OrderedDict()


def get_rng_state_all() -> list[Any]:
    """An empty list: no GPU, no generator.

    >>> import rushlight as torch
    >>> torch.cuda.get_rng_state_all()
    []
    """
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Do nothing, as torch without a GPU.

    >>> import rushlight as torch
    >>> torch.cuda.set_rng_state_all(torch.cuda.get_rng_state_all())
    """


def init() -> None:
    """Start CUDA. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.init()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def current_device() -> int:
    """The number of the GPU in use. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.current_device()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def set_device(device: Any) -> None:
    """Choose a GPU by its number. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.set_device(0)
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def get_device_name(device: Any = None) -> str:
    """The name of a GPU. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.get_device_name(0)
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """(major, minor) of what a GPU can do. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.get_device_capability()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def get_device_properties(device: Any = None) -> Any:
    """Name, memory and more of a GPU. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.get_device_properties(0)
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, whole) memory of a GPU in bytes. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.mem_get_info()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def get_rng_state(device: Any = "cuda") -> Any:
    """The state of a GPU's generator. Raises: AssertionError; `torch.get_rng_state` is the CPU's.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.get_rng_state()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Do nothing, as torch without a GPU: `torch.set_rng_state` is the CPU's.

    >>> import rushlight as torch
    >>> torch.cuda.set_rng_state(torch.get_rng_state())
    """


def current_stream(device: Any = None) -> Any:
    """The queue of work of a GPU. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.current_stream()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


def default_stream(device: Any = None) -> Any:
    """A GPU's first queue of work. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.default_stream()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    _refuse()


class device:
    """A block on another GPU. Raises: RuntimeError when it is entered.

    >>> import rushlight as torch
    >>> try:
    ...     with torch.cuda.device(0):
    ...         pass
    ... except RuntimeError as error:
    ...     print(error)
    PyTorch was compiled without CUDA support
    """

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        raise fail(
            RuntimeError,
            "PyTorch was compiled without CUDA support",
            "rushlight computes on the CPU: leave the block out",
        )

    def __exit__(self, *args: Any) -> bool:
        return False


default_generators: tuple[Any, ...] = ()
_initialized = False  # asked by code that keeps the state of a GPU's generator if there is one
_explain_missing(
    __name__,
    {
        "AcceleratorError": ("rushlight.accelerator", "AcceleratorError"),
        **{name: (f"{__name__}.{name}", None) for name in ("memory", "nvtx", "random", "streams")},
        **{
            f"{name}Tensor": (f"{__name__}.typed", f"{name}Tensor")
            for name in "BFloat16 Bool Byte Char Double Float Half Int Long Short".split()
        },
    },
)
