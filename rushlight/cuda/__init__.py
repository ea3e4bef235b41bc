"""torch.cuda on a machine without one: questions are answered, requests refused as torch does."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NoReturn

from ..core.errors import fail
from ..core.names import explain_missing as _explain_missing
from . import amp


class OutOfMemoryError(RuntimeError):
    """Never raised here; programs name it in `except`."""


def _refuse() -> NoReturn:
    raise fail(
        AssertionError,
        "Torch not compiled with CUDA enabled",
        "rushlight computes on the CPU: the only device is 'cpu'",
        "write device = 'cuda' if torch.cuda.is_available() else 'cpu'",
    )


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
    """False."""
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
    """Do nothing: there is no cache of GPU memory."""


def ipc_collect() -> None:
    """Do nothing."""


def reset_peak_memory_stats(device: Any = None) -> None:
    """Do nothing."""


def manual_seed(seed: int) -> None:
    """Do nothing, as torch without a GPU."""


def manual_seed_all(seed: int) -> None:
    """Do nothing, as torch without a GPU.

    >>> import rushlight as torch
    >>> torch.cuda.manual_seed_all(0)
    """


def seed() -> None:
    """Do nothing, as torch without a GPU."""


def seed_all() -> None:
    """Do nothing, as torch without a GPU."""


def initial_seed() -> int:
    """Refuse: AssertionError."""
    _refuse()


def memory_allocated(device: Any = None) -> int:
    """0 bytes.

    >>> import rushlight as torch
    >>> torch.cuda.memory_allocated()
    0
    """
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """0 bytes."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """0 bytes."""
    return 0


def memory_stats(device: Any = None) -> OrderedDict[str, int]:
    """An empty dictionary: no allocator of GPU memory counts here."""
    return OrderedDict()


def get_rng_state_all() -> list[Any]:
    """An empty list: no GPU, no generator."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Do nothing for the empty list that `get_rng_state_all` gave."""
    if len(new_states):
        _refuse()


def init() -> None:
    """Refuse: AssertionError."""
    _refuse()


def current_device() -> int:
    """Refuse: AssertionError."""
    _refuse()


def set_device(device: Any) -> None:
    """Refuse: AssertionError."""
    _refuse()


def get_device_name(device: Any = None) -> str:
    """Refuse: AssertionError."""
    _refuse()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Refuse: AssertionError."""
    _refuse()


def get_device_properties(device: Any = None) -> Any:
    """Refuse: AssertionError."""
    _refuse()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Refuse: AssertionError."""
    _refuse()


def get_rng_state(device: Any = "cuda") -> Any:
    """Refuse: AssertionError."""
    _refuse()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Refuse: AssertionError."""
    _refuse()


def current_stream(device: Any = None) -> Any:
    """Refuse: AssertionError."""
    _refuse()


def default_stream(device: Any = None) -> Any:
    """Refuse: AssertionError."""
    _refuse()


@contextlib.contextmanager
def stream(stream: Any) -> Iterator[None]:
    """Run the block; a stream that is not None cannot exist here."""
    if stream is not None:
        _refuse()
    yield


class device:
    """A block on another GPU. Entering it is refused: RuntimeError."""

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


class Stream:
    """Refuse: RuntimeError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


class Event:
    """Refuse: RuntimeError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise fail(
            RuntimeError,
            "Tried to instantiate dummy base class Event",
            "to time work on the CPU take time.perf_counter()",
        )


class StreamContext:
    """`with torch.cuda.stream(None)` as an object; another stream cannot exist here."""

    def __init__(self, stream: Any) -> None:
        if stream is not None:
            _refuse()
        self.stream = stream

    def __enter__(self) -> None:
        """Nothing: work on the CPU needs no stream."""

    def __exit__(self, *error: Any) -> None:
        """Nothing to undo."""


class CUDAGraph:
    """Refuse: RuntimeError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise fail(
            RuntimeError,
            "Tried to instantiate dummy base class CUDAGraph",
            "torch.compile makes one program of a step on the CPU",
        )


class graph:
    """Record a CUDAGraph in a block: there is none to be given. Refuse: AssertionError."""

    def __init__(self, cuda_graph: CUDAGraph, *args: Any, **kwargs: Any) -> None:
        _refuse()


default_generators: tuple[Any, ...] = ()
_initialized = False  # asked by code that keeps the state of a GPU's generator if there is one
_explain_missing(
    __name__,
    {name: (f"{__name__}.{name}", None) for name in ("memory", "nvtx", "random", "streams")},
)
