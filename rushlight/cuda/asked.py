"""What programs ask of a GPU at their start or their end: answered, or refused as torch refuses."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any, NoReturn

from ..core.errors import fail
from .queues import refuse


def set_stream(stream: Any) -> None:
    """Do nothing for None. Raises: AssertionError for a stream, for there can be none here.

    >>> import rushlight as torch
    >>> torch.cuda.set_stream(None)
    """
    if stream is not None:
        refuse()


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """An empty dictionary: no allocator of GPU memory counts here.

    >>> import rushlight as torch
    >>> torch.cuda.memory_stats_as_nested_dict()
    {}
    """
    return {}


def host_memory_stats() -> OrderedDict[str, Any]:
    """An empty dictionary: no memory of the host is pinned for a GPU.

    >>> import rushlight as torch
    >>> torch.cuda.host_memory_stats()
    OrderedDict()
    """
    return OrderedDict()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """What an allocator has counted, as text: nothing. (torch without CUDA raises KeyError.)

    >>> import rushlight as torch
    >>> torch.cuda.memory_summary()
    'no GPU: 0 bytes allocated'
    """
    return "no GPU: 0 bytes allocated"


def memory_cached(device: Any = None) -> int:
    """The older name of `memory_reserved`, of which it warns.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.cuda.memory_cached()
    0
    """
    return _renamed("memory_cached", "memory_reserved")


def max_memory_cached(device: Any = None) -> int:
    """The older name of `max_memory_reserved`, of which it warns.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.cuda.max_memory_cached()
    0
    """
    return _renamed("max_memory_cached", "max_memory_reserved")


def _renamed(old: str, new: str) -> int:
    text = f"`torch.cuda.{old}` has been renamed to `torch.cuda.{new}`"
    warnings.warn(text, FutureWarning, stacklevel=3)
    return 0


def reset_max_memory_allocated(device: Any = None) -> None:
    """The older name of `reset_peak_memory_stats`, of which it warns.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.cuda.reset_max_memory_allocated()
    """
    _resets("reset_max_memory_allocated")


def reset_max_memory_cached(device: Any = None) -> None:
    """The older name of `reset_peak_memory_stats`, of which it warns.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.cuda.reset_max_memory_cached()
    """
    _resets("reset_max_memory_cached")


def _resets(name: str) -> None:
    warnings.warn(
        f"torch.cuda.{name} now calls torch.cuda.reset_peak_memory_stats, which resets /all/ peak"
        " memory stats.", FutureWarning, stacklevel=3,
    )  # fmt: skip


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Do nothing: nothing has been counted. (torch without CUDA raises AttributeError.)

    >>> import rushlight as torch
    >>> torch.cuda.reset_accumulated_memory_stats()
    """


def get_gencode_flags() -> str:
    """No options of a compiler for GPUs.

    >>> import rushlight as torch
    >>> torch.cuda.get_gencode_flags()
    ''
    """
    return ""


def is_tf32_supported() -> bool:
    """False: no GPU multiplies with fewer digits here.

    >>> import rushlight as torch
    >>> torch.cuda.is_tf32_supported()
    False
    """
    return False


def list_gpu_processes(device: Any = None) -> str:
    """torch's text where NVIDIA's library for asking is not installed.

    >>> import rushlight as torch
    >>> torch.cuda.list_gpu_processes()
    'pynvml module not found, please install nvidia-ml-py'
    """
    return "pynvml module not found, please install nvidia-ml-py"


class device_of:
    """A block on the device of a tensor: like any other block, for it is on the CPU.

    >>> import rushlight as torch
    >>> with torch.cuda.device_of(torch.ones(2)):
    ...     print(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, obj: Any) -> None:
        self.idx = -1

    def __enter__(self) -> None:
        """Nothing: there is one device."""

    def __exit__(self, *error: Any) -> bool:
        return False


def _ask_driver(device: Any = None) -> NoReturn:
    """What a GPU's driver measures. Raises: ModuleNotFoundError, as torch without its library.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.utilization()
    ... except ModuleNotFoundError as error:
    ...     print(error)
    nvidia-ml-py does not seem to be installed or it can't be imported.
    """
    raise fail(
        ModuleNotFoundError,
        "nvidia-ml-py does not seem to be installed or it can't be imported.",
        "rushlight computes on the CPU: ask torch.cuda.is_available() first",
    )


def _need_gpu(*_: Any, **__: Any) -> NoReturn:
    """What only a GPU has or does. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.can_device_access_peer(0, 1)
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """
    refuse()


utilization = temperature = power_draw = clock_rate = memory_usage = _ask_driver
device_memory_used = _ask_driver
can_device_access_peer = set_sync_debug_mode = get_sync_debug_mode = cudart = _need_gpu
set_per_process_memory_fraction = get_per_process_memory_fraction = _need_gpu
current_blas_handle = _need_gpu
has_half, has_magma = True, False
